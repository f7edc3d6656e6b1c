"""What keeps FlagEmbedding's traps away, for both backends that stand on it."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from packaging.specifiers import SpecifierSet

from bge_rerank.backends.device import choose_devices, is_out_of_memory
from bge_rerank.errors import (
    ConfigurationError,
    OutOfMemoryError,
    ScoringError,
    UnsupportedModelError,
)
from bge_rerank.models.config import ScorerConfig
from bge_rerank.types import Span

logger = logging.getLogger(__name__)

BATCH_SIZE = 16
"""Texts a batch. FlagEmbedding's defaults of 128 and 256 pad each to the longest of so many."""

Answer = TypeVar("Answer")


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
        try:
            return forward(*args, **kwargs)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise OutOfMemoryError(
                    "a pair does not fit into memory; lower max_length, or choose another device or dtype"
                ) from error
            raise ScoringError(f"the forward pass failed: {error}") from error

    return guard


def token_offsets(tokenizer: Any, texts: Sequence[str]) -> list[list[Span]]:
    """Return where the tokens of each text lie in it, special tokens left out."""
    encodings = tokenizer(
        list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    return [[(start, end) for start, end in its] for its in encodings["offset_mapping"]]


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
