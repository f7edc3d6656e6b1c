"""The requests and answers of each wire format, for validation and for the OpenAPI page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    WithJsonSchema,
)

QUERY = "what causes tides"
TEXTS = ["Bread rises on yeast.", "The Moon's gravity raises the tides."]


def _request(**example: Any) -> ConfigDict:
    """Return the settings of a request: strict types, described fields, and an example."""
    return ConfigDict(
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [example]},
    )


def _encodable(text: str) -> str:
    """Refuse half of a surrogate pair: JSON can hold it, but an answer could not return it."""
    text.encode()
    return text


def _whole(number: Any) -> Any:
    """Read 3.0 as 3, because JSON has one type of number."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Text = Annotated[str, AfterValidator(_encodable)]
# The ranking itself refuses empty queries, with its own message. The pattern is for the OpenAPI page only.
Query = Annotated[Text, Field(json_schema_extra={"pattern": r"[^\s\x1c-\x1f\x85]"})]


class TextDocument(BaseModel):
    """A document as an object. Older clients of Cohere and Jina send documents in this form."""

    model_config = ConfigDict(strict=True)

    text: Text


Document = Text | TextDocument
AtLeastOne = Field(min_length=1)
TopN = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
"""The maximum number of results. 0 returns all, as in vLLM."""


class TeiRequest(BaseModel):
    """The body of `POST /rerank` in the format of Text Embeddings Inference (TEI)."""

    model_config = _request(query=QUERY, texts=TEXTS, raw_scores=False, return_text=False)

    query: Query
    """The query."""
    texts: Annotated[list[Text], AtLeastOne, FailFast()]
    """The texts to rank."""
    raw_scores: bool = False
    """Return logits instead of scores from 0 to 1."""
    return_text: bool = False
    """Return each text with its score."""
    truncate: bool | None = None
    """False refuses pairs that are longer than the model takes. Otherwise they are truncated."""
    truncation_direction: Literal["right", "Right"] = "right"
    """The end of the text that is truncated."""


class TeiRank(BaseModel):
    """One text in an answer in TEI's format."""

    index: int
    score: float
    text: str | None = None


def _listed(inputs: Any) -> Any:
    """Read a single text as a list of one."""
    return [inputs] if isinstance(inputs, str) else inputs


class TokenizeRequest(BaseModel):
    """The body of `POST /tokenize`, in TEI's format."""

    model_config = _request(inputs=TEXTS, add_special_tokens=False)

    inputs: Annotated[
        list[Text],
        AtLeastOne,
        FailFast(),
        BeforeValidator(_listed),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1},
                ]
            }
        ),
    ]
    """A text, or a list of texts. Together they have at most as many characters as one text may have."""
    add_special_tokens: bool = True
    """Add the special tokens of a single text to each."""


class Token(BaseModel):
    """A token of a text, in TEI's format."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: int
    text: str
    """The characters that the token stands for; the name of a special token."""
    special: bool
    """Whether the tokenizer added it to the text."""
    start: int | None
    """Its first byte in the text in UTF-8; null for a special token."""
    stop: int | None
    """The byte after its last one; null for a special token."""


class InfinityRequest(BaseModel):
    """The body of `POST /rerank` in Infinity's format, with `documents` and `model`."""

    model_config = _request(model="mini", query=QUERY, documents=TEXTS, top_n=1)

    model: str
    """Any name. The server always uses the model that it was started with."""
    query: Query
    """The query."""
    documents: Annotated[list[Text], AtLeastOne, FailFast()]
    """The texts to rank."""
    top_n: TopN | None = None
    """The maximum number of results. By default, all are returned."""
    return_documents: bool = False
    """Return each document with its score."""
    raw_scores: bool = False
    """Return logits instead of scores from 0 to 1."""


class TutorialRequest(BaseModel):
    """The body of `POST /rerank` in the format of servers in tutorials: `documents` without `model`."""

    model_config = _request(query=QUERY, documents=TEXTS, top_n=1)

    query: Query
    """The query."""
    documents: Annotated[list[Text], FailFast()]
    """The texts to rank."""
    top_n: Annotated[int, Field(ge=1), BeforeValidator(_whole)] = 3
    """The maximum number of results."""


class TutorialRank(BaseModel):
    """One document in an answer in the format of servers in tutorials."""

    score: float
    document: str


class CohereRequest(BaseModel):
    """The body of `POST /v1/rerank` and `POST /v2/rerank` in the format of Cohere and Jina."""

    model_config = _request(model="mini", query=QUERY, documents=TEXTS, top_n=1)

    model: str | None = None
    """Any name. The server always uses the model that it was started with."""
    query: Query
    """The query."""
    documents: Annotated[list[Document], AtLeastOne, FailFast()]
    """The texts to rank."""
    top_n: TopN | None = None
    """The maximum number of results. By default, all are returned."""
    return_documents: bool | None = None
    """Return each document with its score."""


REQUESTS: tuple[type[BaseModel], ...] = (
    TeiRequest,
    InfinityRequest,
    TutorialRequest,
    CohereRequest,
    TokenizeRequest,
)
FIELDS = frozenset(name for request in REQUESTS for name in request.model_fields)
"""The fields of all wire formats."""
LISTS = ("texts", "documents", "inputs")
"""The fields that hold the texts."""


class AnsweredDocument(BaseModel):
    """A document in an answer in the format of Cohere and Jina."""

    text: str


class CohereRank(BaseModel):
    """One result in an answer in the format of Cohere and Jina."""

    index: int
    relevance_score: float
    document: AnsweredDocument | None = None


class InfinityRank(BaseModel):
    """One result in an answer in Infinity's format."""

    index: int
    relevance_score: float
    document: str | None = None


class Usage(BaseModel):
    """The tokens of a request. The server does not count them, so both numbers are 0."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class CohereAnswer(BaseModel):
    """An answer in the format of Cohere and Jina."""

    id: str
    model: str
    object: Literal["rerank"] = "rerank"
    results: list[CohereRank]
    usage: Usage = Usage()
    meta: dict[str, Any]
    """The version of Cohere's interface, from the path of the request."""


class InfinityAnswer(BaseModel):
    """An answer in Infinity's format."""

    id: str
    model: str
    object: Literal["rerank"] = "rerank"
    created: int
    results: list[InfinityRank]
    usage: Usage = Usage()
