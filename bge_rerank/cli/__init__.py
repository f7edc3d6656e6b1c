"""The command line, `bge-rerank`.

May import `cli.commands` and every room below it.
Start reading in `commands/rank.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from bge_rerank import __version__
from bge_rerank.cli.commands.flags import flags_of
from bge_rerank.cli.commands.messages import tell, warnings_on_stderr
from bge_rerank.errors import RerankError

COMMANDS = {
    "rank": "Rank the lines of a file, or JSONL, by relevance to a query.",
    "batch": "Rerank files of any size, JSONL or Parquet, and continue after an interruption.",
    "evaluate": "Measure on your labelled queries whether reranking helps.",
    "calibrate": "Fit probabilities and thresholds for a wanted precision to labelled pairs.",
    "drift": "Check that a model still gives the scores that it gave before.",
    "export": "Export a model to a folder that runs without torch.",
    "cache": "List or remove the exports that were made on first use.",
    "serve": "Rerank over HTTP for clients of TEI, Infinity, Cohere and Jina.",
    "capacity": "Plan how many machines like this one carry a load within a latency.",
    "bench": "Compare speed and memory with other packages on this machine.",
    "demo": "Retrieve, rerank and measure on a small collection.",
}
"""Name and summary; `bge_rerank.cli.commands.<name>` has `add_arguments(parser)` and `run(arguments)`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0, 1 after an error of ours, 2 after wrong usage, 130 after Ctrl-C.
    """
    arguments = _parse(argv)
    try:
        with warnings_on_stderr(arguments.flags, once=arguments.command != "serve"):
            import_module(f"{__name__}.commands.{arguments.command}").run(arguments)
    except RerankError as error:
        tell(error, arguments.flags)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bge-rerank",
        description="Rerank passages with BGE cross-encoders.",
        epilog="'bge-rerank COMMAND --help' describes the flags of a command.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        listed = f"{summary[0].lower()}{summary[1:].rstrip('.')}"
        command = commands.add_parser(name, help=listed, description=summary)
        import_module(f"{__name__}.commands.{name}").add_arguments(command)
        command.set_defaults(flags=flags_of(command))
    return parser.parse_args(argv)
