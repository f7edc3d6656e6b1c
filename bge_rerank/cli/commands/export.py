"""`bge-rerank export MODEL DIR`: a folder that the torch-free backends read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from bge_rerank.cli.commands.flags import add_flags, given
from bge_rerank.models.config import LoadOptions, ModelOptions
from bge_rerank.models.manifest import Precision

_HUB_OPTIONS = ("revision", "cache_dir", "local_files_only")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="hub name, folder or 'mini'")
    add("folder", metavar="DIR", type=Path, help="where to write; must not exist, or be empty")
    add("--precision", choices=get_args(Precision), default="fp32", help="(default: %(default)s)")
    add(
        "--samples",
        metavar="DATA",
        type=Path,
        help="for int8: JSONL with a 'query' and a 'passage' like yours per line (default: the demo's)",
    )
    add_flags(parser, ModelOptions, LoadOptions, only=_HUB_OPTIONS)


def run(arguments: argparse.Namespace) -> None:
    """Export, check, and say how closely the graph agrees with the model.

    Raises:
        RerankError: As `bge_rerank.export.export_model` does.
    """
    from bge_rerank.data.pairs import read_pairs
    from bge_rerank.export import export_model

    agreement = export_model(
        arguments.model,
        arguments.folder,
        arguments.precision,
        samples=read_pairs(arguments.samples) if arguments.samples else None,
        **given(arguments, ModelOptions, LoadOptions),
    )
    print(
        f"{arguments.folder}: {arguments.precision}, differs from torch float32 by "
        f"{agreement.difference:.2g} and with the batch by {agreement.batch:.2g} of the logits' spread"
    )
