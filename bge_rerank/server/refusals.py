"""`RefusedError`: why a request gets no ranking, and the error's body in each dialect."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

Kind = Literal[
    "Validation", "Empty", "Overloaded", "Backend", "Unauthorized", "TooLarge", "Timeout", "Gone"
]

Form = Literal["tei", "infinity", "tutorial", "cohere"]

STATUSES: dict[Kind, int] = {
    "Validation": 422,
    "Empty": 400,
    "TooLarge": 413,
    "Unauthorized": 401,
    "Overloaded": 429,
    "Backend": 424,
    "Timeout": 503,
    "Gone": 499,
}
"""The status that each kind has, as Text Embeddings Inference gives them; nobody reads the last."""


HEADERS: dict[Kind, dict[str, str]] = {
    "Unauthorized": {"WWW-Authenticate": "Bearer"},
    "Overloaded": {"Retry-After": "1"},
}
"""What HTTP wants with the status of a kind."""


class RefusedError(Exception):
    """A request that is answered with an error; `message` says in a line what to do."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUSES[self.kind]

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the status."""
        return HEADERS.get(self.kind, {})


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


def error_responses(body: Any) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the errors that a client can see, with their bodies' type.

    >>> error_responses(CohereError)[401]
    {'model': <class '...CohereError'>, 'description': 'Unauthorized'}
    """
    return {
        status: {"model": body, "description": kind}
        for kind, status in STATUSES.items()
        if kind != "Gone"
    }


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
