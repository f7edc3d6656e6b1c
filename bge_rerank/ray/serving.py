"""`app_builder`: `bge-rerank serve` as an application of Ray Serve. Each replica loads the model once."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

from bge_rerank.errors import ConfigurationError
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import LoadOptions, ModelOptions
from bge_rerank.models.options import declared
from bge_rerank.models.registry import asks_server
from bge_rerank.ray.serving_options import ServingOptions, serving_options
from bge_rerank.scoring.loading import LazyScorer, load_scorer
from bge_rerank.server.options import KEY_VARIABLE, Limits, PassOptions, ServerOptions

if TYPE_CHECKING:
    from ray.serve import Application

__all__ = ["app_builder"]

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
        _server_options(given)  # refuses a missing key before the model is loaded
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


def _create_app(given: ServingOptions) -> Any:
    with needs_extra("server", "the server"):
        from bge_rerank.ray.serving_metrics import ReplicaMetrics
        from bge_rerank.server.app import create_app
    here = _in_replica(given)
    scorer = _lazy_scorer(here).loaded()
    return create_app(scorer, _server_options(here), ReplicaMetrics())


def _in_replica(given: ServingOptions) -> ServingOptions:
    """Return the options with a number of threads: by default the CPUs that Ray gives to the replica."""
    if given.threads is not None:
        return given
    from ray import get_runtime_context

    context: Any = get_runtime_context()
    return replace(given, threads=max(1, int(context.get_assigned_resources().get("CPU", 1))))


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
    ours.handlers = [*logging.getLogger("ray.serve").handlers]
