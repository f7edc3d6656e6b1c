"""`bge-rerank export MODEL DIR`: write an exported model for the ONNX and OpenVINO backends."""

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
    add("model", metavar="MODEL", help="The model: a hub repository, a local folder, or 'mini'.")
    add("folder", metavar="DIR", type=Path, help="The folder to write. It must be new or empty.")
    add(
        "--precision",
        choices=get_args(Precision),
        default="fp32",
        help="The precision of the numbers: fp32 is exact, bf16 is faster in OpenVINO, and int8 is fastest "
        "but changes scores slightly. (default: %(default)s)",
    )
    add(
        "--samples",
        metavar="FILE",
        type=Path,
        help="For int8: a JSONL file of pairs like yours, with 'query' and 'passage' on each line. A few hundred "
        "are enough. (default: pairs of the demo collection)",
    )
    add_flags(parser, ModelOptions, LoadOptions, only=_HUB_OPTIONS)


def run(arguments: argparse.Namespace) -> None:
    """Export, check, and print how closely the export agrees with the model.

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
    print(f"Wrote the {arguments.precision} export to {arguments.folder}. Its {agreement}.")
