"""The options of a ranking, `RankOptions`, and all options of a `Reranker`, `RerankerOptions`."""

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
    """Which candidates are scored, how they are ordered, and which are kept."""

    top_n: int | None = option(
        default=3,
        doc="The number of texts to keep, 1 or more. None keeps all that were scored.",
        check=whole_from(1, ", or None to keep all texts"),
        decides=True,
        drops=True,
    )
    score_threshold: float | None = option(
        default=None,
        doc="The lowest rerank_score (0 to 1, inclusive) to keep. It applies before top_n.",
        check=share("; pass a rerank_score from 0 to 1, or None for no threshold"),
        flag="--threshold",
        decides=True,
        drops=True,
    )
    calibration: Calibration | str | PathLike[str] | None = option(
        default=None,
        doc="Adds a calibrated probability to each text. It is a Calibration, or the path of a file that `bge-rerank calibrate` wrote for this model.",
        check=Check(
            lambda given: isinstance(given, Calibration | str | PathLike),
            "; pass a Calibration, the path of its file, or None",
        ),
    )
    min_precision: float | None = option(
        default=None,
        doc="The precision (0 to 1) that the texts kept should have. The calibration chooses the threshold for it. It applies before top_n and together with score_threshold.",
        check=share("; pass a precision from 0 to 1, or None for no threshold"),
        drops=True,
    )
    precision_by: PrecisionBy = option(
        default="bound",
        doc="How the threshold for min_precision is chosen. 'bound': new queries reach that precision with the calibration's confidence. 'estimate': the calibration data reached it, without a guarantee for new queries. Use 'estimate' if there are too few labels for 'bound'.",
    )
    prefilter: Scorer | str | None = option(
        default=None,
        doc="A cheaper scorer that chooses the texts for the reranker: 'bm25', 'bge-m3' (the lexical weights of that embedder), the name of a model, or an object with score(pairs).",
        check=Check(
            lambda given: isinstance(given, str | Scorer),
            ", which has no score(pairs) method; pass 'bm25', 'bge-m3', the name of a model, a scorer, "
            "or None",
        ),
        as_is=True,
        drops=True,
    )
    keep: int = option(
        default=100,
        doc="The number of texts that the prefilter keeps of each request. A request with no more texts skips the prefilter.",
        check=whole_from(1),
    )
    long_documents: LongDocuments = option(
        default="truncate",
        doc="How to score a text that is too long for the model. 'truncate' cuts off its end. 'window' scores overlapping windows of it and takes the best score.",
        decides=True,
    )
    window_tokens: int = option(
        default=3_000,
        doc="The largest number of tokens of a window and the query together. The model's longest pair limits it too.",
        check=whole_from(SHORTEST_WINDOW),
        decides=True,
    )
    latency_budget_ms: float | None = option(
        default=None,
        doc="The time for one request, in milliseconds. Scores as many leading candidates as recent timings suggest fit into it, and never fewer than top_n. Without timings yet, it scores ten.",
        check=above_zero("milliseconds", ", or None for no budget"),
        decides=True,
        drops=True,
    )
    rrf_k: int | None = option(
        default=None,
        doc="The constant of reciprocal rank fusion. Fusion combines the ranks of each text in the first stage and in the reranker's order. 60 is usual. A higher constant makes the first ranks stand out less. None orders by the reranker alone. Thresholds still apply to rerank_score.",
        check=whole_from(1, ", or None for no fusion"),
        decides=True,
    )

    def __post_init__(self) -> None:
        """Check each option, and that the options can work together."""
        super().__post_init__()
        if self.prefilter is not None and self.top_n is not None and self.top_n > self.keep:
            raise ConfigurationError(
                f"top_n is {self.top_n}, but the prefilter keeps only {self.keep} texts; "
                f"pass keep={self.top_n} or more"
            )


@options
class RerankerOptions(RankOptions, ModelOptions):
    """The options of a `Reranker`. A ready scorer can replace the model name."""

    model_name: str | Scorer = again(default=ModelOptions.model_name, kw_only=False)  # type: ignore[assignment]
    top_n: int | None = again(default=RankOptions.top_n, kw_only=False)
    score_threshold: float | None = again(default=RankOptions.score_threshold, kw_only=False)
