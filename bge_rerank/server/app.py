"""`create_app`: the routes of the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, get_args
from uuid import uuid4

from fastapi import Body, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline
from pydantic import Discriminator, Tag

from bge_rerank import __version__
from bge_rerank.models.config import revealed
from bge_rerank.server.guard import Guard
from bge_rerank.server.json_bodies import JsonRoute
from bge_rerank.server.metrics import Metrics
from bge_rerank.server.options import ServerOptions
from bge_rerank.server.page import page, page_headers
from bge_rerank.server.ranking_service import RankingService
from bge_rerank.server.refusals import (
    CohereError,
    Form,
    InfinityError,
    RefusedError,
    TeiError,
    TutorialError,
    error_body,
    error_responses,
    form_of,
    route_of,
)
from bge_rerank.server.schemas import (
    AnsweredDocument,
    CohereAnswer,
    CohereRank,
    CohereRequest,
    Document,
    InfinityAnswer,
    InfinityRank,
    InfinityRequest,
    TeiRank,
    TeiRequest,
    Token,
    TokenizeRequest,
    TutorialRank,
    TutorialRequest,
)
from bge_rerank.types import Ranked, Scorer

DESCRIPTION = """Clients of Text Embeddings Inference (TEI), Infinity, Cohere and Jina work unchanged.

`POST /rerank` takes `texts` (TEI), `documents` with `model` (Infinity), or `documents` alone.
`POST /v1/rerank` and `POST /v2/rerank` take the requests of Cohere's and Jina's clients.

If the server requires an API key, send it as `Authorization: Bearer KEY`."""


def _form(body: Any) -> str:
    """Return the wire format of a request: of its JSON before the check, or of its object after it."""
    return form_of("/rerank", getattr(body, "__dict__", body))


AnyRequest = Annotated[
    Annotated[TeiRequest, Tag("tei")]
    | Annotated[InfinityRequest, Tag("infinity")]
    | Annotated[TutorialRequest, Tag("tutorial")],
    Discriminator(_form),
]


def create_app(scorer: Scorer, options: ServerOptions, metrics: Metrics | None = None) -> Any:
    """Return the ASGI application that ranks with a scorer. The scorer's weights must be loaded.

    Args:
        scorer: The scorer.
        options: The options of the server.
        metrics: Counts requests and passes. By default, the application has metrics of its own.
    """
    limits = options.limits
    service = RankingService(scorer, limits, options.pass_pairs, options.wait_ms, metrics)
    app = FastAPIOffline(
        title="bge-rerank",
        version=__version__,
        description=DESCRIPTION,
        redoc_url=None,
        # A redirect would lead to the host that the request names, which can be any host.
        redirect_slashes=False,
    )
    app.router.route_class = JsonRoute
    app.state.max_texts = limits.max_texts
    app.state.parsing = asyncio.Lock()
    app.add_exception_handler(RefusedError, partial(_refused, service))
    app.add_exception_handler(RequestValidationError, partial(_invalid, service))
    _add_rankings(app, service, options)
    _add_tokens(app, service)
    _add_information(app, service, scorer, options)
    return Guard(app, limits, None if options.api_key is None else revealed(options.api_key))


def _add_rankings(app: FastAPI, service: RankingService, options: ServerOptions) -> None:
    @app.post(
        "/rerank",
        summary="TEI, Infinity, or documents alone",
        response_model_exclude_none=True,
        responses=error_responses(TeiError | InfinityError | TutorialError),
    )
    async def rerank(
        request: Request, asked: Annotated[AnyRequest, Body()]
    ) -> list[TeiRank] | InfinityAnswer | list[TutorialRank]:
        if isinstance(asked, TeiRequest):
            ranking = await service.rank(
                asked.query,
                asked.texts,
                partial(_gone, request),
                truncate=asked.truncate is not False,
            )
            return [_tei_rank(asked, ranked) for ranked in ranking]
        ranking = await service.rank(asked.query, asked.documents, partial(_gone, request))
        if isinstance(asked, TutorialRequest):
            return [
                TutorialRank(score=ranked.score, document=asked.documents[ranked.index])
                for ranked in ranking[: asked.top_n]
            ]
        return InfinityAnswer(
            id=_new_id(),
            model=options.model_name,
            created=int(time.time()),
            results=[_infinity_rank(asked, ranked) for ranked in _first(ranking, asked.top_n)],
        )

    errors = error_responses(CohereError)
    post = partial(app.post, response_model_exclude_none=True, responses=errors)

    @post("/v2/rerank", summary="Cohere version 2")
    @post("/v1/rerank", summary="Cohere version 1, and Jina")
    async def cohere(request: Request, asked: CohereRequest) -> CohereAnswer:
        texts = [_text(document) for document in asked.documents]
        ranking = await service.rank(asked.query, texts, partial(_gone, request))
        return CohereAnswer(
            id=_new_id(),
            model=options.model_name,
            results=[_cohere_rank(asked, texts, ranked) for ranked in _first(ranking, asked.top_n)],
            meta={
                "api_version": {"version": route_of(request.scope).split("/")[1].removeprefix("v")}
            },
        )


def _add_tokens(app: FastAPI, service: RankingService) -> None:
    @app.post(
        "/tokenize",
        summary="The model's tokens of texts, in TEI's format",
        response_model=list[list[Token]],
        responses=error_responses(TeiError),
    )
    async def tokenize(request: Request, asked: TokenizeRequest) -> Response:
        special = asked.add_special_tokens
        content = await service.tokens(asked.inputs, partial(_gone, request), special=special)
        return Response(content, media_type="application/json")


def _add_information(
    app: FastAPI, service: RankingService, scorer: Scorer, options: ServerOptions
) -> None:
    @app.get("/info", summary="Model and limits, in TEI's format")
    async def info() -> dict[str, Any]:
        return {
            "model_id": options.model_name,
            "model_sha": None,
            "model_dtype": getattr(scorer, "precision", None) or "unknown",
            "model_type": {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
            "max_concurrent_requests": options.limits.max_waiting_texts,
            "max_input_length": getattr(scorer, "max_length", None),
            "max_batch_tokens": getattr(scorer, "max_batch_tokens", None),
            "max_client_batch_size": options.limits.max_texts,
            "auto_truncate": True,
            "version": __version__,
        }

    @app.get("/v1/models", summary="The model's name, in OpenAI's format")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": options.model_name, "object": "model"}]}

    @app.get("/health", summary="Status 200 while the server runs", response_class=Response)
    async def health() -> Response:
        return Response()

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/", include_in_schema=False)
    async def root() -> HTMLResponse:
        return HTMLResponse(page(), headers=page_headers())


async def _gone(request: Request) -> None:
    """Return when the client disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(service: RankingService, request: Request, refusal: Any) -> JSONResponse:
    service.metrics.failed(refusal.kind)
    form = getattr(request.state, "form", form_of(route_of(request.scope), None))
    return JSONResponse(error_body(form, refusal), refusal.status, refusal.headers)


async def _invalid(service: RankingService, request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    # pydantic also names the branch of the union. Clients do not know these names.
    place = ".".join(str(part) for part in first["loc"][1:] if part not in get_args(Form))
    if first["type"] == "too_short":
        refusal = RefusedError("Empty", f"`{first['loc'][-1]}` is empty; send at least one text")
    else:
        refusal = RefusedError("Validation", f"{place}: {first['msg']}" if place else first["msg"])
    return await _refused(service, request, refusal)


def _tei_rank(asked: TeiRequest, ranked: Ranked) -> TeiRank:
    score = ranked.logit if asked.raw_scores else ranked.score
    text = asked.texts[ranked.index] if asked.return_text else None
    return TeiRank(index=ranked.index, score=score, text=text)


def _infinity_rank(asked: InfinityRequest, ranked: Ranked) -> InfinityRank:
    score = ranked.logit if asked.raw_scores else ranked.score
    document = asked.documents[ranked.index] if asked.return_documents else None
    return InfinityRank(index=ranked.index, relevance_score=score, document=document)


def _cohere_rank(asked: CohereRequest, texts: Sequence[str], ranked: Ranked) -> CohereRank:
    document = AnsweredDocument(text=texts[ranked.index]) if asked.return_documents else None
    return CohereRank(index=ranked.index, relevance_score=ranked.score, document=document)


def _first(ranking: Sequence[Ranked], top_n: int | None) -> Sequence[Ranked]:
    return ranking[:top_n] if top_n else ranking


def _text(document: Document) -> str:
    return document if isinstance(document, str) else document.text


def _new_id() -> str:
    return str(uuid4())
