"""The `flag` backend: FlagEmbedding's own classes as they are, with their traps kept away.

The reference that the `torch` backend is measured against, and the way to BAAI's LLM-based
rerankers. What is kept from the user, each read in FlagEmbedding 1.4.2: progress bars without a
switch, one process a GPU, an endless loop on any `RuntimeError`, `IndexError` on an empty list,
`sys.exit()` on a failed import, weights in whatever precision the file has, pickled weights.

Left as it is: the lightweight class takes its heads by position among the layers asked for, so one
cutoff layer is scored by the first head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import FlagEmbedding
import torch
from packaging.specifiers import SpecifierSet

from bge_rerank.backends.device import choose_dtype
from bge_rerank.backends.flag.guard import GuardedScorer, check_transformers
from bge_rerank.backends.quiet import without_loading_bars
from bge_rerank.errors import ConfigurationError, ModelLoadError, UnsupportedModelError
from bge_rerank.models.config import DEFAULT_MODEL, ScorerConfig
from bge_rerank.models.files import (
    Architecture,
    ModelConfig,
    loading_errors,
    model_folder,
    read_config,
)
from bge_rerank.types import Pair

RECOMMENDED_CUTOFF_LAYERS = (28,)
"""BAAI's choice for its two models with several heads (their model cards)."""


@dataclass(frozen=True, slots=True)
class FlagClass:
    """A class of FlagEmbedding, the versions of transformers it runs on, whether it has layers."""

    name: str
    transformers: SpecifierSet
    has_layers: bool = False


FLAG_CLASSES: dict[Architecture, FlagClass] = {
    "encoder": FlagClass("FlagReranker", SpecifierSet(">=4.44.2,<6")),
    "decoder": FlagClass("FlagLLMReranker", SpecifierSet(">=4.44.2,<6")),
    "layerwise": FlagClass(
        "LayerWiseFlagLLMReranker", SpecifierSet(">=4.44.2,<5"), has_layers=True
    ),
    "lightweight": FlagClass(
        "LightWeightFlagLLMReranker", SpecifierSet(">=4.44.2,<4.48"), has_layers=True
    ),
}
"""The ranges were found by running each class of FlagEmbedding 1.4.2 on a tiny model of its kind,
with 25 versions of transformers from 4.44.2 to 5.23."""


class FlagScorer(GuardedScorer):
    """Score pairs with one of FlagEmbedding's reranker classes, in one process on one device."""

    def __init__(self, config: ScorerConfig) -> None:
        """Load the model with the class that its config asks for.

        Raises:
            ModelLoadError: The files are not there, or hold no safetensors.
            UnsupportedModelError: The installed versions cannot run the model (it says which can),
                or it is no reranker.
            ConfigurationError: An option does not fit the model or the machine.
        """
        model = read_config(config)
        kind = FLAG_CLASSES[model.architecture]
        _check_supported(config, model, kind)
        super().__init__(config, model)
        options = {"cutoff_layers": _cutoff_layers(config)} if kind.has_layers else {}
        folder = _safetensors_folder(config)
        with loading_errors(config.model_name), without_loading_bars():
            reranker = _construct(
                kind,
                str(folder),
                # Without one of the two the layerwise classes warn; the precision is set below.
                use_fp16=True,
                trust_remote_code=config.trust_remote_code,
                devices=[str(self._device)],
                max_length=self.max_length,
                **options,
            )
            dtype = _dtype(config, self._device)
            reranker.model.to(self._device, dtype)
        reranker.use_fp16 = False
        # From transformers 4.54 on the layerwise class fails with a cache, which scoring never needs.
        reranker.model.config.use_cache = False
        self._guard(reranker, dtype)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair, in input order: the whole list in one call.

        Raises:
            OutOfMemoryError: A single pair does not fit into the device's memory.
            ScoringError: The forward pass failed.
        """
        if not pairs:
            return []
        return self._in_turn(partial(self._score, [list(pair) for pair in pairs]))

    def _score(self, pairs: list[list[str]], batch_size: int) -> list[float]:
        scores: list[float] = self._inner.compute_score(pairs, batch_size=batch_size)
        return scores


def _dtype(config: ScorerConfig, device: torch.device) -> torch.dtype:
    """Return the precision: float32 on a CPU unless asked, as FlagEmbedding runs there."""
    if config.dtype == "auto" and device.type == "cpu":
        return torch.float32
    return choose_dtype(config.dtype, device)


def _construct(kind: FlagClass, folder: str, **options: Any) -> Any:
    try:
        return getattr(FlagEmbedding, kind.name)(folder, **options)
    except SystemExit as error:  # LightWeightFlagLLMReranker, where its own import fails
        raise UnsupportedModelError(
            f"FlagEmbedding could not import {kind.name}; pip install 'transformers{kind.transformers}'"
        ) from error


def _check_supported(config: ScorerConfig, model: ModelConfig, kind: FlagClass) -> None:
    check_transformers(config, kind.transformers)
    heads = [name for name in model.contents.get("architectures") or [] if "ForSequence" in name]
    if model.architecture == "encoder" and not heads:
        raise UnsupportedModelError(
            f"{config.model_name!r} has no classification head, so its scores would be random; "
            f"use a reranker such as {DEFAULT_MODEL!r}"
        )
    if config.cutoff_layers is not None and not kind.has_layers:
        raise ConfigurationError(f"{config.model_name!r} has one head; leave cutoff_layers out")


def _cutoff_layers(config: ScorerConfig) -> list[int]:
    layers = RECOMMENDED_CUTOFF_LAYERS if config.cutoff_layers is None else config.cutoff_layers
    if len(layers) != 1:
        raise ConfigurationError(f"cutoff_layers is {list(layers)}; give one layer, such as [28]")
    return list(layers)


def _safetensors_folder(config: ScorerConfig) -> Path:
    folder = model_folder(config)
    if not any(folder.glob("*.safetensors")):
        raise ModelLoadError(
            f"{str(folder)!r} holds no *.safetensors; pickled weights are not loaded"
        )
    return folder
