"""Checks for queries and texts, and words for messages about a wrong value."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from bge_rerank.errors import InvalidInputError, InvalidTextError


def checked_query(query: object) -> str:
    """Return the query with lone surrogates replaced.

    Raises:
        InvalidInputError: The query is not a string, or has only white space.

    >>> checked_query("  ")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: the query is empty: '  '; give the words to rank by
    """
    if not isinstance(query, str):
        raise InvalidInputError(
            f"the query is a {_type_name(query)}, not a string: {query!r:.80}; pass a string"
        )
    if not query.strip():
        raise InvalidInputError(f"the query is empty: {query!r:.80}; give the words to rank by")
    return without_lone_surrogates(query)


def checked_texts(texts: Iterable[object]) -> list[str]:
    """Return the texts with lone surrogates replaced, in the same order.

    Empty texts stay in the list and are scored like any other.

    Raises:
        InvalidInputError: The texts are a single string instead of a list.
        InvalidTextError: An item is not a string; the message names its index.

    >>> checked_texts(["a", None])
    Traceback (most recent call last):
    bge_rerank.errors.InvalidTextError: texts[1] is a NoneType, not a string; convert it to str or leave it out
    """
    if isinstance(texts, str | bytes):
        raise InvalidInputError("the texts are a single string; pass a list of strings")
    return [checked_text(index, text) for index, text in enumerate(texts)]


def checked_text(index: int, text: object) -> str:
    """Return a text with lone surrogates replaced.

    Args:
        index: The text's index in its list, for the error message.
        text: The text to check.

    Raises:
        InvalidTextError: The text is not a string.

    >>> checked_text(3, "The Moon raises the tides.")
    'The Moon raises the tides.'
    """
    if not isinstance(text, str):
        raise InvalidTextError(index, f"is a {_type_name(text)}, not a string")
    return without_lone_surrogates(text)


def shown_value(value: object) -> str:
    """Return the first 80 characters of a value's repr, for an error message.

    >>> shown_value(["tides"])
    "['tides']"
    """
    try:
        return f"{value!r:.80}"
    except (RecursionError, ValueError):  # too deeply nested, or a number with too many digits
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
    r"""Replace lone surrogates by U+FFFD, because tokenizers and JSON cannot encode them.

    They come from files decoded with `surrogateescape`, and from truncated JSON. A pair of surrogates
    becomes the character that it encodes.

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
