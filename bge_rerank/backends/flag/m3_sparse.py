"""The `m3-sparse` backend: BGE-M3's lexical weights, by FlagEmbedding's own class.

A word's weight comes from its context, so words are matched as BM25 matches them, but weighed by a
model. It computes each text once, not each pair, so it goes well before a cross-encoder.

What is kept from the user, each read in FlagEmbedding 1.4.2: weights drawn at random where the two
linear layers are missing, a download of the whole repository, a process a device, an endless loop on
any `RuntimeError`, progress bars without a switch. Left as it is: the first batch of a call is
computed twice.

The linear layers are pickles, and the encoder's weights may be; FlagEmbedding (from 1.4.0) and
transformers (from 4.44.2) read them by torch's `weights_only=True`, which runs no code of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import torch
from FlagEmbedding import BGEM3FlagModel
from packaging.specifiers import SpecifierSet

from bge_rerank.backends.device import choose_dtype
from bge_rerank.backends.flag.guard import GuardedScorer, check_transformers
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

LINEAR_FILES = ("sparse_linear.pt", "colbert_linear.pt")
"""FlagEmbedding reads both or none."""
TRANSFORMERS = SpecifierSet(">=4.56,<6")
"""Found by running FlagEmbedding 1.4.2's class on a tiny model: it fails with 4.44.2 and 4.55.4, and runs
with 4.56.0, 4.57.1, 5.0.0 and 5.23.0."""


class M3SparseScorer(GuardedScorer):
    """Score pairs by the words that they share, each by its weights in BGE-M3's two views of it."""

    def __init__(self, config: ScorerConfig) -> None:
        """Load the model.

        Raises:
            ModelLoadError: The files are not there, or cannot be read.
            UnsupportedModelError: The model has no lexical weights, or the installed version of transformers
                cannot run it.
            ConfigurationError: An option does not fit the model or the machine.
        """
        check_transformers(config, TRANSFORMERS)
        super().__init__(config, read_config(config))
        dtype = _dtype(config, self._device)
        folder = _folder(config)
        with loading_errors(config.model_name), without_loading_bars():
            embedder = BGEM3FlagModel(
                str(folder),
                use_fp16=dtype == torch.float16,
                use_bf16=dtype == torch.bfloat16,
                devices=[str(self._device)],
                trust_remote_code=config.trust_remote_code,
            )
        self._guard(embedder, dtype)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the lexical matching score of each pair, in input order.

        Returns:
            Sums of products of weights, from 0 on, 0 where no word is shared. They are no logits: they
            rank, but a `score_threshold` or a sigmoid of them says nothing.

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
        """Return of each text its tokens, by their ids, with their weights."""
        encoded = self._inner.encode(
            texts,
            batch_size=batch_size,
            max_length=self.max_length,
            return_dense=False,
            return_sparse=True,
        )
        return {
            text: {token: float(weight) for token, weight in its.items()}
            for text, its in zip(texts, encoded["lexical_weights"], strict=True)
        }


def _dtype(config: ScorerConfig, device: torch.device) -> torch.dtype:
    """Return the precision: on a CPU FlagEmbedding takes every model to float32."""
    if device.type != "cpu":
        return choose_dtype(config.dtype, device)
    if config.dtype not in ("auto", "float32"):
        raise ConfigurationError(
            f"dtype is {config.dtype!r}; the 'm3-sparse' backend computes in float32 on CPUs, leave it out"
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
