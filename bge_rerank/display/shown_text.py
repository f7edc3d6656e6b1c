"""The parts of a ranking that are shown: a text's beginning or best part, its move, the tiers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bge_rerank.types import Ranked, Span

CHARACTERS = 280
"""A few lines."""
AROUND = 60
"""Characters of the text before a marked part, and behind it."""


_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, of which escape sequences are made
    "\u2028\u2029"  # line and paragraph separators
    "\u202a-\u202e\u2066-\u206f"  # what reorders the text around it
    "\ud800-\udfff]"  # lone surrogates, which no terminal can be sent
)


class ShownRanking(Protocol):
    """A ranking that can be shown, best first; `bge_rerank.Ranking` is one."""

    @property
    def query(self) -> str:
        """The query that it was ranked by."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """All texts that came in, in their order."""
        ...

    @property
    def tiers(self) -> Sequence[object]:
        """The steps that led to it; each prints as a few words."""
        ...

    def __iter__(self) -> Iterator[Ranked]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text in three parts, of which the middle one is marked; each may be empty."""

    before: str
    marked: str
    behind: str


def shown_text(text: str, span: Span | None) -> ShownText:
    r"""Return what is shown of a text, on one line; an ellipsis stands for what is left out.

    Args:
        text: The whole text.
        span: The part to mark, if it is not all of the text.

    >>> shown_text("The Moon raises\nthe tides.", None)
    ShownText(before='The Moon raises the tides.', marked='', behind='')
    >>> shown_text("Bread rises. The Moon raises the tides.", (13, 39))
    ShownText(before='Bread rises. ', marked='The Moon raises the tides.', behind='')
    """
    if span is None or span == (0, len(text)):
        return ShownText(_one_line(shortened(text, CHARACTERS)), "", "")
    start, end = span
    before = text[max(0, start - AROUND) : start]
    behind = text[end : end + AROUND]
    return ShownText(
        _one_line(f"{'…' if start > AROUND else ''}{before}"),
        _one_line(shortened(text[start:end], CHARACTERS)),
        _one_line(f"{behind}{'…' if end + AROUND < len(text) else ''}"),
    )


def for_terminal(text: object) -> str:
    r"""Return a text that a terminal only shows: U+FFFD stands for what would command it.

    That is each control character but tab and line feed, and each character that reorders text. So no
    passage can move the cursor, set the window's title, write to the clipboard or show itself as
    another text.

    >>> for_terminal("tides\x1b[2J \u202egnp.exe"), for_terminal("Ebbe und Flut \u2190 👩\u200d🔬")
    ('tides\ufffd[2J \ufffdgnp.exe', 'Ebbe und Flut \u2190 👩\u200d🔬')
    """
    return _UNSAFE.sub("\ufffd", str(text))


def moved(index: int, rank: int) -> str:
    """Say how a text moved, from its place in the input (from 0) to its rank (from 1).

    >>> moved(4, 1), moved(0, 1), moved(0, 3)
    ('▲ 4', '=', '▼ 2')
    """
    up = index + 1 - rank
    return "=" if up == 0 else f"{'▲' if up > 0 else '▼'} {abs(up)}"


def shortened(text: str, characters: int) -> str:
    """Return a text, cut to a number of characters; an ellipsis stands for the rest.

    >>> shortened("tides", 5), shortened("the tides", 5)
    ('tides', 'the …')
    """
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def tiers_line(ranking: ShownRanking) -> str:
    """Say in a line what each tier kept, and how long it took.

    >>> from bge_rerank import Ranking, Tier
    >>> tiers_line(Ranking([], "q", [], tiers=[Tier("bm25", 9, 3, 0.002), Tier("m", 3, 0, 0.25)]))
    'bm25 kept 3 of 9 in 2.0 ms → m kept 0 of 3 in 250 ms'
    """
    return " → ".join(map(str, ranking.tiers))


def _one_line(text: str) -> str:
    """Return a text without line breaks; spaces at its ends stay, for the parts to join well."""
    return text.replace("\r", " ").replace("\n", " ")
