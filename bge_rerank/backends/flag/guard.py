"""Protect users from FlagEmbedding's traps, for both backends that use it."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import torch
from packaging.specifiers import SpecifierSet

from bge_rerank.backends.device import is_out_of_memory, single_device
from bge_rerank.backends.encoder.pool import ForwardPool
from bge_rerank.backends.quiet import without_tqdm
from bge_rerank.backends.stopping import stop_if_told
from bge_rerank.errors import (
    MissingDependencyError,
    OutOfMemoryError,
    ScoringError,
    UnsupportedModelError,
)
from bge_rerank.logs import Warnings
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import ModelConfig, choose_max_length
from bge_rerank.types import Span
from bge_rerank.windows import fitting_windows

logger = logging.getLogger(__name__)

BATCH_SIZE = 16
"""The texts of a batch. FlagEmbedding's defaults of 128 and 256 pad all these texts to the longest one."""

IMPORTABLE_WITH = ">=4.44.2,<5.24"
"""The versions of transformers with which FlagEmbedding 1.4.2 can be imported."""

Answer = TypeVar("Answer")

_one_call_at_a_time: ForwardPool[Callable[[], Any], Any] = ForwardPool([lambda call: call()])
"""Runs one call at a time, because FlagEmbedding's tokenizer is not thread-safe and its progress bars are module globals.
The calls have their own thread: in a forked child, torch computes only on threads that the child started."""


def flag_embedding() -> ModuleType:
    """Import FlagEmbedding.

    Raises:
        MissingDependencyError: FlagEmbedding cannot be imported with the installed version of transformers.
    """
    try:
        import FlagEmbedding
    except ImportError as error:
        if not (error.name or "").startswith("transformers"):
            raise
        theirs, transformers = map(importlib.metadata.version, ("FlagEmbedding", "transformers"))
        raise MissingDependencyError(
            f"FlagEmbedding {theirs} cannot be imported with transformers {transformers} ({error}); "
            f"pip install 'transformers{IMPORTABLE_WITH}', or a FlagEmbedding that supports {transformers}"
        ) from error
    module: ModuleType = FlagEmbedding
    return module


class GuardedScorer:
    """A scorer with one of FlagEmbedding's classes, in one process on one device.

    Threads can share it; their calls take turns. An async call that is cancelled stops at its next batch. The first
    smaller batch after a lack of memory is logged at WARNING level, further ones at INFO level.
    """

    takes_turns = False
    """A call blocks the others until it ends."""

    def __init__(self, config: ScorerConfig, model: ModelConfig) -> None:
        """Choose the longest pair and the device. Nothing is loaded.

        Raises:
            ConfigurationError: An option does not fit the model or the machine.
        """
        self.config = config
        self.model_name = config.model_name
        self.max_length = choose_max_length(config, model)
        self._device = single_device(config)
        self._options = {
            "devices": [str(self._device)],
            "trust_remote_code": config.trust_remote_code,
        }
        self._warn = Warnings(logger)

    def _guard(self, inner: Any, dtype: torch.dtype) -> None:
        """Take an instance of FlagEmbedding's class with loaded weights."""
        self._inner = inner
        self.precision = str(dtype).removeprefix("torch.")
        self._inner.model.forward = guarded(self._inner.model.forward)

    def _in_turn(self, compute: Callable[[int], Answer]) -> Answer:
        """Compute with a batch size that fits into memory, without progress bars."""

        def call() -> Answer:
            stop_if_told()
            with without_tqdm(sys.modules[type(self._inner).__module__]):
                return with_halved_batches(compute, self._warn)

        # The caller's context carries its cancellation.
        answers: list[Answer] = [*_one_call_at_a_time.run([partial(copy_context().run, call)])]
        return answers[0]

    def windows(self, query: str, texts: Sequence[str], tokens: int, /) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query."""
        return fitting_windows(query, texts, self._offsets, min(tokens, self.max_length))

    def _offsets(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the spans of each text's tokens, without special tokens."""
        tokenise = partial(
            self._inner.tokenizer,
            list(texts),
            add_special_tokens=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        [encodings] = _one_call_at_a_time.run([tokenise])
        return [[(start, end) for start, end in spans] for spans in encodings["offset_mapping"]]


def check_transformers(config: ScorerConfig, wanted: SpecifierSet) -> None:
    """Refuse a version of transformers with which a class of FlagEmbedding does not run.

    Raises:
        UnsupportedModelError: The installed version is not one of the wanted ones.
    """
    installed = importlib.metadata.version("transformers")
    if installed not in wanted:
        raise UnsupportedModelError(
            f"{config.model_name!r} runs with transformers {wanted}, but {installed} is installed; "
            f"pip install 'transformers{wanted}'"
        )


def guarded(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a `RuntimeError` of a forward pass into our error, which FlagEmbedding does not retry for ever."""

    def guard(*args: Any, **kwargs: Any) -> Any:
        stop_if_told()
        try:
            return forward(*args, **kwargs)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise OutOfMemoryError(
                    "a pair does not fit into memory; lower max_length, or choose another device or dtype"
                ) from error
            raise ScoringError(f"the forward pass failed: {error}") from error

    return guard


def with_halved_batches(
    compute: Callable[[int], Answer], warn: Warnings, batch_size: int = BATCH_SIZE
) -> Answer:
    """Compute with a batch size, and with half of it if it does not fit into memory.

    Raises:
        OutOfMemoryError: A single text or pair does not fit.
    """
    try:
        return compute(batch_size)
    except OutOfMemoryError:
        if batch_size == 1:
            raise
        half = batch_size // 2
        warn(
            "memory", "out of memory with batches of %d, so batches of %d follow", batch_size, half
        )
        return with_halved_batches(compute, warn, half)
