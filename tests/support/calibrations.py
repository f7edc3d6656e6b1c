"""A hand-made calibration, for tests of the code that applies calibrations."""

from bge_rerank.calibration.calibration import Calibration, Estimate, Step
from bge_rerank.calibration.mapping import Isotonic
from bge_rerank.scoring.identity import ScoredBy

MINI = ScoredBy("mini", "main", "float32", 512)


def calibration(made_for: ScoredBy = MINI) -> Calibration:
    """Return a calibration whose probability rises from 0.1 at logit -1 to 0.9 at logit 1.

    The threshold for a precision of 0.9 is the logit 0.5 by the lower bound, and 0.25 by the estimate.
    """
    return Calibration(
        made_for,
        Isotonic(((-1.0, 0.1), (1.0, 0.9))),
        confidence=0.95,
        precision_steps=(Step(2.0, 0.95), Step(0.5, 0.92), Step(0.0, 0.8)),
        precision_estimates=(
            Estimate(2.0, 0.99, 0.95),
            Estimate(0.25, 0.93, 0.89),
            Estimate(-0.5, 0.85, 0.8),
        ),
        recall_steps=(Step(-3.0, 0.99), Step(-1.0, 0.9)),
        queries=60,
        pairs=600,
        relevant=55,
    )
