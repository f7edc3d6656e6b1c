"""`bge-rerank cache`: list or remove the exports that `openvino` and `onnx` made on first use."""

from __future__ import annotations

import argparse

from bge_rerank.display.shown_text import for_terminal
from bge_rerank.extras import needs_extra
from bge_rerank.models.export_cache import CachedExport, cache_folder, cached_exports

MEGABYTE = 10**6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "action",
        choices=("list", "clear"),
        help="'list' shows model, precision, size, date and folder of each export. 'clear' removes all exports.",
    )
    parser.epilog = (
        "BGE_RERANK_CACHE names the cache's folder. The default is the user's cache folder."
    )


def run(arguments: argparse.Namespace) -> None:
    """List or remove the exports.

    Raises:
        RerankError: A package is missing, or an export cannot be removed.
    """
    exports = list(cached_exports())
    if arguments.action == "clear":
        _clear(exports)
        return
    for export in exports:
        print(for_terminal(_row(export)))
    if not exports:
        print(f"no exports in {cache_folder()}")


def _row(export: CachedExport) -> str:
    manifest = export.manifest
    size = f"{export.size / MEGABYTE:,.0f} MB"
    columns = (
        manifest.source_model,
        manifest.precision,
        size,
        f"{export.made:%Y-%m-%d}",
        export.entry,
    )
    return "\t".join(map(str, columns))


def _clear(exports: list[CachedExport]) -> None:
    with needs_extra("export", "removing exports"):
        from bge_rerank.export.cached import clear_cache
    sizes = {export.entry: export.size for export in exports}
    busy = clear_cache()
    freed = sum(size for entry, size in sizes.items() if entry not in busy)
    print(f"exports removed: {len(sizes.keys() - set(busy))} ({freed / MEGABYTE:,.0f} MB)")
    for entry in busy:
        print(f"kept {entry}, because a process is exporting into it")
