"""The `sentence-transformers` backend: `CrossEncoder` loads the model, this package batches the pairs.

It runs every model that `CrossEncoder` of sentence-transformers runs:

- encoders such as ModernBERT and DeBERTa;
- encoders whose head is saved as modules, such as Ettin;
- language models that read a pair through a chat template and answer with a token, such as Qwen3-Reranker.

The logits equal those of `CrossEncoder.predict` with an identity as activation. The exception is the name of a
special token in a text: by default this package reads it as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder

from bge_rerank.backends.device import (
    ACCELERATOR_MAX_BATCH_TOKENS,
    InHalves,
    batch_sizes,
    choose_dtype,
    limit_threads,
    single_device,
)
from bge_rerank.backends.encoder.pairs import EncodedPair
from bge_rerank.backends.encoder.scorer import EncoderScorer
from bge_rerank.backends.quiet import without_loading_bars
from bge_rerank.backends.sentence_transformers.checks import check_model
from bge_rerank.backends.sentence_transformers.encoder import CrossEncoderPairs
from bge_rerank.errors import ModelLoadError
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import (
    MODULE_FILES,
    loading_errors,
    max_length_within,
    safetensors_folder,
)


class SentenceTransformersScorer(EncoderScorer):
    """Score pairs with a model that sentence-transformers' `CrossEncoder` loads, in one process on one device.

    Attributes:
        model: The `CrossEncoder`.
    """

    def __init__(self, config: ScorerConfig) -> None:
        """Load the model.

        Raises:
            ModelLoadError: The files are missing, cannot be read, or hold no safetensors.
            UnsupportedModelError: The model has no trained head, several labels, or no template for pairs.
            ConfigurationError: An option does not fit the model or the machine.
        """
        device = single_device(config)
        dtype = choose_dtype(config.dtype, device)
        folder = _folder(config)
        with loading_errors(config.model_name), without_loading_bars():
            model = CrossEncoder(
                str(folder),
                device=str(device),
                trust_remote_code=config.trust_remote_code,
                local_files_only=True,
                model_kwargs={"dtype": dtype, "use_safetensors": True},
            ).eval()
            check_model(config, model, folder)
            encoder = CrossEncoderPairs(model, _max_length(config, model), config)
        limit_threads(config)
        network = model.transformers_model.config.get_text_config()
        super().__init__(
            config,
            encoder,
            [InHalves(CrossEncoderForward(model, device, encoder.features), device)],
            str(dtype).removeprefix("torch."),
            sizes=batch_sizes(device, network, dtype),
        )
        self.model = model


class CrossEncoderForward:
    """Gives the logits of a batch by a `CrossEncoder`."""

    def __init__(self, model: Any, device: torch.device, features: dict[str, Any]) -> None:
        """Take a model that is on its device, and the features it needs besides a batch's ids."""
        self._model = model
        self._device = device
        self._features = features
        self._takes_type_ids = "token_type_ids" in model.tokenizer.model_input_names

    def __call__(self, batch: Sequence[EncodedPair]) -> list[float]:
        """Return the logits of a batch."""
        rows: dict[str, Any] = {"input_ids": [pair.ids.tolist() for pair in batch]}
        if self._takes_type_ids:
            rows["token_type_ids"] = [pair.type_ids.tolist() for pair in batch]
        # The tokenizer pads on the side that the model reads from.
        padded = self._model.tokenizer.pad(rows, return_tensors="pt", verbose=False)
        tensors = {name: tensor.to(self._device) for name, tensor in padded.items()}
        with torch.inference_mode():
            logits = self._model({**tensors, **self._features})["scores"]
        scores: list[float] = logits.reshape(-1).float().tolist()
        return scores


def _folder(config: ScorerConfig) -> Path:
    """Return the model's folder.

    Raises:
        ModelLoadError: The weights of the model or of a module are missing, or pickled.
    """
    folder = safetensors_folder(config, MODULE_FILES)
    for pickled in folder.glob("*/pytorch_model.bin"):
        if not (pickled.parent / "model.safetensors").is_file():
            raise ModelLoadError(
                f"{str(pickled)!r} is a pickle, which is not loaded; convert it to safetensors"
            )
    return folder


def _max_length(config: ScorerConfig, model: Any) -> int:
    """Return the longest sequence in tokens: the option `max_length`, or the limit that `CrossEncoder` uses.

    Raises:
        ConfigurationError: `max_length` is longer than the model allows.
    """
    network = model.transformers_model.config.get_text_config()
    positions = getattr(network, "max_position_embeddings", None)
    own = min(n for n in (model.max_seq_length, positions, ACCELERATOR_MAX_BATCH_TOKENS) if n)
    return max_length_within(config, int(own)) or int(own)
