"""`bge-rerank demo`: retrieve, rerank and measure on a small collection."""

from __future__ import annotations

import argparse

from bge_rerank.cli.commands.flags import add_flags
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import ModelOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add_flags(parser, ModelOptions, only=("model_name",), model_name="mini")
    add(
        "--show",
        type=int,
        default=3,
        metavar="N",
        help="How many questions to show in detail (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Retrieve, rerank through both frameworks, and print ranks and quality."""
    with needs_extra("demo", "the demo"):
        from bge_rerank.cli.demo.run import run_demo

        run_demo(arguments.model_name, arguments.show)
