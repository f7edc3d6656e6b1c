"""Checks for queries and texts, and words for messages about a wrong value."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from bge_rerank.errors import InvalidInputError, InvalidTextError


def checked_query(query: object) -> str:
    """Return the query as backends can take it.

    Raises:
        InvalidInputError: It is not a string, or holds nothing but white space.

    >>> checked_query("  ")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: the query is empty: '  '; give the words to rank by
    """
    if not isinstance(query, str):
        raise InvalidInputError(f"the query is a {_type_name(query)}, not a string: {query!r:.80}")
    if not query.strip():
        raise InvalidInputError(f"the query is empty: {query!r:.80}; give the words to rank by")
    return without_lone_surrogates(query)


def checked_texts(texts: Iterable[object]) -> list[str]:
    """Return the texts as backends can take them: the same number, in the same order.

    An empty text is a text: it is scored like any other.

    Raises:
        InvalidInputError: A single string was given in place of a list.
        InvalidTextError: An item is not a string; it says which.

    >>> checked_texts(["a", None])
    Traceback (most recent call last):
    bge_rerank.errors.InvalidTextError: texts[1] is a NoneType, not a string; convert it to str or leave it out
    """
    if isinstance(texts, str | bytes):
        raise InvalidInputError("the texts are a single string; give a list of strings")
    return [checked_text(index, text) for index, text in enumerate(texts)]


def checked_text(index: int, text: object) -> str:
    """Return one text as backends can take it; `index` is its place, for the error's message.

    Raises:
        InvalidTextError: It is not a string.
    """
    if not isinstance(text, str):
        raise InvalidTextError(index, f"is a {_type_name(text)}, not a string")
    return without_lone_surrogates(text)


def shown_value(value: object) -> str:
    """Return the beginning of a value as Python writes it, for an error's message.

    >>> shown_value(["tides"])
    "['tides']"
    """
    try:
        return f"{value!r:.80}"
    except (RecursionError, ValueError):  # nested too deep, or a number of too many digits
        return f"a {_type_name(value)} too large to show"


def nearest(given: object, names: Iterable[str]) -> str:
    """Return " (did you mean 'NAME'?)" with the name most like a wrong one, or "" if none is like it.

    Append it to an error message.

    >>> nearest("fp16", ["auto", "float32", "float16"])
    " (did you mean 'float16'?)"
    >>> nearest("mps", ["auto", "float32", "float16"])
    ''
    """
    by_lower = {name.lower(): name for name in names}
    found = get_close_matches(str(given).lower(), by_lower, n=1, cutoff=0.5)
    return f" (did you mean {by_lower[found[0]]!r}?)" if found else ""


def without_lone_surrogates(text: str) -> str:
    r"""Replace what no tokenizer and no JSON can carry, lone surrogates, by U+FFFD.

    They come from files decoded with `surrogateescape` and from JSON cut in half. Surrogates that
    stand in pairs become the character they mean.

    >>> without_lone_surrogates("caf\udce9"), without_lone_surrogates("\ud83d\ude00")
    ('caf\ufffd', '\U0001f600')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _type_name(value: object) -> str:
    return type(value).__name__
