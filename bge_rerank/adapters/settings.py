"""`RerankerSettings`: the pydantic model that both adapters are, with its options as fields."""

from __future__ import annotations

import logging
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
    ModelWrapValidatorHandler,
    SecretStr,
    SkipValidation,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from bge_rerank.adapters.metadata import Unscored, first_stage_order
from bge_rerank.adapters.options import AdapterOptions
from bge_rerank.adapters.retrieval_guard import among_all, places_from
from bge_rerank.errors import ConfigurationError, ScoringError
from bge_rerank.inputs import nearest, shown_value
from bge_rerank.logs import Warnings
from bge_rerank.models.config import ModelOptions, ScorerConfig, Secret
from bge_rerank.models.options import Option, declared
from bge_rerank.ranking.options import RankOptions
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.ranking.result import Ranking
from bge_rerank.ranking.tiers import Tier
from bge_rerank.types import Ranked

logger = logging.getLogger(__name__)

FIRST = ("model_name", "backend", "device", "top_n", "score_threshold")
"""The options that most users set. Help and signatures show them first."""

SHOULD_BE = "Input should be "
"""The beginning of pydantic's messages about types."""

_OPTIONS = declared(ModelOptions, RankOptions, AdapterOptions)


def _field(option: Option) -> Any:
    """Return an option as a pydantic field: its type, and its default and description."""
    type_ = Annotated[option.type, SkipValidation] if option.as_is else _stored(option.type)
    return type_, Field(
        default=option.default,
        description=option.doc,
        exclude=option.hidden or None,
        repr=not option.hidden,
    )


def _stored(type_: Any) -> Any:
    """Return the type of a field: a tuple for a sequence, pydantic's `SecretStr` for a secret."""
    if get_origin(type_) in (Union, types.UnionType):
        return reduce(or_, map(_stored, get_args(type_)))
    if get_origin(type_) is Sequence:
        return types.GenericAlias(tuple, (get_args(type_)[0], ...))
    return SecretStr if type_ is Secret else type_


if TYPE_CHECKING:  # type checkers and editors cannot read the model that is created below

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
    """The options of a model, of a ranking and of an adapter. Making one loads nothing.

    Raises:
        ConfigurationError: An option does not exist or has a value that cannot work.

    >>> RerankerSettings(topn=3)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: no option topn (did you mean 'top_n'?)
    >>> RerankerSettings(top_n=0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: top_n is 0; ..., or None to keep all texts
    """

    @model_validator(mode="wrap")
    @classmethod
    def _refused_in_one_line(cls, data: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Raise our one line instead of pydantic's page."""
        try:
            return validate(data)
        except ValidationError as error:
            refusal = _refusal(cls, data, error) if isinstance(data, dict) else None
            if refusal is None:
                raise
            raise refusal from None

    @field_validator(
        *(option.name for option in _OPTIONS if str in option.alternatives), mode="before"
    )
    @classmethod
    def _path_as_text(cls, given: Any) -> Any:
        return fspath(given) if isinstance(given, PathLike) else given

    @field_validator("api_key", mode="before")
    @classmethod
    def _key_as_secret(cls, api_key: Any) -> Any:
        return SecretStr(api_key) if isinstance(api_key, str) else api_key

    def model_post_init(self, context: Any, /) -> None:
        """Check the values that pydantic's types allow."""
        super().model_post_init(context)
        # It is not a field, so that adapters of equal options are equal.
        self.__dict__["_warnings"] = Warnings(logger)
        self._check_own_options()
        self.reranker()

    def reranker(self) -> Reranker:
        """Return the `Reranker` of these settings. It stays the same object until a field changes."""
        scorer = self.scorer
        of_model = self._values(ModelOptions) if scorer is None else {"model_name": scorer}
        wanted = {**self._values(RankOptions), **of_model}
        # It is not a field, so that a copy with other values builds a reranker of its own.
        built = self.__dict__.get("_built")
        if built is None or built[0] != wanted:
            built = self.__dict__["_built"] = wanted, Reranker(**wanted)
        reranker: Reranker = built[1]
        return reranker

    def _values(self, declaring: type) -> dict[str, Any]:
        """Return options by name. A list is copied, so that a later change in place is noticed."""
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
        """Rank passages as `Reranker.rerank` does, and follow `on_error` if scoring fails.

        Args:
            query: The words to rank by.
            passages: All candidates, in first-stage order.
            places: The positions of the candidates to rank; `None` ranks all.

        Returns:
            The texts kept, best first. Each index is a position in `passages`.

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
        """Return a copy whose `on_ranking` receives rankings with `tier` ahead of their own tiers."""
        if self.on_ranking is None:
            return self
        return self.model_copy(update={"on_ranking": partial(_shown_after, self.on_ranking, tier)})

    def _shown(self, ranking: Ranking) -> Sequence[Ranked | Unscored]:
        if self.on_ranking is not None:
            self.on_ranking(ranking)
        return self._with_unscored(ranking)

    def _with_unscored(self, ranking: Ranking) -> Sequence[Ranked | Unscored]:
        """Append the texts that the latency budget left unscored, unless a limit could drop them."""
        limits = (self.top_n, self.score_threshold, self.min_precision)
        if any(limit is not None for limit in limits):
            return ranking
        reason = f"not scored within latency_budget_ms={self.latency_budget_ms}"
        return [*ranking, *(Unscored(place, reason) for place in ranking.unscored)]

    def _passed_through(self, places: Sequence[int], error: ScoringError) -> list[Unscored]:
        if self.on_error == "raise":
            raise error
        warn: Warnings = self.__dict__["_warnings"]
        warn("passthrough", "scoring failed, so first-stage order is kept: %s", error)
        return first_stage_order(places, self.top_n, error)

    def _well_retrieved(self, scores: Sequence[object], where: str) -> list[int] | None:
        """Return the positions that `min_retrieval_score` leaves; `None` if it is not set."""
        self._check_own_options()  # a field may have been set after construction
        if self.min_retrieval_score is None:
            return None
        return places_from(self.min_retrieval_score, scores, where)

    def passage(self, text: str, metadata: Mapping[str, Any]) -> str:
        r"""Return the passage to score for a text: its `rank_fields`, one line each, then the text.

        A field that is absent, `None` or `""` is left out. `str()` converts every other value.

        >>> settings = RerankerSettings(rank_fields=["title", "year"])
        >>> settings.passage("The Moon does it.", {"title": "Tides"})
        'Tides\nThe Moon does it.'
        """
        values = (metadata.get(field) for field in self.rank_fields)
        return "\n".join([*(str(value) for value in values if not _is_absent(value)), text])


def _shown_after(on_ranking: Callable[[Ranking], object], tier: Tier, ranking: Ranking) -> None:
    on_ranking(ranking.after(tier))


def _is_absent(value: object) -> bool:
    # A comparison with "" would compare each element of a NumPy array.
    return value is None or (isinstance(value, str) and not value)


def _refusal(
    settings: type[BaseModel], data: dict[str, Any], error: ValidationError
) -> ConfigurationError | None:
    """Return one line about the first option that pydantic refused; `None` for other errors."""
    errors = error.errors(include_url=False, include_context=False)
    name = str(next(iter(errors[0]["loc"]), ""))
    if errors[0]["type"] == "extra_forbidden":
        return _no_option(settings, name)
    for option in _OPTIONS:
        if option.name == name:
            try:
                option.refuse(data[name])
            except ConfigurationError as refusal:
                return refusal
    wanted = dict.fromkeys(
        each["msg"].removeprefix(SHOULD_BE).replace("a valid tuple", "a list")
        for each in errors
        if each["loc"][:1] == (name,) and each["msg"].startswith(SHOULD_BE)
    )
    if not wanted:  # a validator of a subclass, say
        return None
    hidden = settings.model_fields[name].exclude
    value = f"of type {type(data[name]).__name__}" if hidden else shown_value(data[name])
    return ConfigurationError(f"{name} is {value}; pass {' or '.join(wanted)}")


def _no_option(settings: type[BaseModel], name: str) -> ConfigurationError:
    if name in {option.name for option in declared(ScorerConfig)}:
        return ConfigurationError(
            f"no option {name} here; pass scorer=load_scorer(..., {name}=...) instead"
        )
    hint = nearest(name, settings.model_fields) or f"; help({settings.__name__}) lists the options"
    return ConfigurationError(f"no option {name}{hint}")
