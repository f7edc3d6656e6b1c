"""What each dialect's request and answer hold, for validation and for the OpenAPI page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, FailFast, Field

QUERY = "what causes tides"
TEXTS = ["Bread rises on yeast.", "The Moon's gravity raises the tides."]


def _request(**example: Any) -> ConfigDict:
    """Return the settings of a request: no guessing at what another type may mean, and an example."""
    return ConfigDict(strict=True, json_schema_extra={"examples": [example]})


def _encodable(text: str) -> str:
    """Refuse half of a surrogate pair, which JSON can hold and no answer could give back."""
    text.encode()
    return text


def _whole(number: Any) -> Any:
    """Take 3.0 for 3: JSON does not tell them apart."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Text = Annotated[str, AfterValidator(_encodable)]
# What the core asks of a query; said here for the OpenAPI page, so that its own message stays.
Query = Annotated[Text, Field(json_schema_extra={"pattern": r"[^\s\x1c-\x1f\x85]"})]


class TextDocument(BaseModel):
    """A document as an object, as older clients of Cohere and Jina send it."""

    model_config = ConfigDict(strict=True)

    text: Text


Document = Text | TextDocument
AtLeastOne = Field(min_length=1)
TopN = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
"""How many to answer with; 0 is all, as in vLLM."""


class TeiRequest(BaseModel):
    """`POST /rerank` as Text Embeddings Inference takes it."""

    model_config = _request(query=QUERY, texts=TEXTS, raw_scores=False, return_text=False)

    query: Query
    texts: Annotated[list[Text], AtLeastOne, FailFast()]
    raw_scores: bool = False
    """Logits in place of their sigmoids."""
    return_text: bool = False
    truncate: bool | None = None
    """False refuses pairs that are longer than the model takes; else they are cut."""
    truncation_direction: Literal["right", "Right"] = "right"


class TeiRank(BaseModel):
    """One text of TEI's answer."""

    index: int
    score: float
    text: str | None = None


class InfinityRequest(BaseModel):
    """`POST /rerank` as Infinity takes it: with `documents` and `model`."""

    model_config = _request(model="mini", query=QUERY, documents=TEXTS, top_n=1)

    model: str
    query: Query
    documents: Annotated[list[Text], AtLeastOne, FailFast()]
    top_n: TopN | None = None
    return_documents: bool = False
    raw_scores: bool = False


class TutorialRequest(BaseModel):
    """`POST /rerank` as small servers of one's own take it: `documents` without `model`."""

    model_config = _request(query=QUERY, documents=TEXTS, top_n=1)

    query: Query
    documents: Annotated[list[Text], FailFast()]
    top_n: Annotated[int, Field(ge=1), BeforeValidator(_whole)] = 3


class TutorialRank(BaseModel):
    """One document of a small server's answer."""

    score: float
    document: str


class CohereRequest(BaseModel):
    """`POST /v1/rerank` and `/v2/rerank` as Cohere, Jina and what speaks like them take it."""

    model_config = _request(model="mini", query=QUERY, documents=TEXTS, top_n=1)

    model: str | None = None
    query: Query
    documents: Annotated[list[Document], AtLeastOne, FailFast()]
    top_n: TopN | None = None
    return_documents: bool | None = None


REQUESTS: tuple[type[BaseModel], ...] = (
    TeiRequest,
    InfinityRequest,
    TutorialRequest,
    CohereRequest,
)
FIELDS = frozenset(name for request in REQUESTS for name in request.model_fields)
"""What a dialect reads of a body."""
LISTS = ("texts", "documents")
"""The fields that hold the texts."""


class AnsweredDocument(BaseModel):
    """A document in an answer."""

    text: str


class CohereRank(BaseModel):
    """One document of the answer."""

    index: int
    relevance_score: float
    document: AnsweredDocument | None = None


class InfinityRank(BaseModel):
    """One document of Infinity's answer."""

    index: int
    relevance_score: float
    document: str | None = None


class Usage(BaseModel):
    """What a request cost; tokens are not counted."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class CohereAnswer(BaseModel):
    """What Cohere's and Jina's clients read."""

    id: str
    model: str
    object: Literal["rerank"] = "rerank"
    results: list[CohereRank]
    usage: Usage = Usage()
    meta: dict[str, Any]
    """The version of Cohere's interface that was asked."""


class InfinityAnswer(BaseModel):
    """What Infinity's clients read."""

    id: str
    model: str
    object: Literal["rerank"] = "rerank"
    created: int
    results: list[InfinityRank]
    usage: Usage = Usage()
