"""Reading what a server answered: scores in input order, or what is wrong with it. Pure functions."""

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
"""Characters of a server's own message that an error repeats."""
READ_LENGTH = 10_000
"""Characters in which that message is looked for."""
SHOWN_LENGTH = 80
"""Characters of a value that an error repeats."""
RETRY_AFTER_LENGTH = 100

_NOT_SHOWN = re.compile(
    r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^<>]*>", flags=re.DOTALL | re.IGNORECASE
)
"""Takes time in proportion to a page's length, whatever stands in it: an element that does not end is
read to the page's end, and no tag is looked for beyond the next one."""


class UnusableAnswerError(ValueError):
    """An answer that holds no score for each text; the message says what it holds."""


def parsed(content: bytes) -> Any:
    """Return what a server sent as JSON.

    Raises:
        ValueError: It is not JSON, or is nested too deeply, or has a number of too many digits.
    """
    return from_json(content)


def read_scores(content: bytes, count: int, dialect: Dialect, mask: Mask = str) -> list[float]:
    """Return the score of each text that was sent, in the order in which they were sent.

    Raises:
        UnusableAnswerError: The answer is not one finite score for each of the `count` texts.
    """
    try:
        answer = parsed(content)
    except ValueError as error:
        message = message_of(content, mask)
        raise UnusableAnswerError(f"the answer is no JSON: {message!r} ({error})") from None
    results = answer
    if dialect.results_field is not None and isinstance(answer, dict):
        results = answer.get(dialect.results_field)
    if not isinstance(results, list):
        message = message_of(content, mask)
        raise UnusableAnswerError(f"the answer holds no list of scores: {message!r}")
    if len(results) != count:
        raise UnusableAnswerError(f"it gave {len(results)} scores for {count} texts")
    scores: dict[int, float] = {}
    for result in results:
        index, score = _index_and_score(result, dialect.score_field, mask)
        if not 0 <= index < count or index in scores:
            shown = _shown(index, mask)
            raise UnusableAnswerError(f"index {shown} of 0..{count - 1} is doubled or out of range")
        if not math.isfinite(score):
            raise UnusableAnswerError(f"the score of text {index} is {score}")
        scores[index] = score
    return [scores[index] for index in range(count)]


def _index_and_score(result: Any, score_field: str, mask: Mask) -> tuple[int, float]:
    index = result.get("index") if isinstance(result, dict) else None
    score = result.get(score_field) if isinstance(result, dict) else None
    is_number = isinstance(score, int | float) and not isinstance(score, bool)
    if type(index) is not int or not is_number:
        raise UnusableAnswerError(
            f"a result has no index or no number as {score_field}: {_shown(result, mask)}"
        )
    assert score is not None
    try:
        return index, float(score)
    except OverflowError:  # a whole number of 400 digits
        return index, math.inf


def _shown(value: Any, mask: Mask) -> str:
    return mask(json.dumps(value))[:SHOWN_LENGTH]


def logit_of(score: float, scale: Scale) -> float:
    """Return the logit of a server's score.

    Raises:
        UnusableAnswerError: A sigmoid lies outside 0..1.

    >>> logit_of(0.5, "sigmoid"), logit_of(-3.0, "logit")
    (0.0, -3.0)
    """
    if scale == "logit":
        return score
    if not 0.0 <= score <= 1.0:
        raise UnusableAnswerError(f"a score is {score}, and this server's lie in 0..1")
    return to_logit(score)


def message_of(content: bytes, mask: Mask = str) -> str:
    """Return a server's own message, in a line, capped: out of JSON, an HTML page, or plain text.

    >>> message_of(b'{"error": {"message": "model not found", "code": 404}}')
    'model not found'
    >>> message_of(b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")
    '502 Bad Gateway nginx'
    """
    try:
        answer = parsed(content)
        text = _told(answer) or json.dumps(answer, ensure_ascii=False)
    except ValueError:
        text = _visible(mask(content.decode("utf-8", "replace"))[:READ_LENGTH])
    return in_a_line(text, mask)


def in_a_line(text: str, mask: Mask) -> str:
    """Return a text that a server had a part in, masked, then cut to what an error repeats."""
    line = " ".join(mask(text)[:READ_LENGTH].split())
    return line if len(line) <= MESSAGE_LENGTH else f"{line[:MESSAGE_LENGTH]}..."


def _visible(page: str) -> str:
    """Return a page's text; of what is no page, all."""
    if "<" in page:
        page = _NOT_SHOWN.sub(" ", page)
        with suppress(ValueError):  # a character's number of too many digits
            page = html.unescape(page)
    return page


def _told(answer: Any) -> str:
    """Return the text that stands where servers put their messages."""
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
    """Read `Retry-After`: seconds, or a date (RFC 9110, 10.2.3); `None` is what is neither.

    >>> seconds_to_wait("120"), seconds_to_wait("soon")
    (120.0, None)
    """
    if retry_after is None or len(retry_after) > RETRY_AFTER_LENGTH:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", retry_after):
        return float(retry_after)
    try:
        then = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):  # by version and system
        return None
    return max(0.0, then - email.utils.localtime().timestamp())
