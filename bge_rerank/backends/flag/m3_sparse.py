"""`M3SparseScorer`, the `m3-sparse` backend: BGE-M3's lexical weights, with FlagEmbedding's class.

It matches words as BM25 does, but a model weighs each word by its context. The model computes each text once instead
of each pair, so the scorer suits a prefilter.

It protects users from these traps of FlagEmbedding 1.4.2:

- random weights if the two linear layers are missing
- a download of the whole repository
- a process for each device
- an endless loop after any `RuntimeError`
- progress bars without a switch

FlagEmbedding still computes the first batch of a call twice.

The linear layers are pickles, and the encoder's weights may be pickles. FlagEmbedding (from 1.4.0) and transformers
(from 4.44.2) read them with torch's `weights_only=True`, which runs no code in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import torch
from packaging.specifiers import SpecifierSet

from bge_rerank.backends.device import choose_dtype
from bge_rerank.backends.flag.guard import GuardedScorer, check_transformers, flag_embedding
from bge_rerank.backends.quiet import without_loading_bars
from bge_rerank.errors import ConfigurationError, UnsupportedModelError
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import (
    M3_FILES,
    WEIGHT_FILES,
    loading_errors,
    model_folder,
    read_config,
)
from bge_rerank.types import Pair

FlagEmbedding = flag_embedding()
LINEAR_FILES = ("sparse_linear.pt", "colbert_linear.pt")
"""The files of the linear layers. FlagEmbedding reads both or none."""
TRANSFORMERS = SpecifierSet(">=4.56,<5.24")
"""The versions of transformers with which the class of FlagEmbedding 1.4.2 runs.

They were tried on a tiny model. It fails with 4.44.2 and 4.55.4, and runs with 4.56.0, 4.57.1, 5.0.0 and 5.23.0."""


class M3SparseScorer(GuardedScorer):
    """A scorer by shared words. A word counts with the product of its BGE-M3 weights in query and passage."""

    def __init__(self, config: ScorerConfig) -> None:
        """Load the model.

        Raises:
            ModelLoadError: The files are missing or cannot be read.
            UnsupportedModelError: The model has no lexical weights, or the installed version of transformers
                cannot run it.
            ConfigurationError: An option does not fit the model or the machine.
        """
        check_transformers(config, TRANSFORMERS)
        super().__init__(config, read_config(config))
        dtype = _dtype(config, self._device)
        folder = _folder(config)
        with loading_errors(config.model_name), without_loading_bars():
            embedder = FlagEmbedding.BGEM3FlagModel(
                str(folder),
                use_fp16=dtype == torch.float16,
                use_bf16=dtype == torch.bfloat16,
                **self._options,
            )
        self._guard(embedder, dtype)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the lexical matching score of each pair, in input order.

        Returns:
            Sums of products of weights, 0 or more; 0 if the pair shares no word. They are not logits. They order
            passages, but a `score_threshold` or a sigmoid of them has no meaning.

        Raises:
            OutOfMemoryError: A single text does not fit into the device's memory.
            ScoringError: The forward pass failed.
        """
        texts = list(dict.fromkeys(chain.from_iterable(pairs)))
        if not texts:
            return []
        weights = self._in_turn(partial(self._weights, texts))
        match = self._inner.compute_lexical_matching_score
        return [float(match(weights[query], weights[passage])) for query, passage in pairs]

    def _weights(self, texts: Sequence[str], batch_size: int) -> dict[str, dict[str, float]]:
        """Return, for each text, the weight of each token id."""
        encoded = self._inner.encode(
            texts,
            batch_size=batch_size,
            max_length=self.max_length,
            return_dense=False,
            return_sparse=True,
        )
        return {
            text: {token: float(weight) for token, weight in weights.items()}
            for text, weights in zip(texts, encoded["lexical_weights"], strict=True)
        }


def _dtype(config: ScorerConfig, device: torch.device) -> torch.dtype:
    """Return the precision. On a CPU, FlagEmbedding converts every model to float32."""
    if device.type != "cpu":
        return choose_dtype(config.dtype, device)
    if config.dtype not in ("auto", "float32"):
        raise ConfigurationError(
            f"dtype is {config.dtype!r}, but backend 'm3-sparse' uses float32 on CPUs; leave dtype out"
        )
    return torch.float32


def _folder(config: ScorerConfig) -> Path:
    folder = model_folder(config, (*WEIGHT_FILES, *M3_FILES))
    missing = [name for name in LINEAR_FILES if not (folder / name).is_file()]
    if missing:
        raise UnsupportedModelError(
            f"{config.model_name!r} has no {' and no '.join(missing)}, so its lexical weights would be "
            "random; use 'BAAI/bge-m3'"
        )
    return folder
