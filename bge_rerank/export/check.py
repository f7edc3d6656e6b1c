"""Is an exported graph the model it was made of? Asked of every export before it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bge_rerank.errors import ExportError
from bge_rerank.models.manifest import Precision
from bge_rerank.types import Pair, Scorer


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far an export differs from its model, or may differ.

    Both are shares of the spread: the standard deviation of the model's logits over the pairs.

    Attributes:
        difference: The root mean square difference from the model in torch, float32.
        batch: The largest difference between a pair in a padded batch and the same pair alone.
    """

    difference: float
    batch: float


BOUNDS: dict[Precision, Agreement] = {
    "fp32": Agreement(difference=1e-4, batch=1e-4),
    "bf16": Agreement(difference=0.05, batch=0.05),
    "int8": Agreement(difference=0.15, batch=0.15),
}
"""A root mean square difference of 0.15 spreads is a correlation of 0.99."""


def check_export(
    exported: Scorer, model: Scorer, pairs: Sequence[Pair], precision: Precision
) -> Agreement:
    """Compare an export with its model on padded batches of several lengths, and with itself alone.

    Args:
        exported: The export, in a backend whose batches hold rows of unequal length.
        model: The model in torch, float32.
        pairs: Pairs of several lengths.
        precision: The export's precision, which sets the bounds.

    Raises:
        ExportError: It differs by more than its precision explains.
    """
    expected = np.array(model.score(pairs))
    together = np.array(exported.score(pairs))
    alone = np.array([exported.score([pair])[0] for pair in pairs])
    spread = float(expected.std()) or 1.0
    agreement = Agreement(
        difference=float(np.sqrt(np.mean((together - expected) ** 2))) / spread,
        batch=float(np.abs(together - alone).max()) / spread,
    )
    bounds = BOUNDS[precision]
    # Not "greater than": NaN must fail.
    if not (agreement.difference <= bounds.difference and agreement.batch <= bounds.batch):
        raise ExportError(
            f"the {precision} export is not its model: it differs by {agreement.difference:.2g} of the "
            f"logits' spread (at most {bounds.difference}) and by {agreement.batch:.2g} with the batch "
            f"(at most {bounds.batch}); nothing was written: use another precision, or calibrate with "
            "pairs of your own"
        )
    return agreement
