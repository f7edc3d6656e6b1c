"""How far probabilities are from shares: the reliability table, its figures and its plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bge_rerank.extras import needs_extra

if TYPE_CHECKING:
    from bge_rerank.calibration.bounds import Bools, Floats

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs with a probability from `lower` to `upper` (0..1), where the next bin starts.

    Attributes:
        pairs: How many there are, from 1 on.
        probability: Their mean probability.
        share: The share (0..1) of relevant pairs.
    """

    lower: float
    upper: float
    pairs: int
    probability: float
    share: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well probabilities say what is relevant.

    Attributes:
        bins: The reliability table: bins of equal width that hold a pair, from 0 to 1.
        calibration_error: The expected calibration error (`calibration_error`), 0..1.
        log_loss: The mean of minus the natural logarithm of what the outcome was given, from 0 on.
    """

    bins: tuple[Bin, ...]
    calibration_error: float
    log_loss: float


def reliability(probabilities: Floats, relevant: Bools) -> Reliability:
    """Measure probabilities (0..1) against outcomes, pair by pair.

    >>> import numpy as np
    >>> measured = reliability(np.array([0.25, 0.25, 0.75, 0.75]), np.array([False, True, True, True]))
    >>> [(bin.pairs, bin.share) for bin in measured.bins], measured.calibration_error
    ([(2, 0.5), (2, 1.0)], 0.25)
    """
    from sklearn.metrics import log_loss

    bins = reliability_bins(probabilities, relevant)
    loss = float(log_loss(relevant, probabilities, labels=[False, True]))
    return Reliability(bins, calibration_error(bins), loss)


def reliability_bins(probabilities: Floats, relevant: Bools) -> tuple[Bin, ...]:
    """Put pairs into `BINS` bins of equal width by their probability, and leave out empty ones."""
    import numpy as np

    places = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(
            lower=int(place) / BINS,
            upper=(int(place) + 1) / BINS,
            pairs=int((places == place).sum()),
            probability=float(probabilities[places == place].mean()),
            share=float(relevant[places == place].mean()),
        )
        for place in np.unique(places)
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error, 0..1: by how much shares miss probabilities on average.

    Naeini, Cooper, Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning".

    >>> calibration_error([Bin(0.0, 0.5, 3, 0.25, 0.25), Bin(0.5, 1.0, 1, 0.75, 0.25)])
    0.125
    """
    pairs = sum(each.pairs for each in bins)
    return sum(each.pairs * abs(each.probability - each.share) for each in bins) / pairs


def draw_reliability(title: str, measured: Mapping[str, Reliability], path: Path) -> None:
    """Draw a reliability plot: shares over probabilities, and the number of pairs at each.

    Each name is a line. The file's ending chooses its format (png, svg).

    Raises:
        MissingDependencyError: `matplotlib` is not installed.
        OSError: The file cannot be written.
    """
    with needs_extra("calibrate", "the reliability plot"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 7), layout="constrained")
    figure.suptitle(title)
    shares, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    shares.plot([0, 1], [0, 1], color="gray", linestyle=":", label="as it should be")
    width = 1 / BINS / (len(measured) + 1)
    for place, (name, each) in enumerate(measured.items(), 1):
        shares.plot(
            [found.probability for found in each.bins],
            [found.share for found in each.bins],
            marker="o",
            label=f"{name}: expected calibration error {each.calibration_error:.3f}",
        )
        lefts = [found.lower + place * width for found in each.bins]
        counts.bar(lefts, [found.pairs for found in each.bins], width)
    shares.set(ylabel="share of relevant pairs", xlim=(0, 1), ylim=(0, 1))
    shares.legend(fontsize="small")
    counts.set(xlabel="probability", ylabel="pairs", yscale="log")
    figure.savefig(path, dpi=120)
