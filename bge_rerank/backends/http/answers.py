"""Read the scores in a server's answer, in input order, and name what is wrong with it. Pure functions."""

from __future__ import annotations

import email.utils
import html
import json
import math
import re
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from bge_rerank.backends.http.dialects import Dialect
from bge_rerank.backends.http.masking import Mask
from bge_rerank.backends.http.server_info import Scale
from bge_rerank.logits import to_logit

MESSAGE_LENGTH = 300
"""The most characters of a server's message that an error repeats."""
READ_LENGTH = 10_000
"""The most characters that are searched for that message."""
SHOWN_LENGTH = 80
"""The most characters of a value that an error repeats."""
RETRY_AFTER_LENGTH = 100
"""The most characters of a `Retry-After` header that is read."""

_NOT_SHOWN = re.compile(
    r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^<>]*>", flags=re.DOTALL | re.IGNORECASE
)
"""Scripts, styles and tags. For every page the search takes time in proportion to the page's length: an element
without an end extends to the end of the page, and a tag ends before the next tag."""


class UnusableAnswerError(ValueError):
    """An answer without exactly one score for each text."""


class OtherServerError(UnusableAnswerError):
    """An answer of another kind of server, whose scores may be on another scale."""


def parsed(content: bytes) -> Any:
    """Parse a server's JSON.

    Raises:
        ValueError: The content is not JSON, too deeply nested, or has a number with too many digits.
    """
    return from_json(content)


def checked_json(content: bytes, mask: Mask) -> Any:
    """Parse a server's JSON, or raise `UnusableAnswerError`."""
    try:
        return parsed(content)
    except ValueError as error:
        message = message_of(content, mask)
        raise UnusableAnswerError(f"the answer is not JSON: {message!r} ({error})") from None


def read_scores(content: bytes, count: int, dialect: Dialect, mask: Mask = str) -> list[float]:
    """Return the score of each text, in the order of the request.

    Args:
        content: The body of the answer.
        count: The number of texts in the request.
        dialect: The wire format of the answer.
        mask: Removes secrets from texts for error messages.

    Raises:
        UnusableAnswerError: The answer does not have exactly one finite score for each text.
        OtherServerError: The answer comes from another kind of server.

    >>> from bge_rerank.backends.http.dialects import DIALECTS
    >>> read_scores(b'[{"index": 1, "score": 2.5}, {"index": 0, "score": -1}]', 2, DIALECTS["tei"])
    [-1.0, 2.5]
    """
    results = answer = checked_json(content, mask)
    if dialect.results_field is not None and isinstance(answer, dict):
        results = answer.get(dialect.results_field)
        _check_kind(answer, dialect, mask)
    if not isinstance(results, list):
        message = message_of(content, mask)
        raise UnusableAnswerError(f"the answer has no list of scores: {message!r}")
    if len(results) != count:
        raise UnusableAnswerError(f"the answer has {len(results)} scores for {count} texts")
    scores: dict[int, float] = {}
    for result in results:
        index, score = _index_and_score(result, dialect.score_field, mask)
        if not 0 <= index < count or index in scores:
            raise UnusableAnswerError(
                f"index {shown(index, mask)} occurs twice or lies outside 0..{count - 1}"
            )
        if not math.isfinite(score):
            raise UnusableAnswerError(f"the score of text {index} is {score}")
        scores[index] = score
    return [scores[index] for index in range(count)]


def _check_kind(answer: dict[str, Any], dialect: Dialect, mask: Mask) -> None:
    """Refuse scores of another kind of server than the wire format's."""
    given, wanted = answer.get("object"), dialect.answer_object
    if wanted is not None and given != wanted and dialect.results_field in answer:
        raise OtherServerError(
            f'the answer\'s "object" is {shown(given, mask)} instead of "{wanted}", so it comes from another '
            "kind of server and its scores may be probabilities"
        )


def _index_and_score(result: Any, score_field: str, mask: Mask) -> tuple[int, float]:
    index = result.get("index") if isinstance(result, dict) else None
    score = result.get(score_field) if isinstance(result, dict) else None
    is_number = isinstance(score, int | float) and not isinstance(score, bool)
    if type(index) is not int or not is_number:
        raise UnusableAnswerError(
            f"a result lacks an index or a number as {score_field}: {shown(result, mask)}"
        )
    assert score is not None
    try:
        return index, float(score)
    except OverflowError:  # a whole number with 400 digits
        return index, math.inf


def shown(value: Any, mask: Mask) -> str:
    """Return the beginning of a value for an error message."""
    return mask(json.dumps(value))[:SHOWN_LENGTH]


def logit_of(score: float, scale: Scale) -> float:
    """Return the logit of a server's score.

    Raises:
        UnusableAnswerError: The scale is `"sigmoid"`, and the score lies outside 0..1.

    >>> logit_of(0.5, "sigmoid"), logit_of(-3.0, "logit")
    (0.0, -3.0)
    """
    if scale == "logit":
        return score
    if not 0.0 <= score <= 1.0:
        raise UnusableAnswerError(f"a score is {score}, but such servers send scores in 0..1")
    return to_logit(score)


def message_of(content: bytes, mask: Mask = str) -> str:
    """Return a server's message from JSON, an HTML page or plain text, in one line of limited length.

    >>> message_of(b'{"error": {"message": "model not found", "code": 404}}')
    'model not found'
    >>> message_of(b'{"detail": [{"msg": "the text is too long", "input": "tides tid')
    'the text is too long'
    >>> message_of(b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")
    '502 Bad Gateway nginx'
    """
    try:
        answer = parsed(content)
        text = _told(answer) or json.dumps(answer, ensure_ascii=False)
    except ValueError:
        page = mask(content.decode("utf-8", "replace"))[:READ_LENGTH]
        text = _told(_beginning(content)) or _visible(page)
    return in_a_line(text, mask)


def _beginning(content: bytes) -> Any:
    """Return what can be read of JSON that was cut off, such as an error that repeats a long text."""
    if content.lstrip().startswith((b"{", b"[")):
        with suppress(ValueError):
            return from_json(content, allow_partial=True)
    return None


def in_a_line(text: str, mask: Mask) -> str:
    r"""Return a text from a server in one line, masked first and then truncated for an error message.

    >>> in_a_line("bad\n  gateway", str)
    'bad gateway'
    """
    line = " ".join(mask(text)[:READ_LENGTH].split())
    return line if len(line) <= MESSAGE_LENGTH else f"{line[:MESSAGE_LENGTH]}..."


def _visible(page: str) -> str:
    """Return the text of an HTML page; other texts stay unchanged."""
    if "<" in page:
        page = _NOT_SHOWN.sub(" ", page)
        with suppress(ValueError):  # a character reference with too many digits
            page = html.unescape(page)
    return page


def _told(answer: Any) -> str:
    """Return the text in the fields where servers put their messages."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        return "; ".join(filter(None, map(_told, answer)))
    if isinstance(answer, dict):
        for field in ("error", "message", "detail", "msg"):
            if told := _told(answer.get(field)):
                return told
    return ""


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header (RFC 9110, 10.2.3); `None` if it cannot be read.

    The header is a number of seconds, or a date.

    >>> seconds_to_wait("120"), seconds_to_wait("soon")
    (120.0, None)
    """
    if retry_after is None or len(retry_after) > RETRY_AFTER_LENGTH:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", retry_after):
        return float(retry_after)
    try:
        then = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):  # depends on the version
        return None
    return max(0.0, then - email.utils.localtime().timestamp())
