"""What goes into a model's products, measured on samples: its extremes, its means, what goes together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from bge_rerank.padding import padded
from bge_rerank.pair_encoding import EncodedPair
from bge_rerank.torch_encoder import FirstTokenClassifier


class Activations:
    """The statistics of one product's inputs, over all tokens of all samples.

    >>> seen = Activations()
    >>> seen.add(torch.tensor([[1.0, 0.0], [3.0, -1.0]]))
    >>> seen.lowest.tolist(), seen.highest.tolist(), seen.mean.tolist()
    ([1.0, -1.0], [3.0, 0.0], [2.0, -0.5])
    >>> seen.covariance.tolist()
    [[1.0, -0.5], [-0.5, 0.25]]
    """

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.lowest = torch.tensor(torch.inf)
        self.highest = torch.tensor(-torch.inf)
        self._tokens = 0
        self._origin = torch.zeros(())
        self._sum = torch.zeros(())
        self._products = torch.zeros(())

    def add(self, rows: torch.Tensor) -> None:
        """Take in the inputs of some tokens, of shape (tokens, channels)."""
        self.lowest = torch.minimum(self.lowest, rows.amin(0))
        self.highest = torch.maximum(self.highest, rows.amax(0))
        if not self._tokens:
            self._origin = rows.mean(0)
            self._sum = torch.zeros_like(self._origin, dtype=torch.float64)
            self._products = torch.outer(self._sum, self._sum)
        self._tokens += len(rows)
        # About a point among them, so that a channel far from 0 that hardly moves keeps its variance in
        # float32, whose products take half the time.
        moved = rows - self._origin
        self._sum += moved.sum(0)
        self._products += moved.T @ moved

    @property
    def mean(self) -> torch.Tensor:
        """The mean of each channel."""
        return self._origin + (self._sum / self._tokens).float()

    @property
    def covariance(self) -> torch.Tensor:
        """How channels rise and fall together, of shape (channels, channels)."""
        mean = self._sum / self._tokens
        return (self._products / self._tokens - torch.outer(mean, mean)).float()


def observe(
    model: Any, products: Sequence[torch.nn.Linear], samples: Sequence[EncodedPair]
) -> list[Activations]:
    """Return the statistics of what goes into each product while the samples are scored.

    Args:
        model: An encoder classifier of the BERT and RoBERTa family, in float32.
        products: Those of its products that are watched.
        samples: Pairs like those to be scored.
    """
    classifier = FirstTokenClassifier(model, eager=True).eval()
    takes_type_ids = model.config.type_vocab_size > 1
    with torch.inference_mode(), _watched(products) as seen:
        for sample in samples:
            arrays = padded([sample], pad_token_id=0)
            if not takes_type_ids:
                del arrays["token_type_ids"]
            classifier(**{name: torch.from_numpy(array) for name, array in arrays.items()})
    return seen


@contextmanager
def _watched(products: Sequence[torch.nn.Linear]) -> Iterator[list[Activations]]:
    seen = [Activations() for _ in products]

    def watch(product: torch.nn.Linear, activations: Activations) -> Any:
        def note(_module: Any, inputs: tuple[torch.Tensor]) -> None:
            activations.add(inputs[0].flatten(0, -2))

        return product.register_forward_pre_hook(note)

    watching = [watch(*pair) for pair in zip(products, seen, strict=True)]
    try:
        yield seen
    finally:
        for hook in watching:
            hook.remove()
