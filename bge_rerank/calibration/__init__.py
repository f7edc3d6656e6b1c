"""From a logit to a probability and a threshold; and whether scores drift.

May import `scoring`, `export` and every room below them.
Start reading in `calibration.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bge_rerank.calibration.calibration import Calibration, Estimate, Step
from bge_rerank.extras import needs_extra

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
    "make_reference",
    "measure_drift",
    "read_labelled_pairs",
]

if TYPE_CHECKING:
    from bge_rerank.calibration.drift import (
        Drift,
        Reference,
        Tolerance,
        make_reference,
        measure_drift,
    )
    from bge_rerank.calibration.fit import Calibrated, calibrate
    from bge_rerank.calibration.reliability import Reliability
    from bge_rerank.data.pairs import LabelledPair, read_labelled_pairs
else:
    _ON_FIRST_USE = {
        "bge_rerank.calibration.drift": (
            *("Drift", "Reference", "Tolerance"),
            *("make_reference", "measure_drift"),
        ),
        "bge_rerank.calibration.fit": ("Calibrated", "calibrate"),
        "bge_rerank.calibration.reliability": ("Reliability",),
        "bge_rerank.data.pairs": ("LabelledPair", "read_labelled_pairs"),
    }

    def __getattr__(name: str) -> Any:
        """Import a name on first use: making a calibration needs more packages than applying one."""
        for module, names in _ON_FIRST_USE.items():
            if name in names:
                with needs_extra("calibrate", "calibrating"):
                    return getattr(import_module(module), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
