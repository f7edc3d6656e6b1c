"""`RefusedError`, the reason for a refusal, and the body of an error in each wire format."""

from __future__ import annotations

from collections.abc import Mapping
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
"""The HTTP status of each kind, as in Text Embeddings Inference. The client of `Gone` does not read its answer."""


HEADERS: dict[Kind, dict[str, str]] = {
    "Unauthorized": {"WWW-Authenticate": "Bearer"},
    "Overloaded": {"Retry-After": "1"},
}
"""The headers that HTTP requires with the status of a kind."""


class RefusedError(Exception):
    """A request that is answered with an error. `message` is one line: the fault, and what to do."""

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
        """The additional headers of the answer."""
        return HEADERS.get(self.kind, {})


class TeiError(BaseModel):
    """An error in the format of Text Embeddings Inference (TEI)."""

    error: str
    error_type: Kind


class InfinityErrorDetail(BaseModel):
    """The content of an error in Infinity's format."""

    message: str
    type: Kind
    param: None = None
    code: int


class InfinityError(BaseModel):
    """An error in the format of Infinity and OpenAI."""

    error: InfinityErrorDetail


class TutorialError(BaseModel):
    """An error in FastAPI's format."""

    detail: str


class CohereError(BaseModel):
    """An error for clients of Cohere and Jina. Cohere's read `message`; Jina's read `detail`."""

    message: str
    detail: str


def route_of(scope: Mapping[str, Any]) -> str:
    """Return the path of an ASGI request below the path where the application stands.

    >>> route_of({"path": "/mini/v1/rerank", "root_path": "/mini"}), route_of({"path": "/health"})
    ('/v1/rerank', '/health')
    """
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def form_of(path: str, body: object) -> Form:
    """Return the wire format of a request, from its path and, on `/rerank`, from its fields.

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
    """Return an error's body in a wire format.

    >>> error_body("tei", RefusedError("Empty", "`texts` is empty; send at least one text"))
    {'error': '`texts` is empty; send at least one text', 'error_type': 'Empty'}
    >>> error_body("cohere", RefusedError("Overloaded", "try again"))
    {'message': 'try again', 'detail': 'try again'}
    """
    return _error(form, refusal).model_dump()


def error_responses(body: Any) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the errors that clients can get, with the type of their bodies.

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
