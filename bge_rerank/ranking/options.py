"""How texts are ranked: `RankOptions`; and all that a `Reranker` takes: `RerankerOptions`."""

from __future__ import annotations

from os import PathLike
from typing import Literal

from bge_rerank.calibration.calibration import Calibration, PrecisionBy
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.config import ModelOptions
from bge_rerank.models.options import (
    Check,
    Checked,
    above_zero,
    again,
    option,
    options,
    share,
    whole_from,
)
from bge_rerank.types import Scorer
from bge_rerank.windows import SHORTEST_WINDOW

LongDocuments = Literal["truncate", "window"]


@options
class RankOptions(Checked):
    """What is scored of the candidates, and what is kept."""

    top_n: int | None = option(
        default=3,
        doc="How many texts to keep, from 1 on. None keeps all that were scored.",
        check=whole_from(1, ", or None for all"),
        decides=True,
        drops=True,
    )
    score_threshold: float | None = option(
        default=None,
        doc="The lowest rerank_score (0 to 1, inclusive) to keep. It applies before top_n.",
        check=share(
            "; it is compared with rerank_score, so give a number from 0 to 1, or None for no threshold"
        ),
        flag="--threshold",
        decides=True,
        drops=True,
    )
    calibration: Calibration | str | PathLike[str] | None = option(
        default=None,
        doc="Gives each text a probability: a Calibration, or the file that `bge-rerank calibrate` wrote for this model.",
    )
    min_precision: float | None = option(
        default=None,
        doc="The precision (0 to 1) to keep by the calibration's threshold. It applies before top_n and beside score_threshold.",
        check=share("; give a number from 0 to 1, or None for no threshold"),
        drops=True,
    )
    precision_by: PrecisionBy = option(
        default="bound",
        doc="How the threshold for min_precision is chosen: 'bound' holds with the calibration's confidence, 'estimate' is where that precision was seen, for labels too few for a guarantee.",
    )
    prefilter: Scorer | str | None = option(
        default=None,
        doc="A cheaper scorer that sees the texts first: 'bm25', 'bge-m3' (the lexical weights of that embedder), the name of a model, or an object with score(pairs).",
        check=Check(
            lambda given: isinstance(given, str | Scorer),
            ", which has no score(pairs) method; give a scorer, 'bm25', 'bge-m3', the name of a model, "
            "or None",
        ),
        as_is=True,
        drops=True,
    )
    keep: int = option(
        default=100,
        doc="How many texts of a request the prefilter keeps. With fewer texts it is not asked.",
        check=whole_from(1),
    )
    long_documents: LongDocuments = option(
        default="truncate",
        doc="What happens to a text that does not fit beside the query: 'truncate' cuts its end off, 'window' scores it in overlapping windows and takes the score of the best one.",
        decides=True,
    )
    window_tokens: int = option(
        default=3_000,
        doc="The most tokens of a window and the query together, up to the model's longest pair.",
        check=whole_from(SHORTEST_WINDOW),
        decides=True,
    )
    latency_budget_ms: float | None = option(
        default=None,
        doc="Scores as many leading candidates as recent timings suggest fit into this many milliseconds, never fewer than top_n. Without timings yet, it scores ten.",
        check=above_zero("milliseconds", ", or None for no budget"),
        decides=True,
        drops=True,
    )
    rrf_k: int | None = option(
        default=None,
        doc="Orders by reciprocal rank fusion of the first stage's order and the reranker's, with this constant (60 is usual; a higher one makes the first ranks stand out less). None ranks by the reranker alone. Thresholds stay with rerank_score.",
        check=whole_from(1, ", or None for no fusion"),
        decides=True,
    )

    def __post_init__(self) -> None:
        """Check each option, and whether they can work together."""
        super().__post_init__()
        if self.prefilter is not None and self.top_n is not None and self.top_n > self.keep:
            raise ConfigurationError(
                f"top_n is {self.top_n}, and the prefilter leaves keep={self.keep}; "
                f"give a keep of {self.top_n} or more"
            )


@options
class RerankerOptions(RankOptions, ModelOptions):
    """All that a `Reranker` takes; a ready scorer can stand in the model's place."""

    model_name: str | Scorer = again(default=ModelOptions.model_name, kw_only=False)  # type: ignore[assignment]
    top_n: int | None = again(default=RankOptions.top_n, kw_only=False)
    score_threshold: float | None = again(default=RankOptions.score_threshold, kw_only=False)
