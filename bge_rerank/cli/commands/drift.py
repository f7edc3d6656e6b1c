"""`bge-rerank drift REFERENCE`: check that a model still gives the scores of a reference."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from bge_rerank.calibration.drift import (
    Drift,
    Reference,
    default_tolerance,
    make_reference,
    measure_drift,
)
from bge_rerank.cli.commands.flags import add_flags, scorer_of
from bge_rerank.data.pairs import read_pairs
from bge_rerank.display.shown_text import for_terminal
from bge_rerank.errors import ConfigurationError, DriftError
from bge_rerank.models.config import DEFAULT_MODEL, ModelOptions
from bge_rerank.models.manifest import MAIN
from bge_rerank.scoring.identity import ScoredBy, differences


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("reference", metavar="REFERENCE", type=Path, help="The JSON file with pairs and logits.")
    add(
        "--write",
        metavar="DATA",
        type=Path,
        help="Write REFERENCE from the pairs of this JSONL file instead of checking it. Each line has 'query' "
        "and 'passage', or 'query' and 'candidates'. Labels are ignored.",
    )
    add(
        "--tolerance",
        type=float,
        metavar="LOGIT",
        help="With --write: how far a logit may move. The default is 0.001 in float32, and 0.25 in other "
        "precisions.",
    )
    add(
        "--changed-first",
        type=float,
        metavar="SHARE",
        help="With --write: the share of queries (0 to 1) that may get another first passage "
        "(default: 0.02)",
    )
    add_flags(parser, ModelOptions, model_name=None)
    parser.epilog = "Without --model, a check runs the model of the reference, with its revision and maximum length."


def run(arguments: argparse.Namespace) -> None:
    """Write a reference, or score its pairs again and print how far the scores moved.

    Raises:
        DriftError: The scores moved beyond the tolerances, or the reference cannot be read.
        RerankError: The data cannot be read, or the model could not be loaded.
    """
    if arguments.write:
        _write(arguments)
    elif arguments.tolerance is not None or arguments.changed_first is not None:
        raise ConfigurationError(
            "--tolerance and --changed-first belong to a new reference; give --write with them"
        )
    else:
        _check(arguments)


def _write(arguments: argparse.Namespace) -> None:
    arguments.model_name = arguments.model_name or DEFAULT_MODEL
    pairs = read_pairs(arguments.write)
    reference = make_reference(scorer_of(arguments), pairs)
    given = {"largest": arguments.tolerance, "changed_first": arguments.changed_first}
    tolerance = replace(
        default_tolerance(reference.scored_by),
        **{name: value for name, value in given.items() if value is not None},
    )
    try:
        replace(reference, tolerance=tolerance).save(arguments.reference)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {str(arguments.reference)!r} ({error.strerror}); choose another path"
        ) from error
    print(
        f"wrote {arguments.reference}: {len(reference.pairs)} pairs of {len(reference.queries)} queries, "
        f"tolerance {tolerance.largest:g} for a logit and {tolerance.changed_first:.1%} for changed first "
        "passages"
    )


def _check(arguments: argparse.Namespace) -> None:
    reference = Reference.load(arguments.reference)
    _as_it_was(arguments, reference.scored_by)
    drift = measure_drift(reference, scorer_of(arguments))
    _report(reference, drift)
    faults = drift.faults(reference.tolerance)
    if faults:
        raise DriftError(
            f"the scores moved: {' and '.join(faults)}; if you meant this change, check your thresholds "
            "and write a new reference with --write"
        )
    print("no drift: the scores are within the tolerances")


def _as_it_was(arguments: argparse.Namespace, made_by: ScoredBy) -> None:
    """Take the model of the reference, unless the arguments name another."""
    if arguments.model_name is None:
        arguments.model_name = made_by.model_name or DEFAULT_MODEL
        if arguments.revision is None and made_by.revision != MAIN:
            arguments.revision = made_by.revision
    if arguments.max_length is None:
        arguments.max_length = made_by.max_length


def _report(reference: Reference, drift: Drift) -> None:
    for name, (before, now) in differences(drift.expected, drift.actual).items():
        print(for_terminal(f"{name}: {before} in the reference, {now} now"))
    tolerance = reference.tolerance
    print(f"pairs: {len(reference.pairs)} of {len(reference.queries)} queries")
    print(f"largest difference of a logit: {drift.largest:.6f} (tolerated: {tolerance.largest:g})")
    print(f"mean difference of a logit: {drift.mean:.6f}")
    print(f"rank correlation: {drift.rank_correlation:.6f}")
    print(
        f"changed first passages: {drift.changed_first:.1%} "
        f"(tolerated: {tolerance.changed_first:.1%})"
    )
