"""`Ranking`: the texts kept, best first, with the query and the texts that they came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bge_rerank.ranking.tiers import Tier
from bge_rerank.types import Ranked

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table


class Ranking(list[Ranked]):
    """A list of `Ranked`, best first, that shows itself: in a notebook, or by `rich.print`.

    Attributes:
        query: What it was ranked by.
        texts: All texts that came in, in their order.
        unscored: The places of texts that a latency budget left out, in their order.
        tiers: The steps that led to it, in order: a retriever where the ranking came through one of
            the adapters' `BGERerankerRetriever`, the prefilter where there is one, the reranker. Where
            `rerank_many` took several requests, they share its passes, and `seconds` are those of
            all of them together, the same in each ranking.

    >>> ranking = Ranking([Ranked(1, 0.9, 2.2)], "tides", ["Bread rises.", "The Moon does it."])
    >>> [ranking.texts[ranked.index] for ranked in ranking]
    ['The Moon does it.']
    """

    def __init__(
        self,
        ranked: Iterable[Ranked],
        query: str,
        texts: Sequence[str],
        unscored: Sequence[int] = (),
        tiers: Sequence[Tier] = (),
    ) -> None:
        """Put a ranking together with what was ranked."""
        super().__init__(ranked)
        self.query = query
        self.texts = texts
        self.unscored = unscored
        self.tiers = tuple(tiers)

    def after(self, tier: Tier) -> Ranking:
        """Return the same ranking with a tier ahead of its own.

        >>> [str(tier) for tier in Ranking([], "q", []).after(Tier("retriever", None, 0, 0.02)).tiers]
        ['retriever found 0 in 20 ms']
        """
        return Ranking(self, self.query, self.texts, self.unscored, (tier, *self.tiers))

    def bump_chart(self) -> Figure:
        """Draw how the texts moved: on the left as they came, on the right as they were ranked.

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
