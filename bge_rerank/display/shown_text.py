"""The parts of a ranking that views show: the beginning of a text or its window, its move, the tiers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bge_rerank.types import Ranked, Span

CHARACTERS = 280
"""The longest text to show, in characters: a few lines."""
AROUND = 60
"""The number of characters to show before and after a marked part."""


_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, which start escape sequences
    "\u2028\u2029"  # line and paragraph separators
    "\u202a-\u202e\u2066-\u206f"  # characters that reorder the text around them
    "\ud800-\udfff]"  # lone surrogates, which cannot be encoded
)


class ShownRanking(Protocol):
    """A ranking that can be shown, best first, such as `bge_rerank.Ranking`."""

    @property
    def query(self) -> str:
        """The query."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """All texts of the request, in input order."""
        ...

    @property
    def tiers(self) -> Sequence[object]:
        """The steps of the cascade. `str` of each is a few words."""
        ...

    def __iter__(self) -> Iterator[Ranked]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text in three parts, of which the middle one is marked. Each may be empty."""

    before: str
    marked: str
    behind: str


def shown_text(text: str, span: Span | None) -> ShownText:
    r"""Return the parts of a text to show, on one line. An ellipsis stands for omitted text.

    Args:
        text: The whole text.
        span: The part to mark; `None` marks nothing.

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
    r"""Return a text that is safe to print in a terminal: U+FFFD replaces unsafe characters.

    Unsafe are control characters other than tab and line feed, and characters that reorder text. So a
    passage cannot move the cursor, set the window's title, write to the clipboard or look like another
    text.

    >>> for_terminal("tides\x1b[2J \u202egnp.exe"), for_terminal("Ebbe und Flut \u2190 👩\u200d🔬")
    ('tides\ufffd[2J \ufffdgnp.exe', 'Ebbe und Flut \u2190 👩\u200d🔬')
    """
    return _UNSAFE.sub("\ufffd", str(text))


def moved(index: int, rank: int) -> str:
    """Return how a text moved from its position in the input (from 0) to its rank (from 1).

    >>> moved(4, 1), moved(0, 1), moved(0, 3)
    ('▲ 4', '=', '▼ 2')
    """
    up = index + 1 - rank
    return "=" if up == 0 else f"{'▲' if up > 0 else '▼'} {abs(up)}"


def shortened(text: str, characters: int) -> str:
    """Return the first characters of a text. An ellipsis stands for the rest.

    >>> shortened("tides", 5), shortened("the tides", 5)
    ('tides', 'the …')
    """
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def tiers_line(ranking: ShownRanking) -> str:
    """Return one line with the texts that each tier kept and its latency.

    >>> from bge_rerank import Ranking, Tier
    >>> tiers_line(Ranking([], "q", [], tiers=[Tier("bm25", 9, 3, 0.002), Tier("m", 3, 0, 0.25)]))
    'bm25 kept 3 of 9 in 2.0 ms → m kept 0 of 3 in 250 ms'
    """
    return " → ".join(map(str, ranking.tiers))


def _one_line(text: str) -> str:
    """Return a text without line breaks. Spaces at its ends stay, so that the parts join well."""
    return text.replace("\r", " ").replace("\n", " ")
