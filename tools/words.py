"""Find sentences that are hard to read: `make words`, or `python tools/words.py PATH...`.

It reads Markdown, notebooks, and the docstrings, comments and messages of Python files. It prints each sentence
of more than 35 words, and each sentence with a phrase on the list, with its file and line. The exit status is
then 1.
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
    from collections.abc import Iterable, Iterator

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
    r"(?<!\b[Tt]here )\b(?:is|are|was|were) no (?!longer|more\b|less\b|other\b|such\b|way\b)": "write 'is not a …'",
    r"^What (?!.*\?)": "name the subject, not 'What …'",
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
    """A paragraph, and the line on which it starts."""

    line: int
    text: str


def markdown_prose(text: str, first: int = 1) -> Iterator[Prose]:
    """Yield the paragraphs, list items and table cells, without blocks of code."""
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
    """Yield docstrings, comments, and the strings that look like messages."""
    parts: set[ast.expr] = set()  # of docstrings and f-strings, which are read as a whole
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.add(node.value)
            if isinstance(node.value.value, str):
                examples = re.sub(
                    r"^ *(?:>>>|\.\.\. ).*?(?:\n\s*\n|\Z)",
                    "\n",
                    node.value.value,
                    flags=re.MULTILINE | re.DOTALL,
                )
                yield from markdown_prose(_without_sections(examples), node.lineno)
        elif isinstance(node, ast.JoinedStr | ast.Constant) and node not in parts:
            parts.update(node.values if isinstance(node, ast.JoinedStr) else ())
            if len(said(node).split()) >= LEAST_WORDS_OF_A_MESSAGE:
                yield Prose(node.lineno, said(node))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    yield from _blocks((t.start[0], t.string) for t in tokens if t.type == tokenize.COMMENT)


def comment_prose(text: str) -> Iterator[Prose]:
    """Yield the comments of a file such as a Dockerfile, where they stand on lines of their own."""
    numbered = enumerate(map(str.strip, text.splitlines()), 1)
    yield from _blocks((number, line) for number, line in numbered if line.startswith("#"))


def _blocks(comments: Iterable[tuple[int, str]]) -> Iterator[Prose]:
    """Join the comments on neighbouring lines."""
    block, start, last = list[str](), 0, -1
    for number, comment in comments:
        if number != last + 1 and block:
            yield Prose(start, " ".join(block))
            block = []
        start = start if block else number
        block.append(comment.lstrip("# "))
        last = number
    if block:
        yield Prose(start, " ".join(block))


def said(node: ast.expr) -> str:
    """Return the words of a message. Each value in it counts as one word."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) and "\n" not in node.value else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            said(part) if isinstance(part, ast.Constant) else "VALUE" for part in node.values
        )
    return ""


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a paragraph. Each piece of code counts as one word.

    >>> list(sentences("Use `a. b` first. It is fast (1.5 ms)! See e.g. the table."))
    ['Use CODE first.', 'It is fast (1.5 ms)!', 'See e.g. the table.']
    """
    text = re.sub(r"`+[^`]*`+", "CODE", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    yield from re.split(
        r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)(?<!et al\.)[)\"']*\s+(?=\S)",
        text.strip(),
    )


def faults(path: Path) -> Iterator[str]:
    """Yield a line for each sentence of a file that is too long or has a phrase on the list."""
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
        found = READERS.get(path.suffix, comment_prose)(text)
    for line, paragraph in found:
        for sentence in sentences(paragraph):
            words = len(re.findall(r"[\w'\u2019-]+", sentence))
            if words > MOST_WORDS:
                yield f"{path}:{line}: {words} words: {sentence}"
            for phrase, better in PHRASES.items():
                if re.search(phrase, sentence):
                    yield f"{path}:{line}: {better}: {sentence}"


READERS = {".py": python_prose, ".md": markdown_prose}


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def _without_sections(docstring: str) -> str:
    """Make each entry of Google's `Args:` a paragraph."""
    return re.sub(r"^(\s*\w+(?: \([^)]*\))?: )", r"\n\1", docstring, flags=re.MULTILINE)


def ours() -> list[Path]:
    """Return the files with the project's texts."""
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
