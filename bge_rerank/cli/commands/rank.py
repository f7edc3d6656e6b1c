"""`bge-rerank rank QUERY [FILE|-]`: rank the lines of a file, or JSONL, as a Unix tool."""

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
from bge_rerank.cli.commands.messages import tell
from bge_rerank.display.shown_text import for_terminal
from bge_rerank.errors import InvalidInputError
from bge_rerank.models.config import ModelOptions
from bge_rerank.ranking.options import RankOptions
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.types import Ranked

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""The first bytes of UTF-16, which some shells of Windows write."""


@dataclass(frozen=True, slots=True)
class Record:
    """A line of the input.

    Attributes:
        index: The line's number, from 0; blank lines count.
        passage: The passage to score.
        fields: The fields to write with the scores.
    """

    index: int
    passage: str
    fields: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("query", metavar="QUERY", help="The query to rank by.")
    add(
        "file",
        metavar="FILE",
        nargs="?",
        default="-",
        help="A file with one passage per line; blank lines are skipped. '-', the default, reads "
        "standard input.",
    )
    add(
        "--jsonl",
        action="store_true",
        help="Read one JSON object per line. Files named *.jsonl are read so without this flag.",
    )
    add(
        "--field",
        metavar="NAME",
        help="The field of each object to score. The default is 'passage', or else 'text'.",
    )
    add(
        "--json",
        action="store_true",
        help="Write one JSON object per passage, with all scores. Its 'index' is the number of the "
        "input line, from 0; blank lines count.",
    )
    add_flags(parser, ModelOptions, RankOptions, top_n=None)


def run(arguments: argparse.Namespace) -> None:
    """Rank the input, and write a line per passage, best first, with `rerank_score` (0..1) in front.

    Raises:
        InvalidInputError: The file cannot be read, or a line of JSONL is not an object with the field.
    """
    reranker = Reranker(**given(arguments, ModelOptions, RankOptions))
    records = _read(arguments)
    ranking = reranker.rerank(arguments.query, [record.passage for record in records])
    if records and not len(ranking):
        tell(_nothing_kept(arguments, len(records)), {})
    write = _as_json if arguments.json else _as_shown if sys.stdout.isatty() else _as_text
    _write(write(rank, ranked, records[ranked.index]) for rank, ranked in enumerate(ranking, 1))


def _read(arguments: argparse.Namespace) -> list[Record]:
    name = arguments.file
    try:
        contents = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"cannot read {name!r} ({error.strerror}); check the path"
        ) from error
    if contents.startswith(UTF_16):
        raise InvalidInputError(f"{name!r} is UTF-16; save the file as UTF-8")
    if arguments.jsonl or name.endswith(".jsonl"):
        return list(_records(contents, name, arguments.field))
    lines = contents.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n").split("\n")
    return [Record(index, line, {"text": line}) for index, line in enumerate(lines) if line.strip()]


def _records(contents: bytes, name: str, field: str | None) -> Iterator[Record]:
    from bge_rerank.data.jsonl import decoded, parse_objects
    from bge_rerank.data.records import parse_passage

    numbered = enumerate(contents.split(b"\n"), 1)
    lines = (decoded(line, f"{name}:{number}") for number, line in numbered)
    for place, fields in parse_objects(lines, name):
        try:
            passage = parse_passage(fields, field, place)
        except InvalidInputError as error:
            raise InvalidInputError(f"{error}, or choose another --field") from error
        yield Record(int(place.rpartition(":")[2]) - 1, passage, fields)


def _nothing_kept(arguments: argparse.Namespace, passages: int) -> str:
    limits = {"--threshold": arguments.score_threshold, "--min-precision": arguments.min_precision}
    given_ = [f"{flag} {limit}" for flag, limit in limits.items() if limit is not None]
    return f"nothing kept: none of the {passages} passages reaches {' and '.join(given_)}"


def _as_text(_rank: int, ranked: Ranked, record: Record) -> str:
    return f"{ranked.score:.6f}\t{' '.join(record.passage.splitlines())}"


def _as_shown(rank: int, ranked: Ranked, record: Record) -> str:
    """Return a line that is safe to show in a terminal. A pipe or a file gets the original bytes."""
    return for_terminal(_as_text(rank, ranked, record))


def _as_json(rank: int, ranked: Ranked, record: Record) -> str:
    own = {"rank": rank, "index": record.index, "logit": ranked.logit}
    scores = rerank_metadata(ranked, record.passage, record.passage)
    try:
        return json.dumps({**record.fields, **own, **scores})
    except RecursionError as error:
        raise InvalidInputError(
            f"the object on line {record.index + 1} is nested too deep to write as JSON; leave --json "
            "out, or remove some of its levels"
        ) from error


def _write(lines: Iterable[str]) -> None:
    """Write to standard output. A reader that stops early, such as `head`, does not cause an error."""
    try:
        for line in lines:
            sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
