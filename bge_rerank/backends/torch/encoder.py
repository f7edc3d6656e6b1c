"""BERT and RoBERTa classifiers, computed up to what their head reads.

The head reads the first token alone. So the last layer is computed for that token: its keys and
values stand for all tokens, its queries and everything after them for one. That leaves out five
sixths of the last layer's products and changes no score: a seventh of the work of a model of six
layers, a thirtieth of one of 24.
"""

from __future__ import annotations

from typing import Any

import torch

from bge_rerank.backends.torch.attention import (
    Attention,
    EagerAttention,
    JointProjections,
    PackedAttention,
    PaddedAttention,
    Projections,
)

MODEL_TYPES = frozenset({"bert", "camembert", "roberta", "xlm-roberta"})
"""The `model_type` of architectures whose layers have the parts that are used here; in transformers
from 4.44 to 5.23 they are named alike."""


class FirstTokenClassifier(torch.nn.Module):
    """The logits of a sequence classifier, in the classifier's own weights; its head in float32."""

    def __init__(self, model: Any, *, eager: bool = False, joins: bool = False) -> None:
        """Take over a classifier that `supports` allows.

        Args:
            model: As `AutoModelForSequenceClassification` loads it, on its device.
            eager: Write attention out, for a graph that is exported.
            joins: Make query, key and value in one product: on a GPU a small product takes longer to
                start than to compute.
        """
        super().__init__()
        layers = model.base_model.encoder.layer
        self._projections = [
            (JointProjections if joins else Projections)(layer.attention.self) for layer in layers
        ]
        self.model = model
        self._head = _Head(model).float()
        self._padded_attention = EagerAttention if eager else PaddedAttention
        self._first_position = _first_position(model.config)

    @staticmethod
    def supports(model: Any) -> bool:
        """Say whether a model is of an architecture that this class knows."""
        positions = getattr(model.config, "position_embedding_type", "absolute")
        return model.config.model_type in MODEL_TYPES and positions == "absolute"

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the logits, of shape (sequences,), of rows that are padded on the right.

        All inputs are of shape (sequences, longest). The mask is 1 for a token and 0 for padding; `None`
        where no row is padded. Type ids are the segments, for models that have two.
        """
        hidden = self.model.base_model.embeddings(
            input_ids=input_ids, token_type_ids=token_type_ids
        )
        return self._logits(hidden, self._padded_attention(attention_mask))

    def packed(
        self,
        input_ids: torch.Tensor,
        lengths: torch.Tensor,
        longest: int,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the logits, of shape (sequences,), of sequences end to end, without padding.

        Ids and type ids are of shape (tokens,), lengths of shape (sequences,); `longest` is the largest
        length. Type ids are the segments, for models that have two.
        """
        starts = (lengths.cumsum(0) - lengths).repeat_interleave(
            lengths, output_size=len(input_ids)
        )
        # Every sequence counts its positions from the model's first one.
        positions = torch.arange(len(input_ids), device=input_ids.device) - starts
        hidden = self.model.base_model.embeddings(
            input_ids=input_ids[None],
            token_type_ids=None if token_type_ids is None else token_type_ids[None],
            position_ids=(positions + self._first_position)[None],
        )
        return self._logits(hidden[0], PackedAttention(lengths, longest))

    def _logits(self, hidden: torch.Tensor, attention: Attention) -> torch.Tensor:
        layers = zip(self.model.base_model.encoder.layer, self._projections, strict=True)
        *others, last = layers
        for layer, project in others:
            hidden = _finish(layer, attention(*project(hidden, hidden)), hidden)
        (layer, project), first = last, attention.first_tokens(hidden)
        first = _finish(layer, attention(*project(first, hidden)), first)
        logits: torch.Tensor = self._head(first.view(-1, 1, first.shape[-1]).float())
        return logits.view(-1)


class _Head(torch.nn.Module):
    """What makes a logit of a first token: in float32, because a bfloat16 logit of 4 has steps of 1/32.

    One head at most a model: it is the model's own, in place.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._pooler = getattr(model.base_model, "pooler", None)
        self._classifier = model.classifier

    def forward(self, first: torch.Tensor) -> torch.Tensor:
        """Return logits of first tokens, of shape (sequences, 1, width)."""
        pooled = first if self._pooler is None else self._pooler(first)
        logits: torch.Tensor = self._classifier(pooled)
        return logits


def _finish(layer: Any, context: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Apply the rest of a layer to the context of some rows."""
    attended = layer.attention.output(context, rows)
    out: torch.Tensor = layer.output(layer.intermediate(attended), attended)
    return out


def _first_position(config: Any) -> int:
    """Return the position of a sequence's first token: RoBERTa counts from `padding_idx + 1`."""
    return 0 if config.model_type == "bert" else int(config.pad_token_id) + 1
