"""The options that only the adapters have: `AdapterOptions`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Literal

from bge_rerank.models.options import Check, Checked, option, options
from bge_rerank.ranking.result import Ranking
from bge_rerank.types import Scorer


@options
class AdapterOptions(Checked):
    """How documents or nodes become texts to score, and what happens if scoring fails."""

    rank_fields: Sequence[str] = option(
        default=(),
        doc="Metadata fields to score with the text: one line each, in this order, before the text. Each value is converted by str(). Fields that are absent, None or empty are left out.",
    )
    scorer: Scorer | None = option(
        default=None,
        doc="A ready scorer instead of a model name: the result of load_scorer, which takes more options, or an object with score(pairs).",
        check=Check(
            lambda given: isinstance(given, Scorer),
            ", which has no score(pairs) method; pass a scorer, or None",
        ),
        as_is=True,
    )
    min_retrieval_score: float | None = option(
        default=None,
        doc="The lowest first-stage score that a candidate may have, inclusive, on the retriever's own scale. Candidates below it are neither scored nor kept. Higher must mean better, so a distance does not work. Every candidate must have a score. If all candidates are below it, the result is empty and no model is loaded.",
        check=Check(
            lambda given: isinstance(given, Real) and math.isfinite(given),
            "; pass a finite number on the retriever's scale, or None to rerank all candidates",
        ),
    )
    on_error: Literal["raise", "passthrough"] = option(
        default="raise",
        doc="Whether scoring that fails raises its error ('raise') or leaves the candidates unscored ('passthrough'). 'passthrough' logs a warning, only once for each adapter, and returns the first top_n candidates in first-stage order, with rerank_error instead of rerank_score. score_threshold and min_precision do not apply to them. It covers every ScoringError: the model fails, a server does not answer, a score is not a finite number. Other errors are always raised: a model that cannot be loaded, a missing package, invalid input, and errors of another type from a scorer of your own.",
    )
    on_ranking: Callable[[Ranking], object] | None = option(
        default=None,
        doc="A function that receives the Ranking of each request before its documents or nodes are made. Its errors are raised. It is not called if scoring failed and on_error is 'passthrough'.",
        check=Check(
            callable, ", which is not a function; pass a function that takes a Ranking, or None"
        ),
        hidden=True,
        as_is=True,
    )
