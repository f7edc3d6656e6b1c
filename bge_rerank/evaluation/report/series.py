"""How pictures tell models apart: by colour and by mark, each as matplotlib and as a page has it."""

from __future__ import annotations

from dataclasses import dataclass

from bge_rerank.evaluation.report.palette import light

COLOURS = tuple(f"series-{number}" for number in range(1, 7))
MARKS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("P", "✚"), ("X", "✖"))
"""One more than there are colours, so that 42 models differ."""


@dataclass(frozen=True, slots=True)
class Series:
    """How a model is drawn.

    Attributes:
        name: The colour's name.
        marker: The mark, as matplotlib calls it.
        sign: The mark as a character.
    """

    name: str
    marker: str
    sign: str

    @property
    def colour(self) -> str:
        """The colour to draw with."""
        return light(self.name)


def series(number: int) -> Series:
    """Return how a model is drawn, by its place from 0.

    >>> series(0).sign, series(6).sign
    ('●', '✖')
    """
    return Series(COLOURS[number % len(COLOURS)], *MARKS[number % len(MARKS)])
