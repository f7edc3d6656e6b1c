"""What each dialect's request and answer hold, for validation and for the OpenAPI page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr

QUERY = "what causes tides"
TEXTS = ["Bread rises on yeast.", "The Moon's gravity raises the tides."]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class TextDocument(BaseModel):
    """A document as an object, as older clients of Cohere and Jina send it."""

    text: StrictStr


Document = StrictStr | TextDocument


class TeiRequest(BaseModel):
    """`POST /rerank` as Text Embeddings Inference takes it."""

    model_config = _example(query=QUERY, texts=TEXTS, raw_scores=False, return_text=False)

    query: StrictStr
    texts: list[StrictStr]
    raw_scores: bool = False
    """Logits in place of their sigmoids."""
    return_text: bool = False
    truncate: bool | None = None
    """Taken for compatibility: pairs longer than the model are cut in any case."""
    truncation_direction: Literal["right", "Right"] = "right"


class TeiRank(BaseModel):
    """One text of TEI's answer."""

    index: int
    score: float
    text: str | None = None


class InfinityRequest(BaseModel):
    """`POST /rerank` as Infinity takes it: with `documents` and `model`."""

    model_config = _example(model="mini", query=QUERY, documents=TEXTS, top_n=1)

    model: StrictStr
    query: StrictStr
    documents: list[StrictStr]
    top_n: Annotated[int, Field(ge=0)] | None = None
    return_documents: bool = False
    raw_scores: bool = False


class TutorialRequest(BaseModel):
    """`POST /rerank` as small servers of one's own take it: `documents` without `model`."""

    model_config = _example(query=QUERY, documents=TEXTS, top_n=1)

    query: StrictStr
    documents: list[StrictStr]
    top_n: Annotated[int, Field(ge=1)] = 3


class TutorialRank(BaseModel):
    """One document of a small server's answer."""

    score: float
    document: str


class CohereRequest(BaseModel):
    """`POST /v1/rerank` and `/v2/rerank` as Cohere, Jina and what speaks like them take it."""

    model_config = _example(model="mini", query=QUERY, documents=TEXTS, top_n=1)

    model: StrictStr | None = None
    query: StrictStr
    documents: list[Document]
    top_n: Annotated[int, Field(ge=0)] | None = None
    """How many to answer with; 0 is all, as in vLLM."""
    return_documents: bool | None = None


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
    meta: dict[str, Any] = {"api_version": {"version": "2"}}


class InfinityAnswer(BaseModel):
    """What Infinity's clients read."""

    id: str
    model: str
    object: Literal["rerank"] = "rerank"
    created: int
    results: list[InfinityRank]
    usage: Usage = Usage()
