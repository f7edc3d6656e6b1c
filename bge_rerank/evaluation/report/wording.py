"""The words of all reports: headings, cells and sentences."""

from __future__ import annotations

from bge_rerank.evaluation.agreement import FIRST, WITHIN
from bge_rerank.evaluation.measuring import FIRST_TIMED, TIMED_EVERY
from bge_rerank.evaluation.result import Agreement, Change, Evaluation, Latency, ModelResult
from bge_rerank.evaluation.verdict import ENOUGH_QUERIES

HEADINGS = ("", "before", "after", "difference", "95 % interval", "p")
COUNT_HEADINGS = ("won", "lost", "same", "p50 ms", "p95 ms")
DEPTH_HEADINGS = ("depth", "after", "difference", "95 % interval", "p50 ms", "p95 ms", "advice")
NOT_GIVEN = "-"
SHOWN_CHARACTERS = 160
"""How much of a text a report shows."""


def cells(change: Change) -> tuple[str, ...]:
    """Return a change's row under `HEADINGS`.

    >>> cells(Change("nDCG@10", 0.5, 0.6, 0.1, 0.05, 0.15, 0.0001))
    ('nDCG@10', '0.500', '0.600', '+0.100', '+0.050 to +0.150', '<0.001')
    """
    p_value = "<0.001" if change.p_value < 0.001 else f"{change.p_value:.3f}"  # noqa: PLR2004
    return (
        change.measure,
        f"{change.before:.3f}",
        f"{change.after:.3f}",
        f"{change.difference:+.3f}",
        f"{change.low:+.3f} to {change.high:+.3f}",
        p_value,
    )


def count_cells(model: ModelResult) -> tuple[str, ...]:
    """Return a model's row under `COUNT_HEADINGS`."""
    counts = (model.wins, model.losses, model.ties)
    return (*map(str, counts), *_latency_cells(model.latency))


def depth_rows(model: ModelResult) -> tuple[tuple[str, ...], ...]:
    """Return a row under `DEPTH_HEADINGS` for each depth, the interval of the difference; none for one.

    The last cell marks the depth recommended.
    """
    if len(model.depths) < 2:  # noqa: PLR2004 - there is nothing to compare
        return ()
    return tuple(
        (
            str(point.depth),
            f"{point.after:.3f}",
            f"{point.after - model.changes[0].before:+.3f}",
            f"{point.low:+.3f} to {point.high:+.3f}",
            *_latency_cells(point.latency),
            "recommended" if point.depth == model.recommended_depth else "",
        )
        for point in model.depths
    )


def depths_line(model: ModelResult) -> str:
    """Say what the rows of `depth_rows` are."""
    said = (
        "By depth: only so many of the first candidates reranked, the others behind as they came."
    )
    if not model.depths or model.depths[0].latency is None:
        return said
    timed = f"of the first {FIRST_TIMED} queries, and of one in {TIMED_EVERY} after them"
    return f"{said} Times below depth {model.depths[-1].depth} are {timed}."


def _latency_cells(latency: Latency | None) -> tuple[str, str]:
    if latency is None:
        return NOT_GIVEN, NOT_GIVEN
    return f"{latency.p50:.1f}", f"{latency.p95:.1f}"


def answer(evaluation: Evaluation) -> str:
    """Say in a line whether to rerank."""
    if evaluation.best:
        return f"Yes: rerank with {evaluation.best.name}{_at_depth(evaluation)}."
    if all(model.verdict.decision == "not enough data" for model in evaluation.models):
        return "Not enough data to say."
    return "No: do not rerank with what was measured."


def data_line(evaluation: Evaluation) -> str:
    """Say what was measured on."""
    return (
        f"Queries: {evaluation.queries:,}. Reranked of each: the first {evaluation.depth} passages. "
        f"Relevant passages among those: {evaluation.found:,} of {evaluation.relevant:,}."
    )


def counts_line(model: ModelResult, k: int) -> str:
    """Say how many queries gained and lost, and how long one took, where that can be said."""
    counted = f"Queries by nDCG@{k}: won {model.wins}, lost {model.losses}, same {model.ties}"
    if model.latency is None:
        return f"{counted}."
    took = f"{model.latency.p50:.1f} ms in the median, {model.latency.p95:.1f} ms at the 95th percentile"
    return f"{counted}. Reranking a query took {took}."


def agreement_line(agreement: Agreement) -> str:
    """Say how far a reranker agrees with the first stage, or what it takes to say so.

    >>> agreement_line(Agreement(share=0.8, rank_correlation=0.25))
    "Agreement: the first stage has 80.0% of the reranker's first 10 passages among its first 50; rank correlation +0.25."
    """
    return f"Agreement: {_share(agreement)}; {_correlation(agreement)}."


def _share(agreement: Agreement) -> str:
    if agreement.share is None:
        return (
            f"whether the first stage has the reranker's first {FIRST} passages among its first "
            f"{WITHIN} is told at a depth above {WITHIN}, such as {2 * WITHIN}, by {ENOUGH_QUERIES} "
            "queries or more with so many candidates"
        )
    return (
        f"the first stage has {agreement.share:.1%} of the reranker's first {FIRST} passages among "
        f"its first {WITHIN}"
    )


def _correlation(agreement: Agreement) -> str:
    if agreement.rank_correlation is None:
        return f"no rank correlation, as fewer than {ENOUGH_QUERIES} queries kept two passages"
    return f"rank correlation {agreement.rank_correlation:+.2f}"


def verdict_line(model: ModelResult) -> str:
    """Return the verdict with its reasons."""
    return f"{model.verdict.decision}: {'; '.join(model.verdict.reasons)}."


def gain_line(model: ModelResult, k: int) -> str:
    """Say how many queries gained and lost, and the most of each."""
    won, lost = f"{model.wins} won", f"{model.losses} lost"
    if model.wins:
        won += f", the most {max(model.differences):+.3f}"
    if model.losses:
        lost += f", the most {min(model.differences):+.3f}"
    return f"Queries by nDCG@{k}: {won}; {lost}; {model.ties} kept theirs."


def shortened(text: str) -> str:
    r"""Return the beginning of a text on one line.

    >>> shortened("a\nb")
    'a b'
    """
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 1]}…"


def _at_depth(evaluation: Evaluation) -> str:
    depth = evaluation.best and evaluation.best.recommended_depth
    return "" if depth in (None, evaluation.depth) else f" at depth {depth}"
