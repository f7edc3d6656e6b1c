"""`bge-rerank export MODEL DIR`: write a folder that OpenVINO and ONNX Runtime run without torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from bge_rerank.cli.commands.flags import add_flags, given
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import LoadOptions, ModelOptions
from bge_rerank.models.manifest import Precision

_HUB_OPTIONS = ("revision", "cache_dir", "local_files_only")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="A hub repository, a local folder, or 'mini'.")
    add("folder", metavar="DIR", type=Path, help="The folder to write. It must be new or empty.")
    add(
        "--precision",
        choices=get_args(Precision),
        default="fp32",
        help="The precision of the exported weights (default: %(default)s)",
    )
    add(
        "--samples",
        metavar="DATA",
        type=Path,
        help="For int8: a JSONL file with pairs like yours, from which the scales are set. Each line has "
        "'query' and 'passage', or 'query' and 'candidates'. The default is the demo's collection.",
    )
    add_flags(parser, ModelOptions, LoadOptions, only=_HUB_OPTIONS)


def run(arguments: argparse.Namespace) -> None:
    """Export the model, check the graph, and print how closely it agrees with the model.

    Raises:
        RerankError: As `bge_rerank.export.export_model` does.
    """
    from bge_rerank.data.pairs import read_pairs
    from bge_rerank.export import export_model

    with needs_extra("export", "exporting a model"):
        from bge_rerank.export.progress import progress_of

    samples = read_pairs(arguments.samples) if arguments.samples else None
    with progress_of(arguments.model, arguments.precision) as on_step:
        agreement = export_model(
            arguments.model,
            arguments.folder,
            arguments.precision,
            samples=samples,
            on_step=on_step,
            **given(arguments, ModelOptions, LoadOptions),
        )
    print(f"Wrote the {arguments.precision} export to {arguments.folder}. Its {agreement}.")
