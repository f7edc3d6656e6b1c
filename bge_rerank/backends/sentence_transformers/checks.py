"""Refuse models that load without an error and give scores that mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import safe_open

from bge_rerank.errors import UnsupportedModelError
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import read_config


def check_model(config: ScorerConfig, model: Any, folder: Path) -> None:
    """Refuse a model without a trained head, with several labels, or without the template that it needs.

    Args:
        config: Names the model.
        model: sentence-transformers' `CrossEncoder`, loaded.
        folder: The model's files.

    Raises:
        UnsupportedModelError: The model's scores would mean nothing.
    """
    if model.num_labels != 1:
        raise UnsupportedModelError(
            f"{config.model_name!r} classifies into {model.num_labels} labels; use a reranker, which has one"
        )
    missing = sorted(_heads(model) - {_last(name) for name in _stored(folder)})
    if missing:
        raise UnsupportedModelError(
            f"{config.model_name!r} has no trained classification head (no weights for {', '.join(missing)}), "
            "so its scores would be random; use a reranker"
        )
    if read_config(config).is_language_model and "message" not in model[0].modality_config:
        raise UnsupportedModelError(
            f"{config.model_name!r} is a language model without a chat template, so its scores would be almost "
            "random; use a copy with the template that its authors publish (chat_template.jinja)"
        )
    _check_template(config, model)


def _heads(model: Any) -> set[str]:
    """Return the parameters of a classification head, each by its last two names."""
    inner = model.transformers_model
    if inner is None or not type(inner).__name__.endswith("ForSequenceClassification"):
        return set()
    body = f"{inner.base_model_prefix}."
    return {_last(name) for name, _ in inner.named_parameters() if not name.startswith(body)}


def _stored(folder: Path) -> Iterator[str]:
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as weights:
            yield from weights.keys()


def _last(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def _check_template(config: ScorerConfig, model: Any) -> None:
    """Render two pairs that differ, and see that the sequences differ."""
    try:
        first, second, third = model.preprocess(
            [("a", "b"), ("c", "b"), ("a", "d")],
            processing_kwargs={"common": {"return_tensors": None}, "text": {"padding": False}},
        )["input_ids"]
    except ValueError as error:
        raise UnsupportedModelError(
            f"{config.model_name!r} cannot read a query and a passage together: {error}"
        ) from error
    if first in (second, third):
        raise UnsupportedModelError(
            f"the template of {config.model_name!r} leaves out the query or the passage; "
            "use the template that the model's authors publish"
        )
