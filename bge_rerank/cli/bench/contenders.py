"""Who takes part: how each ranks, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from bge_rerank.cli.bench import ours, peers
from bge_rerank.errors import ConfigurationError

REFERENCE = "FlagReranker"
"""What the tutorials call, as they call it: all rates and scores are compared with its."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the benchmark.

    Attributes:
        name: What the row is called.
        build: Loads it from a folder, for a longest sequence in tokens, onto a device, and returns
            `rank(query, documents)`, with `batch_size=` where it has `batch_sizes`: scores in input
            order.
        precision: What it computes in: the matrix-multiply rate that it is measured against;
            `None` where that is not known.
        modules: What it imports; where one is missing, its row says so.
        scale: What its scores are.
        export: The name of the export that it reads (`bge_rerank.cli.bench.exports`); `None` is the
            weights themselves.
        batch_sizes: The fastest of these is taken; none is its own default.
        is_ours: Whether it is this package.
        is_server: Whether it is a server, whose memory is not seen.
    """

    name: str
    build: Callable[[Path, int, str], Callable[..., list[float]]]
    precision: str | None
    modules: tuple[str, ...] = ()
    scale: Literal["logit", "sigmoid"] = "logit"
    export: str | None = None
    batch_sizes: tuple[int, ...] = ()
    is_ours: bool = False
    is_server: bool = False


BY_OTHERS = (
    Contender(
        "LangChain CrossEncoderReranker",
        peers.langchain,
        "float32",
        ("langchain_classic", "langchain_community", "sentence_transformers"),
        "sigmoid",
    ),
    Contender(
        "LlamaIndex SentenceTransformerRerank",
        peers.llamaindex,
        "float32",
        ("llama_index.core", "sentence_transformers"),
        "sigmoid",
    ),
    Contender("rerankers", peers.rerankers, "float32", ("rerankers", "transformers")),
)
"""What calls another package's cross-encoder, in its own precision and batch size on any device."""


def server(url: str, dialect: str, model_name: str) -> Contender:
    """Return the contender that asks a running server, by a backend that does."""
    build = partial(ours.ask_server, dialect, url, model_name)
    return Contender(f"{dialect} at {url}", build, None, ("httpx", "stamina"), is_server=True)


def choose(contenders: Sequence[Contender], parts: Iterable[str]) -> list[Contender]:
    """Return the contenders whose names contain one of the parts, in any case; without parts, all.

    Raises:
        ConfigurationError: A part is in no name.

    >>> from bge_rerank.cli.bench.cpu_contenders import OURS
    >>> [contender.name for contender in choose(OURS, ["openvino int8", "flag"])]
    ['bge-rerank openvino int8', 'bge-rerank flag float32']
    """
    wanted = [part.lower() for part in parts]
    for part in wanted:
        if not any(part in contender.name.lower() for contender in contenders):
            names = "; ".join(contender.name for contender in contenders)
            raise ConfigurationError(f"no contender is named like {part!r}; there are {names}")
    return [
        contender
        for contender in contenders
        if not wanted or any(part in contender.name.lower() for part in wanted)
    ]
