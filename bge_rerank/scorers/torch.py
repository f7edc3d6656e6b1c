"""The `torch` backend: BGE's encoder rerankers through transformers, batched by this package."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from bge_rerank.batching import length_ordered_batches
from bge_rerank.config import DEFAULT_MODEL, ScorerConfig
from bge_rerank.errors import (
    ConfigurationError,
    OutOfMemoryError,
    ScoringError,
    UnsupportedModelError,
)
from bge_rerank.model_files import choose_max_length, loading_errors, model_folder, read_config
from bge_rerank.pair_encoding import EncodedPair, PairEncoder
from bge_rerank.progress import without_loading_bars
from bge_rerank.torch_device import choose_device, choose_dtype, is_out_of_memory
from bge_rerank.types import Pair

logger = logging.getLogger(__name__)

CPU_MAX_BATCH_TOKENS = 2_048
"""Larger batches are slower: on two cores, `mini` on 96 passages of 85 to 340 words ran at 19 pairs/s
with 512 tokens a batch, 18 with 2,048, 13 with 8,192, 10 with 32,768 (medians of 3)."""
ACCELERATOR_MAX_BATCH_TOKENS = 65_536
"""A starting point that has not been measured; set `max_batch_tokens` where it does not fit."""


class TorchScorer:
    """Score pairs with a sequence-classification encoder, in one process on one device.

    Safe to share between threads. Calls take turns batch by batch, so a short call waits for one
    batch of a long one and not for all of it.
    """

    def __init__(self, config: ScorerConfig) -> None:
        """Load tokenizer and weights.

        Raises:
            ModelLoadError: The files are not there, or hold no safetensors.
            UnsupportedModelError: The model has no trained classification head with one output.
            ConfigurationError: An option does not fit the model or the machine.
        """
        if config.cutoff_layers is not None:
            raise ConfigurationError(
                "cutoff_layers is for layerwise models; leave it out, or use backend='flag'"
            )
        self.config = config
        self.device = choose_device(config.device)
        self.max_length = choose_max_length(config, read_config(config))
        self.max_batch_tokens = _max_batch_tokens(config, self.device)
        folder = model_folder(config)
        with loading_errors(config.model_name), without_loading_bars():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=config.trust_remote_code
            )
            self._model = _load_model(config, folder)
            self._model.to(self.device, choose_dtype(config.dtype, self.device)).eval()
        self._takes_type_ids = "token_type_ids" in tokenizer.model_input_names
        self._pad_token_id = int(tokenizer.pad_token_id)
        self._encoder = PairEncoder(tokenizer.backend_tokenizer, self.max_length)
        self._forward_lock = threading.Lock()

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair, in input order.

        Raises:
            OutOfMemoryError: A single pair does not fit into the device's memory.
            ScoringError: The forward pass failed.
        """
        encoded = self._encoder.encode(pairs)
        self._log_cut(encoded)
        logits = [0.0] * len(encoded)
        lengths = [len(pair.ids) for pair in encoded]
        for batch in length_ordered_batches(lengths, self.max_batch_tokens):
            for index, logit in zip(batch, self._score([encoded[i] for i in batch]), strict=True):
                logits[index] = logit
        return logits

    def _score(self, batch: list[EncodedPair]) -> list[float]:
        """Score a batch, in halves where the device's memory does not take it whole."""
        try:
            return self._forward(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise ScoringError(f"the forward pass failed on {self.device}: {error}") from error
            if len(batch) == 1:
                raise OutOfMemoryError(
                    f"a pair of {len(batch[0].ids)} tokens does not fit into the memory of {self.device}; "
                    "lower max_length, or choose another device or dtype"
                ) from error
        half = len(batch) // 2
        logger.warning("out of memory on %s: %d pairs in halves", self.device, len(batch))
        return self._score(batch[:half]) + self._score(batch[half:])

    def _forward(self, batch: list[EncodedPair]) -> list[float]:
        inputs = self._padded(batch)
        with self._forward_lock, torch.inference_mode():
            logits = self._model(
                **{name: ids.to(self.device) for name, ids in inputs.items()}
            ).logits
            scores: list[float] = logits.view(-1).float().tolist()
        return scores

    def _padded(self, batch: list[EncodedPair]) -> dict[str, torch.Tensor]:
        lengths = torch.tensor([len(pair.ids) for pair in batch])
        inputs = {
            "input_ids": _pad([pair.ids for pair in batch], self._pad_token_id),
            "attention_mask": (torch.arange(int(lengths.max())) < lengths[:, None]).long(),
        }
        if self._takes_type_ids:
            inputs["token_type_ids"] = _pad([pair.type_ids for pair in batch], 0)
        return inputs

    def _log_cut(self, encoded: Sequence[EncodedPair]) -> None:
        cut = [pair.cut for pair in encoded if pair.cut]
        if cut:
            logger.warning(
                "%d of %d pairs were longer than max_length=%d: %d tokens were left out",
                len(cut),
                len(encoded),
                self.max_length,
                sum(cut),
            )


def _pad(rows: list[list[int]], value: int) -> torch.Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


def _max_batch_tokens(config: ScorerConfig, device: torch.device) -> int:
    if config.max_batch_tokens is None:
        return CPU_MAX_BATCH_TOKENS if device.type == "cpu" else ACCELERATOR_MAX_BATCH_TOKENS
    if config.max_batch_tokens < 1:
        raise ConfigurationError(f"max_batch_tokens is {config.max_batch_tokens}; give 1 or more")
    return config.max_batch_tokens


def _load_model(config: ScorerConfig, folder: Path) -> torch.nn.Module:
    """Load the weights, from safetensors only, and make sure that the head is among them."""
    model, report = AutoModelForSequenceClassification.from_pretrained(
        folder,
        trust_remote_code=config.trust_remote_code,
        use_safetensors=True,
        output_loading_info=True,
    )
    missing = sorted(report["missing_keys"])
    if missing:
        raise UnsupportedModelError(
            f"{config.model_name!r} has no trained classification head (no weights for "
            f"{', '.join(missing)}), so its scores would be random; use a reranker such as {DEFAULT_MODEL!r}"
        )
    if model.config.num_labels != 1:
        raise UnsupportedModelError(
            f"{config.model_name!r} classifies into {model.config.num_labels} labels; "
            f"use a reranker, which has one, such as {DEFAULT_MODEL!r}"
        )
    loaded: torch.nn.Module = model
    return loaded
