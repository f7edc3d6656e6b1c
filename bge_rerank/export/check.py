"""Compare an export with its model. Every export must pass this check before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bge_rerank.errors import ExportError
from bge_rerank.models.manifest import Precision
from bge_rerank.types import Pair, Scorer


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far an export's logits differ from its model's.

    Attributes:
        difference: The root mean square difference from the model in torch float32, divided by `spread`.
        batch: The largest difference between a pair in a padded batch and the same pair alone, divided
            by `spread`.
        spread: The standard deviation of the model's logits over the pairs.

    >>> print(Agreement(difference=0.02, batch=0.01, spread=3.0))
    logits differ from torch float32 by 0.06 (root mean square; 2 % of their standard deviation), and a logit changes by up to 0.03 (1 %) with the other pairs of its batch
    """

    difference: float
    batch: float
    spread: float

    def __str__(self) -> str:
        """Return the differences in words."""
        return (
            f"logits differ from torch float32 by {self.difference * self.spread:.2g} (root mean square; "
            f"{100 * self.difference:.2g} % of their standard deviation), and a logit changes by up to "
            f"{self.batch * self.spread:.2g} ({100 * self.batch:.2g} %) with the other pairs of its batch"
        )


BOUNDS: dict[Precision, float] = {"fp32": 1e-4, "bf16": 0.05, "int8": 0.15}
"""The maximum of `difference` and of `batch`. A difference of 0.15 is a correlation of 0.99."""


def check_export(
    exported: Scorer, expected: Sequence[float], pairs: Sequence[Pair], precision: Precision
) -> Agreement:
    """Compare an export with its model in padded batches, and with itself one pair at a time.

    Args:
        exported: The export, in a backend whose batches have rows of different lengths.
        expected: The logits of the model in torch float32.
        pairs: Their pairs, of several lengths.
        precision: The export's precision, which sets the bound.

    Raises:
        ExportError: The export differs by more than its precision can explain.
    """
    together = np.array(exported.score(pairs))
    alone = np.array([exported.score([pair])[0] for pair in pairs])
    spread = float(np.std(expected)) or 1.0
    agreement = Agreement(
        difference=float(np.sqrt(np.mean((together - np.array(expected)) ** 2))) / spread,
        batch=float(np.abs(together - alone).max()) / spread,
        spread=spread,
    )
    bound = BOUNDS[precision]
    # `not <=` instead of `>`, so that NaN fails.
    if not (agreement.difference <= bound and agreement.batch <= bound):
        raise ExportError(
            f"the {precision} export differs too much from its model: {agreement}; the limit is "
            f"{100 * bound:g} %. Nothing was written. Use another precision, or give samples like your own pairs"
        )
    return agreement
