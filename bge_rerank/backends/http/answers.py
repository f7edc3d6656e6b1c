"""Reading what a server answered: scores in input order, or what is wrong with it. Pure functions."""

from __future__ import annotations

import html
import json
import math
import re
from typing import Any

from bge_rerank.backends.http.dialects import Dialect
from bge_rerank.backends.http.server_info import Scale
from bge_rerank.logits import to_logit

MESSAGE_LENGTH = 300
"""Characters of a server's own message that an error repeats."""


class UnusableAnswerError(ValueError):
    """An answer that holds no score for each text; the message says what it holds."""


def read_scores(content: bytes, count: int, dialect: Dialect) -> list[float]:
    """Return the score of each text that was sent, in the order in which they were sent.

    Raises:
        UnusableAnswerError: The answer is not one finite score for each of the `count` texts.
    """
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise UnusableAnswerError(f"the answer is no JSON: {message_of(content)!r}") from error
    results = answer
    if dialect.results_field is not None and isinstance(answer, dict):
        results = answer.get(dialect.results_field)
    if not isinstance(results, list):
        raise UnusableAnswerError(f"the answer holds no list of scores: {message_of(content)!r}")
    if len(results) != count:
        raise UnusableAnswerError(f"it gave {len(results)} scores for {count} texts")
    scores: dict[int, float] = {}
    for result in results:
        index, score = _index_and_score(result, dialect.score_field)
        if not 0 <= index < count or index in scores:
            raise UnusableAnswerError(f"index {index} of 0..{count - 1} is doubled or out of range")
        scores[index] = score
    return [scores[index] for index in range(count)]


def _index_and_score(result: Any, score_field: str) -> tuple[int, float]:
    index = result.get("index") if isinstance(result, dict) else None
    score = result.get(score_field) if isinstance(result, dict) else None
    is_number = isinstance(score, int | float) and not isinstance(score, bool)
    if type(index) is not int or not is_number:
        raise UnusableAnswerError(
            f"a result has no index or no number as {score_field}: {json.dumps(result):.80}"
        )
    assert score is not None
    if not math.isfinite(score):
        raise UnusableAnswerError(f"the score of text {index} is {score}")
    return index, float(score)


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


def message_of(content: bytes) -> str:
    """Return a server's own message, in a line, capped: out of JSON, an HTML page, or plain text.

    >>> message_of(b'{"error": {"message": "model not found", "code": 404}}')
    'model not found'
    >>> message_of(b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")
    '502 Bad Gateway nginx'
    """
    text = content.decode("utf-8", "replace")
    try:
        text = _told(json.loads(text)) or text
    except ValueError:
        if "<" in text:
            text = html.unescape(
                re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
            )
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_LENGTH else f"{line[:MESSAGE_LENGTH]}..."


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
