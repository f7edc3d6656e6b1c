"""Errors in the words of the dialect that was asked."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from bge_rerank.server.refusals import STATUSES, Kind, RefusedError

Form = Literal["tei", "infinity", "tutorial", "cohere"]


class TeiError(BaseModel):
    """An error as Text Embeddings Inference says it."""

    error: str
    error_type: Kind


class InfinityErrorDetail(BaseModel):
    """What Infinity's error holds."""

    message: str
    type: Kind
    param: None = None
    code: int


class InfinityError(BaseModel):
    """An error as Infinity, and OpenAI, say it."""

    error: InfinityErrorDetail


class TutorialError(BaseModel):
    """An error as FastAPI says it."""

    detail: str


class CohereError(BaseModel):
    """An error for clients of Cohere, which read `message`, and of Jina, which read `detail`."""

    message: str
    detail: str


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
    return _error(form, refusal).model_dump()


def error_responses(body: Any, *kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the errors that a route can answer with.

    Args:
        body: The type of their bodies.
        *kinds: Which; none means every one that a client can see.

    >>> error_responses(CohereError, "Unauthorized")
    {401: {'model': <class '...CohereError'>, 'description': 'Unauthorized'}}
    """
    shown = kinds or [kind for kind in STATUSES if kind != "Gone"]
    return {STATUSES[kind]: {"model": body, "description": kind} for kind in shown}


def _error(form: Form, refusal: RefusedError) -> BaseModel:
    message = refusal.message
    if form == "tei":
        return TeiError(error=message, error_type=refusal.kind)
    if form == "infinity":
        return InfinityError(
            error=InfinityErrorDetail(message=message, type=refusal.kind, code=refusal.status)
        )
    if form == "tutorial":
        return TutorialError(detail=message)
    return CohereError(message=message, detail=message)
