"""Find sentences that are hard to read: `make words`, or `python tools/words.py PATH...`.

It reads Markdown, notebooks, and the docstrings, comments and messages of Python files. A sentence of
more than 35 words, or a phrase on the list, is printed with its place, and the exit status is 1.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "bge_rerank",
    "langchain_bge_rerank",
    "llamaindex_bge_rerank",
    "mini",
    "docs",
    "benchmarks",
    "notebooks",
    "tests",
    "tools",
)
MOST_WORDS = 35
LEAST_WORDS_OF_A_MESSAGE = 4
PHRASES = {
    r"\b(?:is|are|was|were) no (?!longer|more\b|less\b|other\b|such\b|way\b)": "write 'is not a …'",
    r"^What (?!.*\?)": "name the subject in place of 'What …'",
    r"\bso many\b": "say how many",
    r"\bas (?:it|they) comes?\b": "say in which order or form",
    r"\bby the run\b": "write 'from run to run'",
    r"\bwhat is left\b": "name what remains",
    r"\bthat which\b": "name the thing",
    r"\bin place of\b": "write 'instead of'",
    r"\bgive(?:s|n)? (?:it|them) (?:by|to be)\b": "say it in the active voice",
}
"""Phrases that readers stumble over, and what to write."""


class Prose(NamedTuple):
    """A paragraph, with the line on which it starts."""

    line: int
    text: str


def markdown_prose(text: str, first: int = 1) -> Iterator[Prose]:
    """Yield the paragraphs, list items and cells of tables, without code."""
    text = re.sub(r"^( *)(```|~~~).*?^\1\2[^\n]*$", _blank, text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!--.*?-->", _blank, text, flags=re.DOTALL)
    start, lines = first, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], first):
        new = re.match(r"\s*(?:[-*+>]|\d+\.|#+)\s+", line)
        if lines and (not line.strip() or new or line.lstrip().startswith("|")):
            yield Prose(start, " ".join(lines))
            lines = []
        if line.lstrip().startswith("|"):
            yield from (Prose(number, cell) for cell in line.strip().strip("|").split("|"))
        elif line.strip():
            start = start if lines else number
            lines.append(line[new.end() :] if new else line.strip())


def python_prose(text: str) -> Iterator[Prose]:
    """Yield docstrings, comments and the strings that look like messages."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                examples = re.sub(
                    r"^ *(?:>>>|\.\.\. ).*?(?:\n\s*\n|\Z)",
                    "\n",
                    node.value.value,
                    flags=re.MULTILINE | re.DOTALL,
                )
                yield from markdown_prose(_without_sections(examples), node.lineno)
        elif (
            isinstance(node, ast.JoinedStr | ast.Constant)
            and len(said(node).split()) >= LEAST_WORDS_OF_A_MESSAGE
        ):
            yield Prose(node.lineno, said(node))
    block, start, last = list[str](), 0, -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1 and block:
            yield Prose(start, " ".join(block))
            block = []
        start = start if block else token.start[0]
        block.append(token.string.lstrip("# "))
        last = token.start[0]
    if block:
        yield Prose(start, " ".join(block))


def said(node: ast.expr) -> str:
    """Return the words of a message, each value in it as one word."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) and "\n" not in node.value else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            said(part) if isinstance(part, ast.Constant) else "VALUE" for part in node.values
        )
    return ""


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a paragraph, each piece of code as one word.

    >>> list(sentences("Use `a. b` first. It is fast (1.5 ms)! See e.g. the table."))
    ['Use CODE first.', 'It is fast (1.5 ms)!', 'See e.g. the table.']
    """
    text = re.sub(r"`+[^`]*`+", "CODE", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    yield from re.split(
        r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)[)\"']*\s+(?=\S)", text.strip()
    )


def faults(path: Path) -> Iterator[str]:
    """Yield a line for each hard sentence of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        found = (
            p
            for c in cells
            if c["cell_type"] == "markdown"
            for p in markdown_prose("".join(c["source"]))
        )
    else:
        found = python_prose(text) if path.suffix == ".py" else markdown_prose(text)
    for line, paragraph in found:
        for sentence in sentences(paragraph):
            words = len(re.findall(r"[\w'\u2019-]+", sentence))
            if words > MOST_WORDS:
                yield f"{path}:{line}: {words} words: {sentence}"
            for phrase, better in PHRASES.items():
                if re.search(phrase, sentence):
                    yield f"{path}:{line}: {better}: {sentence}"


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def _without_sections(docstring: str) -> str:
    """Divide Google's `Args:` entries into paragraphs."""
    return re.sub(r"^(\s*\w+(?: \([^)]*\))?: )", r"\n\1", docstring, flags=re.MULTILINE)


def ours() -> list[Path]:
    """Return the project's own texts."""
    files = [*ROOT.glob("*.md")]
    for folder in FOLDERS:
        for ending in ("md", "py", "ipynb"):
            files += sorted((ROOT / folder).rglob(f"*.{ending}"))
    return [path for path in files if "corpus" not in path.parts]


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    files = [f for p in given for f in (sorted(p.rglob("*.py")) if p.is_dir() else [p])] or ours()
    found = [fault for path in files for fault in faults(path)]
    print("\n".join(found))
    sys.exit(bool(found))
