"""Errors in the words of the dialect that was asked."""

from __future__ import annotations

from typing import Any, Literal

from bge_rerank.server.refusals import RefusedError

Form = Literal["tei", "infinity", "tutorial", "cohere"]


def form_of(path: str, body: object) -> Form:
    """Return the dialect of a request: by its path, and on `/rerank` by what it holds.

    >>> form_of("/v1/rerank", {}), form_of("/rerank", {"texts": []})
    ('cohere', 'tei')
    >>> form_of("/rerank", {"documents": [], "model": "m"}), form_of("/rerank", {"documents": []})
    ('infinity', 'tutorial')
    """
    if path in ("/v1/rerank", "/v2/rerank"):
        return "cohere"
    if isinstance(body, dict) and "documents" in body:
        return "infinity" if "model" in body else "tutorial"
    return "tei"


def error_body(form: Form, refusal: RefusedError) -> dict[str, Any]:
    """Return what a dialect's clients find an error's message in.

    >>> error_body("tei", RefusedError("Empty", "`texts` cannot be empty"))
    {'error': '`texts` cannot be empty', 'error_type': 'Empty'}
    >>> error_body("cohere", RefusedError("Overloaded", "try again"))
    {'message': 'try again', 'detail': 'try again'}
    """
    message = refusal.message
    if form == "tei":
        return {"error": message, "error_type": refusal.kind}
    if form == "infinity":
        return {
            "error": {
                "message": message,
                "type": refusal.kind,
                "param": None,
                "code": refusal.status,
            }
        }
    if form == "tutorial":
        return {"detail": message}
    return {"message": message, "detail": message}
