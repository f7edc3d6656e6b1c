"""What an adapter does besides ranking: `AdapterOptions`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from bge_rerank.models.options import Check, Checked, option, options
from bge_rerank.ranking.result import Ranking
from bge_rerank.types import Scorer


@options
class AdapterOptions(Checked):
    """From documents or nodes to texts, and back."""

    rank_fields: Sequence[str] = option(
        default=(),
        doc="Metadata to put in front of the text that is scored, in this order; absent fields are left out.",
    )
    scorer: Scorer | None = option(
        default=None,
        doc="A ready scorer in place of a named model: load_scorer(...), which takes more options, or any object with score(pairs).",
        check=Check(
            lambda given: isinstance(given, Scorer),
            ", which has no score(pairs) method; give a scorer, or None",
        ),
        as_is=True,
    )
    min_retrieval_score: float | None = option(
        default=None,
        doc="The lowest first-stage score to rerank and keep, inclusive and on the retriever's own scale. Higher must be better, so a distance cannot be used, and every candidate must have a score. If all are lower, nothing is kept and no model is asked.",
        check=Check(
            math.isfinite, "; give a finite number on the retriever's scale, or None to rerank all"
        ),
    )
    on_error: Literal["raise", "passthrough"] = option(
        default="raise",
        doc="What happens if scoring fails: 'raise', or 'passthrough', which keeps the first top_n in the order they came in, without thresholds, with rerank_error in place of rerank_score.",
    )
    on_ranking: Callable[[Ranking], object] | None = option(
        default=None,
        doc="Called with each request's Ranking before its documents or nodes are made. Its errors are raised. It is not called if on_error passed a failure through.",
        check=Check(
            callable, ", which cannot be called; give a function that takes a Ranking, or None"
        ),
        hidden=True,
        as_is=True,
    )
