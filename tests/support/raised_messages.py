"""The messages of the packages' errors and warnings, read from their sources."""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import bge_rerank.errors

ROOT = Path(__file__).parents[2]
PACKAGES = ("bge_rerank", "langchain_bge_rerank", "llamaindex_bge_rerank")
INTERNAL = {"RefusedError", "UnusableAnswerError", "OtherServerError"}
"""Errors that the server sends to its clients, or that become part of a `ServerError`."""
MAKERS = {"error", "_failure"}
"""The error class that `read_json` is passed, and the function that makes each `ServerError` of a session."""
ERRORS = frozenset({*bge_rerank.errors.__all__, *INTERNAL, *MAKERS})
CHECKS = frozenset({"Check", "one_of", "whole_from", "above_zero", "share"})
"""The functions that hold the message of an option's check."""
LABELLED = frozenset({"warn", "_warn"})
"""The functions whose first argument says which warnings are repeats, and is not shown."""
WARNINGS = frozenset({"warning", *LABELLED})
LEAST_WORDS = 3
VALUE = "\0"
"""Stands for a value in a message."""


class Message(NamedTuple):
    """The longest constant part of a message, and where it is written."""

    place: str
    text: str


@cache
def messages(root: Path = ROOT) -> Sequence[Message]:
    """Return the messages of all packages below a folder."""
    return [
        message
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
        for message in messages_of(
            path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
        )
    ]


def messages_of(source: str, name: str) -> Iterator[Message]:
    """Yield the messages of a module. Those without three constant words in a row are left out."""
    tree = ast.parse(source)
    seen = set()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _name(call.func) in ERRORS | CHECKS | WARNINGS:
            first = 1 if _name(call.func) in LABELLED else 0
            for given in [*call.args[first:], *(keyword.value for keyword in call.keywords)]:
                for line, text in _texts(given, tree, frozenset()):
                    fragment = longest_fragment(text)
                    if fragment and (line, fragment) not in seen:
                        seen.add((line, fragment))
                        yield Message(f"{name}:{line}", fragment)


def longest_fragment(text: str) -> str | None:
    """Return the part between two values with the most words, if it has at least three.

    >>> longest_fragment("top_n is %d; pass 1 or more")
    '; pass 1 or more'
    """
    parts = re.split(rf"{VALUE}|%[-0-9.,]*[a-z]", text)
    longest = max(parts, key=lambda part: len(_words(part)))
    return longest.strip() if len(_words(longest)) >= LEAST_WORDS else None


def plain(text: str) -> str:
    """Return a text without quotes, Markdown's marks and extra white space.

    >>> plain("run `bge-rerank  export`, 'now'")
    'run bge-rerank export, now'
    """
    return " ".join(re.sub(r"[`'\"\\*]", "", text).split())


def without_entry(found: Sequence[Message], page: str) -> list[Message]:
    """Return the messages that a page does not hold as code."""
    spans = re.findall(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", page, flags=re.DOTALL)
    shown = [plain(span) for _, span in spans]
    return [message for message in found if not any(plain(message.text) in span for span in shown)]


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z][\w'-]*", text)


def _name(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _texts(
    given: ast.expr, tree: ast.Module, names: frozenset[str | None]
) -> Iterator[tuple[int, str]]:
    """Yield the texts of an argument with their lines. `names` are the names that led to it."""
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        yield given.lineno, given.value
    elif isinstance(given, ast.JoinedStr):
        yield given.lineno, "".join(map(_part, given.values))
    name = _name(given.func if isinstance(given, ast.Call) else given)
    if name not in names:
        for each in _meant(given, name, tree):
            yield from _texts(each, tree, names | {name} - {None})


def _meant(given: ast.expr, name: str | None, tree: ast.Module) -> list[ast.expr]:
    """Return the expressions that can hold the text of another one."""
    found: list[ast.expr] = []
    match given:
        case ast.JoinedStr():
            found = [each.value for each in given.values if isinstance(each, ast.FormattedValue)]
        case ast.IfExp():
            found = [given.body, given.orelse]
        case ast.BoolOp() | ast.Dict():
            found = given.values
        case ast.Name():
            found = list(_assigned(given.id, tree))
        case ast.Call(func=ast.Attribute()):  # a method, such as the `get` of a dictionary
            found = [given.func.value, *_returned(name, tree)]
        case ast.Call():
            found = list(_returned(name, tree))
    return found


def _part(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else VALUE


def _assigned(name: str, tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield node.value


def _returned(name: str | None, tree: ast.Module) -> Iterator[ast.expr]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name == name:
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield node.value
