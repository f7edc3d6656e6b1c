"""`FlagScorer`, the `flag` backend: FlagEmbedding's reranker classes, without their traps.

It is the reference for the `torch` backend, and runs BAAI's LLM-based rerankers. It protects users from these traps of
FlagEmbedding 1.4.2:

- progress bars without a switch
- one process for each GPU
- an endless loop after any `RuntimeError`
- `IndexError` for an empty list
- `sys.exit()` after a failed import
- weights in the precision of their file
- pickled weights

One fault remains: the lightweight class chooses its heads by position among the cutoff layers. So the first head scores
a single cutoff layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from packaging.specifiers import SpecifierSet

from bge_rerank.backends.device import choose_dtype
from bge_rerank.backends.flag.guard import (
    IMPORTABLE_WITH,
    GuardedScorer,
    check_transformers,
    flag_embedding,
)
from bge_rerank.backends.quiet import without_loading_bars
from bge_rerank.errors import ConfigurationError, UnsupportedModelError
from bge_rerank.models.config import DEFAULT_MODEL, ScorerConfig
from bge_rerank.models.files import (
    Architecture,
    ModelConfig,
    loading_errors,
    read_config,
    safetensors_folder,
)
from bge_rerank.types import Pair

FlagEmbedding = flag_embedding()
RECOMMENDED_CUTOFF_LAYERS = (28,)
"""The layer that BAAI's model cards recommend for the two models with several heads."""


@dataclass(frozen=True, slots=True)
class FlagClass:
    """A class of FlagEmbedding, its versions of transformers, and whether it has cutoff layers."""

    name: str
    transformers: SpecifierSet
    has_layers: bool = False


FLAG_CLASSES: dict[Architecture, FlagClass] = {
    "encoder": FlagClass("FlagReranker", SpecifierSet(IMPORTABLE_WITH)),
    "decoder": FlagClass("FlagLLMReranker", SpecifierSet(IMPORTABLE_WITH)),
    "layerwise": FlagClass(
        "LayerWiseFlagLLMReranker", SpecifierSet(">=4.44.2,<5"), has_layers=True
    ),
    "lightweight": FlagClass(
        "LightWeightFlagLLMReranker", SpecifierSet(">=4.44.2,<4.48"), has_layers=True
    ),
}
"""The ranges come from running each class of FlagEmbedding 1.4.2 on a tiny model, with 25 versions of transformers from
4.44.2 to 5.23."""


class FlagScorer(GuardedScorer):
    """A scorer with one of FlagEmbedding's reranker classes, in one process on one device."""

    def __init__(self, config: ScorerConfig) -> None:
        """Load the model with the class that fits its config.

        Raises:
            ModelLoadError: The files are missing, or have no safetensors.
            UnsupportedModelError: The installed version of transformers cannot run the model, or the model is not a
                reranker. The message names the versions that can.
            ConfigurationError: An option does not fit the model or the machine.
        """
        model = read_config(config)
        kind = FLAG_CLASSES[model.architecture]
        _check_supported(config, model, kind)
        super().__init__(config, model)
        options = {"cutoff_layers": _cutoff_layers(config)} if kind.has_layers else {}
        folder = safetensors_folder(config)
        with loading_errors(config.model_name), without_loading_bars():
            reranker = _construct(
                kind,
                str(folder),
                # Without it the layerwise classes warn; the precision is set below.
                use_fp16=True,
                max_length=self.max_length,
                **self._options,
                **options,
            )
            dtype = _dtype(config, self._device)
            reranker.model.to(self._device, dtype)
        reranker.use_fp16 = False
        # With transformers 4.54 or later, the layerwise class fails with a cache. Scoring needs none.
        reranker.model.config.use_cache = False
        self._guard(reranker, dtype)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair, in input order.

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
    """Return the precision. By default it is float32 on a CPU, as in FlagEmbedding."""
    if config.dtype == "auto" and device.type == "cpu":
        return torch.float32
    return choose_dtype(config.dtype, device)


def _construct(kind: FlagClass, folder: str, **options: Any) -> Any:
    try:
        return getattr(FlagEmbedding, kind.name)(folder, **options)
    except SystemExit as error:  # from LightWeightFlagLLMReranker if its own import fails
        raise UnsupportedModelError(
            f"FlagEmbedding could not import {kind.name}; pip install 'transformers{kind.transformers}'"
        ) from error


def _check_supported(config: ScorerConfig, model: ModelConfig, kind: FlagClass) -> None:
    check_transformers(config, kind.transformers)
    model.check_needs_no_template(config)
    heads = [name for name in model.contents.get("architectures") or [] if "ForSequence" in name]
    if model.architecture == "encoder" and not heads:
        raise UnsupportedModelError(
            f"{config.model_name!r} has no classification head, so its scores would be random; "
            f"use a reranker such as {DEFAULT_MODEL!r}"
        )
    if config.cutoff_layers is not None and not kind.has_layers:
        raise ConfigurationError(
            f"cutoff_layers is {list(config.cutoff_layers)}, but {config.model_name!r} has one head; leave it out"
        )


def _cutoff_layers(config: ScorerConfig) -> list[int]:
    layers = RECOMMENDED_CUTOFF_LAYERS if config.cutoff_layers is None else config.cutoff_layers
    if len(layers) != 1:
        raise ConfigurationError(f"cutoff_layers is {list(layers)}; pass one layer, such as [28]")
    return list(layers)
