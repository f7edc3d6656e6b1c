"""What keeps FlagEmbedding's traps away, for both backends that stand on it."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import torch
from packaging.specifiers import SpecifierSet

from bge_rerank.backends.device import choose_devices, is_out_of_memory
from bge_rerank.backends.encoder.pool import ForwardPool
from bge_rerank.backends.quiet import without_tqdm
from bge_rerank.backends.stopping import stop_if_told
from bge_rerank.errors import (
    ConfigurationError,
    OutOfMemoryError,
    ScoringError,
    UnsupportedModelError,
)
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import ModelConfig, choose_max_length
from bge_rerank.types import Span
from bge_rerank.windows import fitting_windows

logger = logging.getLogger(__name__)

BATCH_SIZE = 16
"""Texts a batch. FlagEmbedding's defaults of 128 and 256 pad each to the longest of so many."""

Answer = TypeVar("Answer")

_one_call_at_a_time: ForwardPool[Callable[[], Any], Any] = ForwardPool([lambda call: call()])
"""FlagEmbedding keeps its progress bars in module globals, and its tokenizer is not thread-safe. Its calls have
a thread of their own: torch computes in a forked child only on threads that the child has started."""


class GuardedScorer:
    """One of FlagEmbedding's classes, in one process on one device.

    Safe to share between threads, which take turns. A call that is awaited and cancelled stops at its next batch.
    """

    takes_turns = False
    """A call holds up the others until it ends."""

    def __init__(self, config: ScorerConfig, model: ModelConfig) -> None:
        """Choose the length and the device; nothing is loaded.

        Raises:
            ConfigurationError: An option does not fit the model or the machine.
        """
        self.config = config
        self.model_name = config.model_name
        self.max_length = choose_max_length(config, model)
        self._device = single_device(config)

    def _guard(self, inner: Any, dtype: torch.dtype) -> None:
        """Take an instance of FlagEmbedding's class, whose weights are loaded."""
        self._inner = inner
        self.precision = str(dtype).removeprefix("torch.")
        self._inner.model.forward = guarded(self._inner.model.forward)

    def _in_turn(self, compute: Callable[[int], Answer]) -> Answer:
        """Compute with a batch size that fits into memory, without progress bars."""

        def call() -> Answer:
            stop_if_told()
            with without_tqdm(sys.modules[type(self._inner).__module__]):
                return with_halved_batches(compute)

        # A cancellation is told through the caller's context.
        answers: list[Answer] = [*_one_call_at_a_time.run([partial(copy_context().run, call)])]
        return answers[0]

    def windows(self, query: str, texts: Sequence[str], tokens: int, /) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query."""
        return fitting_windows(query, texts, self._offsets, min(tokens, self.max_length))

    def _offsets(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return where the tokens of each text lie in it, special tokens left out."""
        tokenise = partial(
            self._inner.tokenizer,
            list(texts),
            add_special_tokens=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        [encodings] = _one_call_at_a_time.run([tokenise])
        return [[(start, end) for start, end in its] for its in encodings["offset_mapping"]]


def single_device(config: ScorerConfig) -> torch.device:
    """Return the one device to run on: given several, FlagEmbedding starts a process for each.

    Raises:
        ConfigurationError: There is no such device, or several were named.
    """
    [device, *others] = choose_devices(config.device)
    if others:
        raise ConfigurationError(
            f"device is {config.device}; the {config.backend!r} backend takes one, "
            "use backend='torch' for several"
        )
    return device


def check_transformers(config: ScorerConfig, wanted: SpecifierSet) -> None:
    """Refuse a version of transformers that a class of FlagEmbedding does not run on.

    Raises:
        UnsupportedModelError: It is not among those wanted.
    """
    installed = importlib.metadata.version("transformers")
    if installed not in wanted:
        raise UnsupportedModelError(
            f"{config.model_name!r} runs with transformers {wanted} and not with {installed}, "
            f"which is installed; pip install 'transformers{wanted}'"
        )


def guarded(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a `RuntimeError` of a forward pass into one that FlagEmbedding does not retry for ever."""

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


def with_halved_batches(compute: Callable[[int], Answer], batch_size: int = BATCH_SIZE) -> Answer:
    """Compute with a batch size, then with half of it where the memory does not take it.

    Raises:
        OutOfMemoryError: A batch of one does not fit.
    """
    try:
        return compute(batch_size)
    except OutOfMemoryError:
        if batch_size == 1:
            raise
        logger.warning("out of memory: batches of %d in place of %d", batch_size // 2, batch_size)
        return with_halved_batches(compute, batch_size // 2)
