"""Links between Markdown files: to files that are there, and to headings that are in them."""

import re
from collections import Counter
from pathlib import Path

LINK = re.compile(r"(?<!\\)\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#{1,6} +(.*?)(?: +#+)?$", re.MULTILINE)
CODE = re.compile(r"^(`{3,}).*?^\1 *$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^(`{3,}).*?^\1 *$", re.MULTILINE | re.DOTALL)
INCLUDE = re.compile(r"^```\{include\} (\S+)\n", re.MULTILINE)


def dead_links(path: Path) -> list[str]:
    """Return the links of a file that lead to no file, or to no heading of a Markdown file."""
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    return [
        f"{target}#{anchor}" if anchor else target
        for target, anchor in LINK.findall(text)
        if not _leads_somewhere(path, target, anchor)
    ]


def _leads_somewhere(path: Path, target: str, anchor: str) -> bool:
    found = path.parent / target if target else path
    if not found.exists():
        return False
    return not anchor or found.suffix != ".md" or anchor in anchors(found)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a file's headings as GitHub makes them, and those of a file it includes."""
    text = path.read_text(encoding="utf-8")
    included = [anchors(path.parent / name) for name in INCLUDE.findall(text)]
    seen: Counter[str] = Counter()
    found = set().union(*included)
    for heading in HEADING.findall(FENCE.sub("", text)):
        anchor = anchor_of(heading)
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def anchor_of(heading: str) -> str:
    """Return the anchor that GitHub and the site make of a heading.

    >>> anchor_of("`top_n`, and [limits](x.md): 1,024?")
    'top_n-and-limits-1024'
    """
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
