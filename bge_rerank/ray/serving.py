"""`app_builder`: `bge-rerank serve` as an application of Ray Serve. Each replica loads the model once."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from bge_rerank.errors import ConfigurationError
from bge_rerank.extras import needs_extra
from bge_rerank.inputs import nearest, shown_value
from bge_rerank.models.config import LoadOptions, ModelOptions
from bge_rerank.models.options import Option, declared, option, options
from bge_rerank.models.registry import asks_server
from bge_rerank.scoring.loading import LazyScorer, load_scorer
from bge_rerank.server.options import KEY_VARIABLE, Limits, PassOptions, ServerOptions

if TYPE_CHECKING:
    from ray.serve import Application

__all__ = ["app_builder"]

logger = logging.getLogger(__name__)

DEPLOYMENT = "rerank"
"""The deployment's name in a config of Ray Serve."""
ONGOING = 32
"""The most requests that a replica holds. Further ones wait at the proxy, where any replica can take them."""
QUEUED = 100
"""The most requests that wait at a proxy, because it does not limit their bodies."""
SPARE_SECONDS = 10
"""A replica that stops has this time beyond that of a request."""
PROBE = ("health", "health")
"""The pair that a health check scores."""


@options
class ServingOptions(Limits, PassOptions, LoadOptions, ModelOptions):
    """The arguments of `app_builder`: the options of `bge-rerank serve`, under the same names."""

    require_key: bool = option(
        default=False,
        doc=f"Whether a replica refuses to start without the API key, which {KEY_VARIABLE} holds in the environment of its Ray node.",
    )


def app_builder(args: Mapping[str, Any]) -> Application:
    """Return the server as an application of Ray Serve, with the same routes, limits and metrics.

    A config of Ray Serve names this function as `import_path: bge_rerank.ray.serving:app_builder`. Each
    replica loads the model once, and requests at a replica share passes. The deployment's name is `rerank`.
    Nothing is loaded before a replica starts.

    Args:
        args: The options of `bge-rerank serve`: `model_name`, `backend`, `threads`, `max_texts` and so on.
            `threads` is by default the number of CPUs that Ray gives to a replica. `require_key=True` refuses to
            start a replica whose environment does not have the API key, `BGE_RERANK_API_KEY`.

    Raises:
        ConfigurationError: An option does not exist or has a value that cannot work.
        MissingDependencyError: Ray Serve is not installed.

    >>> app_builder({"model_name": "mini", "max_text": 100})
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: no option max_text (did you mean 'max_texts'?)
    """
    given = serving_options(args)
    _lazy_scorer(given)  # refuses options that cannot work together
    with needs_extra("ray", "serving with Ray"):
        from ray import serve

    def in_replica() -> Any:
        return _create_app(given)

    deployment = serve.deployment(
        name=DEPLOYMENT,
        max_ongoing_requests=ONGOING,
        max_queued_requests=QUEUED,
        graceful_shutdown_timeout_s=ceil(given.max_seconds) + SPARE_SECONDS,
    )
    application: Application = deployment(serve.ingress(in_replica)(Replica)).bind(given)
    return application


class Replica:
    """A replica of the deployment."""

    def __init__(self, given: ServingOptions) -> None:
        """Load the model.

        Raises:
            RerankError: The key is missing, or the model could not be found or read.
        """
        _log_as_serve_does()
        # A cache would answer a health check without the model.
        uncached = replace(_in_replica(given), score_cache=None)
        self._scorer = _lazy_scorer(uncached)
        self._scorer.loaded()

    async def check_health(self) -> None:
        """Score a pair. Ray Serve replaces a replica whose checks fail or take too long.

        Raises:
            ScoringError: The model fails.
        """
        if not asks_server(self._scorer.config.backend):
            await asyncio.to_thread(self._scorer.score, [PROBE])


def serving_options(args: Mapping[str, Any]) -> ServingOptions:
    """Check the arguments of `app_builder`.

    Raises:
        ConfigurationError: An option does not exist, is a secret, or has a value that cannot work.

    >>> serving_options({"threads": "4"})
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: threads is '4'; pass a whole number of 1 or more, or None for every core
    >>> serving_options({"local_files_only": "no"})
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: local_files_only is 'no'; pass a valid boolean
    """
    known = {each.name: each for each in declared(ServingOptions)}
    # The server shares passes by `PassOptions`, so the model must not wait for more calls.
    del known["batch_wait_ms"]
    for name, value in args.items():
        if name not in known:
            raise ConfigurationError(f"no option {name}{nearest(name, known)}")
        if known[name].hidden:
            raise ConfigurationError(
                f"{name} would be shown by Ray's logs and by `serve config`; leave it out, and set "
                f"the environment variable {KEY_VARIABLE} of each Ray node"
            )
        _check(known[name], value)
    return ServingOptions(**args)


def _check(declared_option: Option, value: Any) -> None:
    declared_option.refuse(value)
    try:
        TypeAdapter(declared_option.type).validate_python(value, strict=True)
    except ValidationError as error:
        messages = (each["msg"].removeprefix("Input should be ") for each in error.errors())
        wanted = " or ".join(dict.fromkeys(messages))
        raise ConfigurationError(
            f"{declared_option.name} is {shown_value(value)}; pass {wanted}"
        ) from None


def _create_app(given: ServingOptions) -> Any:
    with needs_extra("server", "the server"):
        from bge_rerank.server.app import create_app
    here = _in_replica(given)
    scorer = _lazy_scorer(here).loaded()
    return create_app(scorer, _server_options(here), replica_metrics())


def _in_replica(given: ServingOptions) -> ServingOptions:
    """Return the options with a number of threads: by default the CPUs that Ray gives to the replica."""
    if given.threads is not None:
        return given
    from ray import get_runtime_context

    cores = get_runtime_context().get_assigned_resources().get("CPU", 1)
    return replace(given, threads=max(1, int(cores)))


def _lazy_scorer(given: ServingOptions) -> LazyScorer:
    return load_scorer(**_values(given, ModelOptions, LoadOptions))


def _server_options(given: ServingOptions) -> ServerOptions:
    key = os.environ.get(KEY_VARIABLE) or None
    if given.require_key and key is None:
        raise ConfigurationError(
            f"require_key is true, but {KEY_VARIABLE} is not set on this Ray node; set it in the "
            "environment of `ray start` on every node"
        )
    return ServerOptions(
        model_name=given.model_name,
        limits=Limits(**_values(given, Limits)),
        api_key=key,
        **_values(given, PassOptions),
    )


def _values(given: ServingOptions, *declaring: type) -> dict[str, Any]:
    return {each.name: getattr(given, each.name) for each in declared(*declaring)}


def _log_as_serve_does() -> None:
    """Write this package's log to the log of the replica."""
    ours = logging.getLogger("bge_rerank")
    ours.setLevel(logging.INFO)
    ours.handlers = logging.getLogger("ray.serve").handlers


def replica_metrics() -> Any:
    """Return the metrics of a replica: for its own `/metrics`, and for the metrics port of its Ray node."""
    from ray.serve import metrics as rays

    from bge_rerank.server.metrics import Metrics

    class ReplicaMetrics(Metrics):
        def _counter(self, name: str, about: str, label: str) -> Any:
            own = super()._counter(name, about, label)
            return _Both(own, rays.Counter(name, about, (label,)))

        def _histogram(self, name: str, about: str, buckets: Sequence[float]) -> Any:
            own = super()._histogram(name, about, buckets)
            return _Both(own, rays.Histogram(name, about, list(buckets)))

        def _gauge(self, name: str, about: str) -> Any:
            return _Both(super()._gauge(name, about), rays.Gauge(name, about))

    return ReplicaMetrics()


class _Both:
    """A metric of prometheus_client, and the same metric of Ray."""

    def __init__(self, own: Any, rays: Any, tags: dict[str, str] | None = None) -> None:
        self._own = own
        self._rays = rays
        self._tags = tags

    def labels(self, **tags: str) -> _Both:
        return _Both(self._own.labels(**tags), self._rays, tags)

    def inc(self) -> None:
        self._own.inc()
        self._rays.inc(tags=self._tags)

    def observe(self, value: float) -> None:
        self._own.observe(value)
        self._rays.observe(value, tags=self._tags)

    def set(self, value: float) -> None:
        self._own.set(value)
        self._rays.set(value, tags=self._tags)
