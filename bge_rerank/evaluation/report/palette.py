"""The report's colours on light and dark pages, and the colours and marks of models in plots."""

from __future__ import annotations

from dataclasses import dataclass

PALETTE = {
    "page": ("#ffffff", "#15181d"),
    "ink": ("#1c2128", "#e3e7ec"),
    "soft": ("#57606a", "#9aa4b0"),
    "thin": ("#d8dee4", "#30363d"),
    "up": ("#17692f", "#57c878"),
    "down": ("#b3261e", "#ff8a80"),
    "series-1": ("#1d5fbf", "#6aa9ff"),
    "series-2": ("#b45309", "#f0a04b"),
    "series-3": ("#0f766e", "#4fd1c5"),
    "series-4": ("#7e22ce", "#c792ea"),
    "series-5": ("#be185d", "#f48fb1"),
    "series-6": ("#6b6b00", "#cbcb4b"),
}
"""Name to colour on a light and on a dark page. The light colours all differ, as `themed` needs."""
COLOURS = tuple(f"series-{number}" for number in range(1, 7))
MARKS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("P", "✚"), ("X", "✖"))
"""The marks of models. With 6 colours and 7 marks, 42 models look different."""


def light(name: str) -> str:
    """Return the light colour to draw with; `themed` later replaces it."""
    return PALETTE[name][0]


def themed(text: str) -> str:
    """Replace the colours of a drawing by the variables of the style sheet.

    >>> themed("fill: #b3261e")
    'fill: var(--down)'
    """
    for name, (colour, _) in PALETTE.items():
        text = text.replace(colour, f"var(--{name})")
    return text


@dataclass(frozen=True, slots=True)
class Series:
    """How a model is drawn: the colour's name, the mark for matplotlib, the mark as a character."""

    name: str
    marker: str
    sign: str

    @property
    def colour(self) -> str:
        """The colour to draw with."""
        return light(self.name)


def series(number: int) -> Series:
    """Return how to draw a model, by its position from 0.

    >>> series(0).sign, series(6).sign
    ('●', '✖')
    """
    return Series(COLOURS[number % len(COLOURS)], *MARKS[number % len(MARKS)])
