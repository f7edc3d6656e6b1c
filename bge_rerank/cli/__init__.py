"""The command line, `bge-rerank`.

May import `cli.commands` and every room below it.
Start reading in `commands/rank.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from bge_rerank import __version__
from bge_rerank.display.shown_text import for_terminal
from bge_rerank.errors import RerankError

COMMANDS = {
    "export": "make a folder that the torch-free backends read",
    "rank": "rank lines or JSONL by their relevance to a query",
    "demo": "the whole job on a small collection: retrieve, rerank, measure",
    "evaluate": "does reranking help on labelled queries of your own",
    "serve": "rerank for clients of TEI, Infinity, Cohere and Jina",
    "bench": "speed and memory beside other packages, on this machine",
    "calibrate": "probabilities and thresholds for a wanted precision, from labelled pairs",
    "drift": "whether a model still gives the scores that it gave once",
}
"""Name and summary; `bge_rerank.cli.commands.<name>` has `add_arguments(parser)` and `run(arguments)`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for one of our errors, 2 for wrong usage."""
    arguments = _parse(argv)
    try:
        import_module(f"{__name__}.commands.{arguments.command}").run(arguments)
    except RerankError as error:
        print(f"bge-rerank: {for_terminal(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bge-rerank", description="Rerank with BGE cross-encoders."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        import_module(f"{__name__}.commands.{name}").add_arguments(command)
    return parser.parse_args(argv)
