"""The report's colours, for light and for dark."""

from __future__ import annotations

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
"""A name to its colour on light and on dark. On light, no two are the same: see `themed`."""


def light(name: str) -> str:
    """Return a colour to draw with: it stands for the colour on dark too, until `themed`."""
    return PALETTE[name][0]


def themed(text: str) -> str:
    """Put the style sheet's variables in the place of the colours drawn with.

    >>> themed("fill: #b3261e")
    'fill: var(--down)'
    """
    for name, (colour, _) in PALETTE.items():
        text = text.replace(colour, f"var(--{name})")
    return text
