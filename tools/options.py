"""Write docs/options.md, the tables of all options: `make options`."""

from __future__ import annotations

import argparse
from functools import cache
from importlib import import_module
from pathlib import Path

from bge_rerank.adapters.options import AdapterOptions
from bge_rerank.cli import COMMANDS
from bge_rerank.cli.commands.flags import flags_of
from bge_rerank.models.config import AskOptions, LoadOptions, ModelOptions
from bge_rerank.models.options import Option, declared
from bge_rerank.ranking.options import RankOptions
from bge_rerank.server.options import Limits, PassOptions

PAGE = Path(__file__).parents[1] / "docs" / "options.md"
HEAD = """# Options

An option has the same name and meaning wherever you give it. It also has the same default, except that
`bge-rerank rank` and `bge-rerank batch` keep all texts. `make options` writes this page from the declarations in the code.

"""
SERVERS = "For `bge-rerank serve`, `ServerOptions` and [Ray Serve](ray-serve.md#settings)."
SECTIONS: tuple[tuple[str, type, str], ...] = (
    (
        "Which model",
        ModelOptions,
        "For `load_scorer`, `Reranker`, both adapters, and the commands that score.",
    ),
    (
        "How texts are ranked",
        RankOptions,
        "For `Reranker`, both adapters, `bge-rerank rank` and `bge-rerank batch`.",
    ),
    (
        "How an adapter works",
        AdapterOptions,
        "For `BGERerankerCompressor` and `BGERerankerPostprocessor`, the two adapters.",
    ),
    (
        "How a model is loaded",
        LoadOptions,
        """For `load_scorer` and `bge-rerank serve`. To use them with an adapter or a `Reranker`, pass the scorer:
`BGERerankerCompressor(scorer=load_scorer("mini", threads=2))`, `Reranker(load_scorer("mini", threads=2))`.""",
    ),
    (
        "How a server is called",
        AskOptions,
        "For `load_scorer`. To use them with an adapter or a `Reranker`, pass the scorer, as above.",
    ),
    ("Passes of `bge-rerank serve`", PassOptions, SERVERS),
    ("Limits of `bge-rerank serve`", Limits, SERVERS),
)


def page() -> str:
    """Return the page, in Markdown."""
    return HEAD + "\n".join(_section(*section) for section in SECTIONS)


def _section(title: str, declaring: type, taken_by: str) -> str:
    rows = "\n".join(map(_row, declared(declaring)))
    return f"## {title}\n\n{taken_by}\n\n| option | default | flag | what it does |\n|---|---|---|---|\n{rows}\n"


def _row(option: Option) -> str:
    flag = f"`{option.flag}`" if option.flag in _flags() and not option.hidden else ""
    return f"| `{option.name}` | `{option.default!r}` | {flag} | {option.doc} |"


@cache
def _flags() -> set[str]:
    """Return the flags that the commands take."""
    commands = argparse.ArgumentParser().add_subparsers()
    flags: set[str] = set()
    for name in COMMANDS:
        command = commands.add_parser(name)
        import_module(f"bge_rerank.cli.commands.{name}").add_arguments(command)
        flags.update(flags_of(command).values())
    return flags


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
