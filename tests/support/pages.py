"""The blocks of a page of documentation, and whether a program printed what the page shows."""

import re
from dataclasses import dataclass
from itertools import pairwise

MARK = re.compile(r"<!-- (long|not run: \S.*) -->")
FENCE = re.compile(r"^(`{3,})(\S*)[^\n]*\n(.*?)^\1 *$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
NUMBERS_MAY_DIFFER = (0.02, 0.02)
"""By this much, or by this share of the number shown."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        line: The number of its first line.
        mark: The comment on the line before it; empty without one.
        output: The output that the page shows for it, if it does.
    """

    line: int
    language: str
    text: str
    mark: str = ""
    output: str | None = None

    @property
    def runs(self) -> bool:
        return self.language in ("python", "console") and not self.mark.startswith("not run")

    @property
    def is_long(self) -> bool:
        return self.mark == "long"


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page. The `text` block right behind a `python` block is its output."""
    found = list(FENCE.finditer(page))
    return [
        Block(
            page.count("\n", 0, fence.start()) + 1,
            fence[2],
            fence[3],
            _mark(page[: fence.start()]),
            _output(page, fence, following),
        )
        for fence, following in pairwise([*found, None])
        if fence is not None
    ]


def _mark(before: str) -> str:
    last = before.rstrip("\n").rpartition("\n")[2]
    found = MARK.fullmatch(last.strip())
    return found[1] if found else ""


def _output(page: str, fence: re.Match[str], following: re.Match[str] | None) -> str | None:
    if fence[2] != "python" or following is None or following[2] != "text":
        return None
    between = page[fence.end() : following.start()]
    return following[3] if not between.strip() else None


def difference(shown: str, printed: str) -> str | None:
    """Return how the output differs from the one that a page shows; `None` if it does not.

    In the page `...` stands for any text. Numbers may differ a little.
    """
    form = "".join(map(_form, re.split(r"(\.\.\.)", shown.strip())))
    found = re.fullmatch(form, printed.strip(), re.DOTALL)
    if found is None:
        return "the text differs"
    numbers = NUMBER.findall(shown.strip())
    wrong = [
        f"{want} is shown, {got} was printed"
        for want, got in zip(numbers, found.groups(), strict=True)
        if not _close(_value(want), _value(got))
    ]
    return "; ".join(wrong) or None


def _form(part: str) -> str:
    """Return an expression for a part of an output, with a group for each number."""
    if part == "...":
        return ".*"
    ends = [0, *(end for found in NUMBER.finditer(part) for end in found.span()), len(part)]
    pieces = [part[start:end] for start, end in pairwise(ends)]
    return "".join(
        f"({NUMBER.pattern})" if place % 2 else re.sub(r"(\\?\s)+", r"\\s+", re.escape(piece))
        for place, piece in enumerate(pieces)
    )


def _value(number: str) -> float:
    return float(number.replace(",", "").rstrip("."))


def _close(want: float, got: float) -> bool:
    absolute, relative = NUMBERS_MAY_DIFFER
    return abs(want - got) <= max(absolute, relative * abs(want))
