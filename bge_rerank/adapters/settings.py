"""`RerankerSettings`: the options that both framework adapters share, as a pydantic model."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import or_
from os import PathLike, fspath
from typing import TYPE_CHECKING, Annotated, Any, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    SkipValidation,
    create_model,
    field_validator,
)

from bge_rerank.adapters.metadata import Unscored, first_stage_order
from bge_rerank.adapters.options import AdapterOptions
from bge_rerank.adapters.retrieval_guard import among_all, places_from
from bge_rerank.errors import ScoringError
from bge_rerank.models.config import ModelOptions, Secret
from bge_rerank.models.options import Option, declared
from bge_rerank.ranking.options import RankOptions
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.ranking.result import Ranking
from bge_rerank.ranking.tiers import Tier
from bge_rerank.types import Ranked

FIRST = ("model_name", "backend", "device", "top_n", "score_threshold")
"""The options that most users set; help and signatures show them first."""

_OPTIONS = declared(ModelOptions, RankOptions, AdapterOptions)


def _field(option: Option) -> Any:
    """Return an option as pydantic takes it: a type, and default and description."""
    type_ = Annotated[option.type, SkipValidation] if option.as_is else _stored(option.type)
    return type_, Field(
        default=option.default,
        description=option.doc,
        exclude=option.hidden or None,
        repr=not option.hidden,
    )


def _stored(type_: Any) -> Any:
    """Return the type in which a value is kept: sequences as tuples, secrets as pydantic's."""
    if get_origin(type_) in (Union, types.UnionType):
        return reduce(or_, map(_stored, get_args(type_)))
    if get_origin(type_) is Sequence:
        return types.GenericAlias(tuple, (get_args(type_)[0], ...))
    return SecretStr if type_ is Secret else type_


if TYPE_CHECKING:  # what the model made below is to type checkers and editors

    class _OptionFields(BaseModel, AdapterOptions, RankOptions, ModelOptions): ...

else:
    _OptionFields = create_model(
        "_OptionFields",
        __config__=ConfigDict(
            extra="forbid", protected_namespaces=(), arbitrary_types_allowed=True
        ),
        **{
            option.name: _field(option)
            for option in sorted(_OPTIONS, key=lambda option: option.name not in FIRST)
        },
    )


class RerankerSettings(_OptionFields):
    """A model, how to rank with it, and what to do with what comes in. Building one loads nothing.

    Raises:
        ConfigurationError: A value cannot work, such as `top_n=0` or an unknown backend.

    >>> RerankerSettings(top_n=0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: top_n is 0; give a whole number from 1 on, or None for all
    """

    @field_validator("calibration", mode="before")
    @classmethod
    def _path_as_text(cls, calibration: Any) -> Any:
        return fspath(calibration) if isinstance(calibration, PathLike) else calibration

    @field_validator("api_key", mode="before")
    @classmethod
    def _key_as_secret(cls, api_key: Any) -> Any:
        return SecretStr(api_key) if isinstance(api_key, str) else api_key

    def model_post_init(self, context: Any, /) -> None:
        """Check what pydantic's types cannot."""
        super().model_post_init(context)
        self._check_own_options()
        self.reranker()

    def reranker(self) -> Reranker:
        """Return the reranker of these settings, which is the same one until a field changes."""
        scorer = self.scorer
        of_model = self._values(ModelOptions) if scorer is None else {"model_name": scorer}
        wanted = {**self._values(RankOptions), **of_model}
        # Beside the fields and not among them: a copy with other values must not take it over.
        built = self.__dict__.get("_built")
        if built is None or built[0] != wanted:
            built = self.__dict__["_built"] = wanted, Reranker(**wanted)
        reranker: Reranker = built[1]
        return reranker

    def _values(self, declaring: type) -> dict[str, Any]:
        """Return options by name; a list is copied, so that a change in place is seen later."""
        values = {option.name: getattr(self, option.name) for option in declared(declaring)}
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }

    def _check_own_options(self) -> None:
        for option in declared(AdapterOptions):
            option.refuse(getattr(self, option.name))

    def rank(
        self, query: str, passages: Sequence[str], places: Sequence[int] | None = None
    ) -> Sequence[Ranked | Unscored]:
        """Rank passages as `Reranker.rerank` does, or do what `on_error` says where scoring fails.

        Args:
            query: What they are ranked by.
            passages: All that came, in first-stage order; an index is a place among them.
            places: Where those stand that are ranked; `None` ranks all.

        Raises:
            ScoringError: Scoring failed, and `on_error` is `"raise"`.
        """
        among = range(len(passages)) if places is None else places
        try:
            ranking = self.reranker().rerank(query, [passages[place] for place in among])
        except ScoringError as error:
            return self._passed_through(among, error)
        return self._shown(ranking if places is None else among_all(ranking, passages, places))

    async def arank(
        self, query: str, passages: Sequence[str], places: Sequence[int] | None = None
    ) -> Sequence[Ranked | Unscored]:
        """Rank as `rank` does, without blocking the event loop."""
        among = range(len(passages)) if places is None else places
        try:
            ranking = await self.reranker().arerank(query, [passages[place] for place in among])
        except ScoringError as error:
            return self._passed_through(among, error)
        return self._shown(ranking if places is None else among_all(ranking, passages, places))

    def after(self, tier: Tier) -> Self:
        """Return these settings for one request, whose `on_ranking` sees a tier ahead of its own."""
        if self.on_ranking is None:
            return self
        return self.model_copy(update={"on_ranking": partial(_shown_after, self.on_ranking, tier)})

    def _shown(self, ranking: Ranking) -> Sequence[Ranked | Unscored]:
        if self.on_ranking is not None:
            self.on_ranking(ranking)
        return self._with_unscored(ranking)

    def _with_unscored(self, ranking: Ranking) -> Sequence[Ranked | Unscored]:
        """Return a ranking, and behind it what the budget left out, unless a limit leaves it out too."""
        limits = (self.top_n, self.score_threshold, self.min_precision)
        if any(limit is not None for limit in limits):
            return ranking
        reason = f"not scored within latency_budget_ms={self.latency_budget_ms}"
        return [*ranking, *(Unscored(place, reason) for place in ranking.unscored)]

    def _passed_through(self, places: Sequence[int], error: ScoringError) -> list[Unscored]:
        if self.on_error == "raise":
            raise error
        return first_stage_order(places, self.top_n, error)

    def _well_retrieved(self, scores: Sequence[object], where: str) -> list[int] | None:
        """Return the places of what `min_retrieval_score` leaves; `None` where there is no minimum."""
        self._check_own_options()  # a field may have been set since
        if self.min_retrieval_score is None:
            return None
        return places_from(self.min_retrieval_score, scores, where)

    def passage(self, text: str, metadata: Mapping[str, Any]) -> str:
        r"""Return what is scored for a text: its `rank_fields`, a line each, then the text.

        >>> settings = RerankerSettings(rank_fields=["title", "year"])
        >>> settings.passage("The Moon does it.", {"title": "Tides"})
        'Tides\nThe Moon does it.'
        """
        values = (metadata.get(field) for field in self.rank_fields)
        return "\n".join([*(str(value) for value in values if value not in (None, "")), text])


def _shown_after(on_ranking: Callable[[Ranking], object], tier: Tier, ranking: Ranking) -> None:
    on_ranking(ranking.after(tier))
