"""Calibrated probabilities, thresholds for a wanted precision, and drift of scores.

May import `scoring`, `export` and every room below them.
Start reading in `calibration.py`.
"""

from bge_rerank.calibration.calibration import Calibration, Estimate, Step
from bge_rerank.calibration.drift import (
    Drift,
    Reference,
    Tolerance,
    make_reference,
    measure_drift,
)
from bge_rerank.calibration.fit import Calibrated, calibrate
from bge_rerank.calibration.reliability import Reliability, draw_reliability
from bge_rerank.data.pairs import LabelledPair, read_labelled_pairs

__all__ = [
    "Calibrated",
    "Calibration",
    "Drift",
    "Estimate",
    "LabelledPair",
    "Reference",
    "Reliability",
    "Step",
    "Tolerance",
    "calibrate",
    "draw_reliability",
    "make_reference",
    "measure_drift",
    "read_labelled_pairs",
]
