"""The reliability plot: shares over probabilities, and how many pairs there are of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from bge_rerank.calibration.reliability import BINS, Reliability


def draw_reliability(title: str, measured: Mapping[str, Reliability], path: Path) -> None:
    """Draw measurements by name, a line each, into a file; its ending says of which format (png, svg).

    Raises:
        OSError: The file cannot be written.
    """
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
