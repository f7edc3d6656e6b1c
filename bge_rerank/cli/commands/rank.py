"""`bge-rerank rank QUERY [FILE|-]`: a Unix tool that ranks lines or JSONL."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bge_rerank.adapters.metadata import rerank_metadata
from bge_rerank.cli.commands.flags import add_flags, given
from bge_rerank.display.shown_text import for_terminal
from bge_rerank.errors import InvalidInputError
from bge_rerank.models.config import ModelOptions
from bge_rerank.ranking.options import RankOptions
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.types import Ranked


@dataclass(frozen=True, slots=True)
class Record:
    """One input line: the passage to score, and the fields to write with its scores."""

    passage: str
    fields: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("query", metavar="QUERY")
    add("file", metavar="FILE", nargs="?", default="-", help="a text a line; - is standard input")
    add("--jsonl", action="store_true", help="read a JSON object a line (implied by *.jsonl)")
    add("--field", help="the field of each object to score (default: passage, else text)")
    add("--json", action="store_true", help="write a JSON object a line")
    add_flags(parser, ModelOptions, RankOptions, top_n=None)


def run(arguments: argparse.Namespace) -> None:
    """Read, rank, write: a line each, best first, `rerank_score` (0..1) in front.

    Raises:
        InvalidInputError: The file cannot be read, or a line of JSONL is not an object with the field.
    """
    reranker = Reranker(**given(arguments, ModelOptions, RankOptions))
    records = _read(arguments)
    ranking = reranker.rerank(arguments.query, [record.passage for record in records])
    write = _as_json if arguments.json else _as_shown if sys.stdout.isatty() else _as_text
    _write(write(rank, ranked, records[ranked.index]) for rank, ranked in enumerate(ranking, 1))


def _read(arguments: argparse.Namespace) -> list[Record]:
    name = arguments.file
    try:
        contents = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {name!r}: {error.strerror}") from error
    lines = contents.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    if arguments.jsonl or name.endswith(".jsonl"):
        return list(_records(lines, name, arguments.field))
    return [Record(line, {"text": line}) for line in lines]


def _records(lines: Iterable[str], name: str, field: str | None) -> Iterator[Record]:
    from bge_rerank.data.jsonl import parse_objects
    from bge_rerank.data.records import parse_passage

    for place, fields in parse_objects(lines, name):
        try:
            passage = parse_passage(fields, field, place)
        except InvalidInputError as error:
            raise InvalidInputError(f"{error}, or choose another --field") from error
        yield Record(passage, fields)


def _as_text(_rank: int, ranked: Ranked, record: Record) -> str:
    return f"{ranked.score:.6f}\t{' '.join(record.passage.splitlines())}"


def _as_shown(rank: int, ranked: Ranked, record: Record) -> str:
    """Write for a terminal; a pipe or a file is given each byte as it was read."""
    return for_terminal(_as_text(rank, ranked, record))


def _as_json(rank: int, ranked: Ranked, record: Record) -> str:
    own = {"rank": rank, "index": ranked.index, "logit": ranked.logit}
    scores = rerank_metadata(ranked, record.passage, record.passage)
    try:
        return json.dumps({**record.fields, **own, **scores})
    except RecursionError as error:
        raise InvalidInputError(
            f"the object of the line {record.passage!r:.80} is nested too deep to be written; "
            "leave --json out, or give flatter objects"
        ) from error


def _write(lines: Iterable[str]) -> None:
    """Write to standard output; a reader that stops early, such as `head`, is no error."""
    try:
        for line in lines:
            sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
