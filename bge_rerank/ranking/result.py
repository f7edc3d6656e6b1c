"""`Ranking`: the texts kept, best first, with the query and all texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bge_rerank.ranking.tiers import Tier
from bge_rerank.types import Ranked

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table


class Ranking(list[Ranked]):
    """A list of `Ranked`, best first, with the query and all texts.

    `Reranker.rerank` returns it. A notebook shows it as a table; so does `rich.print(ranking)` in a
    terminal. `bump_chart()` draws it.

    Attributes:
        query: The query.
        texts: All texts of the request, in input order. `Ranked.index` is a position in it.
        unscored: The positions of the texts that `latency_budget_ms` left unscored, ascending.
        tiers: One `Tier` per step, in order: the retriever (only behind a `BGERerankerRetriever`),
            the prefilter (if there is one), the reranker. The requests of one `rerank_many` share its
            passes, so each of their rankings has the `seconds` of the whole call.

    >>> from bge_rerank import Reranker
    >>> texts = ["Bread rises on yeast.", "The Moon's gravity raises the tides."]
    >>> ranking = Reranker("mini", prefilter="bm25", keep=1, top_n=1).rerank("what causes tides", texts)
    >>> [ranking.texts[ranked.index] for ranked in ranking]
    ["The Moon's gravity raises the tides."]
    >>> [(tier.name, tier.received, tier.kept) for tier in ranking.tiers]
    [('bm25', 2, 1), ('mini', 1, 1)]
    """

    def __init__(
        self,
        ranked: Iterable[Ranked],
        query: str,
        texts: Sequence[str],
        unscored: Sequence[int] = (),
        tiers: Sequence[Tier] = (),
    ) -> None:
        """Put ranked texts together with their query and all texts."""
        super().__init__(ranked)
        self.query = query
        self.texts = texts
        self.unscored = unscored
        self.tiers = tuple(tiers)

    def after(self, tier: Tier) -> Ranking:
        """Return the same ranking with one more tier ahead of its own.

        >>> [str(tier) for tier in Ranking([], "q", []).after(Tier("retriever", None, 0, 0.02)).tiers]
        ['retriever found 0 in 20 ms']
        """
        return Ranking(self, self.query, self.texts, self.unscored, (tier, *self.tiers))

    def bump_chart(self) -> Figure:
        """Draw how reranking moved the texts: input order on the left, ranks on the right.

        Raises:
            MissingDependencyError: `matplotlib` is not installed.
        """
        from bge_rerank.display.bump_chart import bump_chart

        return bump_chart(self)

    def _repr_html_(self) -> str:
        from bge_rerank.display.html import ranking_html

        return ranking_html(self)

    def __rich__(self) -> Table:
        from bge_rerank.display.terminal import ranking_table

        return ranking_table(self)
