"""`bge-rerank calibrate DATA`: fit probabilities and thresholds to labelled pairs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from bge_rerank.calibration.calibration import Calibration
from bge_rerank.calibration.fit import Calibrated, calibrate
from bge_rerank.calibration.reliability import Reliability, draw_reliability
from bge_rerank.cli.commands.flags import add_flags, scorer_of
from bge_rerank.cli.commands.pair_progress import pair_progress
from bge_rerank.data.pairs import read_labelled_pairs
from bge_rerank.display.shown_text import for_terminal
from bge_rerank.errors import CalibrationError, ConfigurationError
from bge_rerank.logits import sigmoid
from bge_rerank.models.config import ModelOptions

METHODS = ("auto", "isotonic", "platt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        "data",
        metavar="DATA",
        type=Path,
        help="A JSONL file. Each line has 'query', 'passage' and 'label' (0 or 1), or 'query', "
        "'candidates' and 'relevant'.",
    )
    add_flags(parser, ModelOptions)
    add(
        "--output",
        type=Path,
        default=Path("calibration.json"),
        metavar="FILE",
        help="The file to write. The plot is written next to it (default: %(default)s)",
    )
    add(
        "--plot",
        choices=["png", "svg", "none"],
        default="png",
        help="The format of the plot of probabilities, or 'none' (default: %(default)s)",
    )
    add(
        "--method",
        choices=METHODS,
        default="auto",
        help="How to turn logits into probabilities. 'auto' takes the method with the lower "
        "cross-validated log loss (default: %(default)s)",
    )
    add(
        "--confidence",
        type=float,
        default=0.95,
        metavar="P",
        help="The one-sided confidence with which each threshold holds (default: %(default)s)",
    )
    for what, of in (
        ("precision", "relevant among the kept"),
        ("recall", "kept among the relevant"),
    ):
        add(
            f"--min-{what}",
            type=float,
            nargs="+",
            default=[0.9],
            metavar="P",
            help=f"Print thresholds for this {what}: the share {of} (default: 0.9)",
        )


def run(arguments: argparse.Namespace) -> None:
    """Score the pairs, fit, write the file and the plot, and print errors and thresholds.

    Raises:
        RerankError: The data or a setting cannot work, or the model could not be loaded.
    """
    _check_output(arguments.output, arguments.plot)
    pairs = read_labelled_pairs(arguments.data)
    with pair_progress(len(pairs)) as scored:
        calibrated = calibrate(
            scorer_of(arguments),
            pairs,
            method=arguments.method,
            confidence=arguments.confidence,
            progress=scored,
        )
    try:
        _write(calibrated, arguments.output, arguments.plot)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {str(arguments.output)!r} ({error.strerror}); choose another --output"
        ) from error
    _report(calibrated, arguments)


def _check_output(output: Path, plot: str) -> None:
    """Refuse an output that cannot be written, before the work of scoring."""
    folder = output.absolute().parent
    if not folder.is_dir():
        raise ConfigurationError(
            f"the folder {str(folder)!r} of --output does not exist; make it first"
        )
    if output.suffix == f".{plot}":
        raise ConfigurationError(
            f"--output is {str(output)!r}, which is also the name of the plot; choose a name that ends in .json"
        )


def _write(calibrated: Calibrated, output: Path, plot: str) -> None:
    calibrated.calibration.save(output)
    if plot == "none":
        return
    measured = {
        "before": calibrated.before,
        calibrated.method: calibrated.after[calibrated.method],
    }
    title = f"{calibrated.calibration.made_for.model_name}: {calibrated.calibration.pairs} pairs"
    draw_reliability(title, measured, output.with_suffix(f".{plot}"))


def _report(calibrated: Calibrated, arguments: argparse.Namespace) -> None:
    calibration, after = calibrated.calibration, calibrated.after
    made_for = calibration.made_for
    print(
        f"wrote {arguments.output}: {calibrated.method}, from {calibration.pairs} pairs of "
        f"{calibration.queries} queries; {calibration.relevant} pairs are relevant"
    )
    made_by = f"{made_for.model_name}, revision {made_for.revision}, {made_for.precision}"
    print(for_terminal(f"for {made_by}, max_length {made_for.max_length}"))
    losses = ", ".join(f"{method} {after[method].log_loss:.4f}" for method in after)
    print(f"log loss: before {calibrated.before.log_loss:.4f}, {losses} (cross-validated)")
    chosen = after[calibrated.method]
    print(
        f"expected calibration error: before {calibrated.before.calibration_error:.4f}, "
        f"after {chosen.calibration_error:.4f}"
    )
    _table("before", calibrated.before)
    _table("after", chosen)
    print(f"thresholds, each with {calibration.confidence:.0%} confidence:")
    held = [
        _threshold(f"precision {wanted}", calibration.precision_logit, wanted)
        for wanted in arguments.min_precision
    ]
    for wanted in arguments.min_recall:
        _threshold(f"recall {wanted}", calibration.recall_logit, wanted)
    print("thresholds by the precision seen on these pairs (precision_by='estimate'):")
    for wanted in arguments.min_precision:
        _estimate(calibration, wanted)
    if not any(held):
        print(
            "no threshold holds a precision of --min-precision with this confidence: "
            "label more pairs, or ask for less"
        )


def _table(name: str, measured: Reliability) -> None:
    print(f"{name}: probability, pairs, mean probability, share of relevant pairs")
    for each in measured.bins:
        print(
            f"  {each.lower:.1f} to {each.upper:.1f} {each.pairs:7d} "
            f"{each.probability:8.3f} {each.share:8.3f}"
        )


def _threshold(name: str, find: Callable[[float], float], wanted: float) -> bool:
    """Print a threshold, or why there is not one, and say whether it was found."""
    try:
        print(f"  {name}: {_scales(find(wanted))}")
    except CalibrationError as error:
        print(f"  {name}: none ({error})")
        return False
    return True


def _estimate(calibration: Calibration, wanted: float) -> None:
    try:
        found = calibration.precision_estimate(wanted)
    except CalibrationError as error:
        print(f"  precision {wanted}: none ({error})")
        return
    print(
        f"  precision {wanted}: {_scales(found.logit)}; {found.precision:.3f} seen, "
        f"not below {found.bound:.3f} with {calibration.confidence:.0%} confidence"
    )


def _scales(logit: float) -> str:
    """Return a threshold on both scales on which passages are kept.

    The probability is that of the weakest passage kept, often far below the precision of all of them.
    """
    return f"logit {logit:.4f}, rerank_score {sigmoid(logit):.4f}"
