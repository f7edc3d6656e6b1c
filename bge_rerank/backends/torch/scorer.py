"""`TorchScorer`, the `torch` backend: BGE's encoder rerankers with transformers, in this package's batches."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from bge_rerank.backends.device import (
    InHalves,
    batch_sizes,
    choose_devices,
    choose_dtype,
    keeps_every_shape,
    limit_threads,
)
from bge_rerank.backends.encoder.batches import coarse_length, padded
from bge_rerank.backends.encoder.pairs import EncodedPair, PairEncoder
from bge_rerank.backends.encoder.scorer import EncoderScorer
from bge_rerank.backends.machine import cpu_flags, matrix_unit
from bge_rerank.backends.quiet import without_loading_bars
from bge_rerank.backends.torch.blocked import can_block
from bge_rerank.backends.torch.encoder import FirstTokenClassifier
from bge_rerank.errors import (
    UnsupportedModelError,
)
from bge_rerank.models.config import DEFAULT_MODEL, ScorerConfig
from bge_rerank.models.files import choose_max_length, loading_errors, model_folder, read_config

PACKING_CAPABILITY = (8, 0)
"""The lowest compute capability on which FlashAttention runs: Ampere's."""

RUNNERS_A_CUDA_DEVICE = 2
"""The runners of a CUDA device. While one waits for its scores, the other prepares the next batch."""


class TorchScorer(EncoderScorer):
    """A scorer with a sequence-classification encoder, in one process, on one or more devices.

    On CUDA, sequences are packed without padding if the architecture and torch allow it.

    Attributes:
        model: The classifier from transformers, on the first device. On a CPU, its linear layers may be `BlockedLinear`,
            whose weights are not parameters.
        tokenizer: The tokenizer from transformers.
    """

    def __init__(
        self, config: ScorerConfig, *, packs: bool | None = None, blocks: bool = True
    ) -> None:
        """Load tokenizer and weights.

        Args:
            config: The model, its devices and its precision.
            packs: Whether to pack sequences; `None` packs if that is fast.
            blocks: Whether linear layers are replaced by `BlockedLinear` where that is fast.

        Raises:
            ModelLoadError: The files are missing, or have no safetensors.
            UnsupportedModelError: The model has no trained classification head with one output.
            ConfigurationError: An option does not fit the model or the machine.
        """
        devices = choose_devices(config)
        dtype = choose_dtype(config.dtype, devices[0])
        description = read_config(config)
        description.check_needs_no_template(config)
        max_length = choose_max_length(config, description)
        folder = model_folder(config)
        with loading_errors(config.model_name), without_loading_bars():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=config.trust_remote_code
            )
            if tokenizer.pad_token_id is None:
                raise ValueError("its tokenizer has no pad token")
            model = load_classifier(config, folder).to(devices[0], dtype).eval()
            replicas = [model, *(copy.deepcopy(model).to(device) for device in devices[1:])]
        limit_threads(config)
        if packs is None:
            packs = all(map(can_pack, replicas))
        super().__init__(
            config,
            PairEncoder.of(config, tokenizer.backend_tokenizer, max_length),
            [
                runner
                for replica, device in zip(replicas, devices, strict=True)
                for runner in [
                    InHalves(
                        TorchRunner(
                            replica, device, tokenizer, max_length, packs=packs, blocks=blocks
                        ),
                        device,
                    )
                ]
                * (RUNNERS_A_CUDA_DEVICE if device.type == "cuda" else 1)
            ],
            str(dtype).removeprefix("torch."),
            sizes=batch_sizes(devices[0], model.config, dtype),
            shares=len(devices),
            coarse_lengths=keeps_every_shape(
                devices[0], dtype, blocks=blocks and can_block(devices[0], dtype)
            ),
            packs=packs,
        )
        self.model = model
        self.tokenizer = tokenizer


class TorchRunner:
    """Gives the logits of a batch by a classifier on one device."""

    def __init__(
        self,
        model: Any,
        device: torch.device,
        tokenizer: Any,
        max_length: int,
        *,
        packs: bool,
        blocks: bool = True,
    ) -> None:
        """Take a model on its device.

        Args:
            model: The classifier.
            device: Its device.
            tokenizer: Its tokenizer from transformers.
            max_length: The most tokens of a pair.
            packs: Whether batches are packed or padded.
            blocks: Whether its linear layers are replaced by blocked ones where that is fast.
        """
        blocks = blocks and can_block(device, model.dtype)
        self._max_length = max_length
        self._coarse_lengths = keeps_every_shape(device, model.dtype, blocks=blocks)
        self._device = device
        self._takes_type_ids = "token_type_ids" in tokenizer.model_input_names
        self._pad_token_id = int(tokenizer.pad_token_id)
        self._packs = packs
        first_token = FirstTokenClassifier.supports(model)
        joins = device.type == "cuda"
        # With AMX, and in float32, torch's fused attention is fast too.
        multiplies = (
            blocks
            and model.dtype == torch.bfloat16
            and matrix_unit("bfloat16", cpu_flags()) == "avx512"
        )
        self._model = (
            FirstTokenClassifier(model, joins=joins, blocks=blocks, multiplies=multiplies)
            if first_token
            else model
        )

    def __call__(self, batch: Sequence[EncodedPair]) -> list[float]:
        """Return the logits of a batch."""
        with torch.inference_mode():
            logits = self._packed(batch) if self._packs else self._padded(batch)
            scores: list[float] = logits.view(-1).float().tolist()
        return scores

    def _padded(self, batch: Sequence[EncodedPair]) -> torch.Tensor:
        longest = max(len(pair.ids) for pair in batch)
        if self._coarse_lengths:
            longest = coarse_length(longest, self._max_length)
        arrays = padded(batch, self._pad_token_id, longest)
        if arrays["attention_mask"].all():
            del arrays["attention_mask"]
        if not self._takes_type_ids:
            del arrays["token_type_ids"]
        logits = self._model(**{name: self._to_device(array) for name, array in arrays.items()})
        out: torch.Tensor = getattr(logits, "logits", logits)
        return out

    def _packed(self, batch: Sequence[EncodedPair]) -> torch.Tensor:
        lengths = [len(pair.ids) for pair in batch]
        type_ids = np.concatenate([pair.type_ids for pair in batch], dtype=np.int64)
        logits: torch.Tensor = self._model.packed(
            self._to_device(np.concatenate([pair.ids for pair in batch], dtype=np.int64)),
            self._to_device(np.array(lengths)),
            max(lengths),
            self._to_device(type_ids) if self._takes_type_ids else None,
        )
        return logits

    def _to_device(self, array: np.ndarray[Any, np.dtype[np.int64]]) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if self._device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)


def can_pack(model: Any) -> bool:
    """Return whether torch's kernel for packed sequences supports a model, its device and its precision.

    The kernel is FlashAttention. It needs a CUDA device of the Ampere generation or later, float16 or bfloat16, and a
    head width that is a multiple of 8.
    """
    try:
        import torch.nn.attention.varlen
    except ImportError:
        return False
    return (
        FirstTokenClassifier.supports(model)
        and model.config.hidden_size // model.config.num_attention_heads % 8 == 0
        and model.dtype in (torch.float16, torch.bfloat16)
        and model.device.type == "cuda"
        and torch.version.cuda is not None  # torch calls AMD's GPUs "cuda" too
        and torch.cuda.get_device_capability(model.device) >= PACKING_CAPABILITY
    )


def load_classifier(config: ScorerConfig, folder: Path) -> Any:
    """Load the weights from safetensors, and check that they include the classification head.

    Raises:
        UnsupportedModelError: The model has no trained classification head with one output.
    """
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
            f"{config.model_name!r} has {model.config.num_labels} labels, but a reranker has one; "
            f"use a reranker such as {DEFAULT_MODEL!r}"
        )
    return model
