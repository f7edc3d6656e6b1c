"""Reliability: how well probabilities match the measured shares of relevant pairs."""

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
    """The pairs whose probability lies in one interval.

    Attributes:
        lower: The lower end of the interval, inclusive.
        upper: The upper end, exclusive; only the last bin, up to 1, includes it.
        pairs: The number of pairs, 1 or more.
        probability: Their mean probability, 0..1.
        share: The share of relevant pairs among them, 0..1.
    """

    lower: float
    upper: float
    pairs: int
    probability: float
    share: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well probabilities match outcomes.

    Attributes:
        bins: The reliability table: the bins that hold pairs, from probability 0 to 1.
        calibration_error: The expected calibration error, 0..1; lower is better.
        log_loss: The mean negative natural logarithm of the probability of the outcome, 0 or more;
            lower is better.
    """

    bins: tuple[Bin, ...]
    calibration_error: float
    log_loss: float


def reliability(probabilities: Floats, relevant: Bools) -> Reliability:
    """Measure probabilities (0..1) against the outcome of each pair.

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
    """Put pairs into `BINS` bins of equal width by their probability. Leave out empty bins."""
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
    """Return the expected calibration error, 0..1: the mean distance of share and probability.

    Naeini, Cooper, Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning".

    >>> calibration_error([Bin(0.0, 0.5, 3, 0.25, 0.25), Bin(0.5, 1.0, 1, 0.75, 0.25)])
    0.125
    """
    pairs = sum(each.pairs for each in bins)
    return sum(each.pairs * abs(each.probability - each.share) for each in bins) / pairs


def draw_reliability(title: str, measured: Mapping[str, Reliability], path: Path) -> None:
    """Draw a reliability plot: the share of relevant pairs over probability, and the number of pairs.

    Args:
        title: The title of the plot.
        measured: The reliability to draw as one line, by the name of the line.
        path: The file to write. Its ending chooses the format (png, svg).

    Raises:
        MissingDependencyError: `matplotlib` is not installed.
        OSError: The file cannot be written.
    """
    with needs_extra("calibrate", "the reliability plot"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 7), layout="constrained")
    figure.suptitle(title)
    shares, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    shares.plot([0, 1], [0, 1], color="gray", linestyle=":", label="perfectly calibrated")
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
