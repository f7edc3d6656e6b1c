"""`ReplicaMetrics`: the server's metrics, counted by the replica and by Ray."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bge_rerank.server.metrics import Metrics


class ReplicaMetrics(Metrics):
    """The metrics of a replica: for its own `/metrics`, and for the metrics port of its Ray node.

    Make it in a replica, so that Ray labels its metrics by the replica.
    """

    def _counter(self, name: str, about: str, label: str) -> Any:
        from ray.serve.metrics import Counter

        return _Both(super()._counter(name, about, label), Counter(name, about, (label,)))

    def _histogram(self, name: str, about: str, buckets: Sequence[float]) -> Any:
        from ray.serve.metrics import Histogram

        own = super()._histogram(name, about, buckets)
        return _Both(own, Histogram(name, about, list(buckets)))

    def _gauge(self, name: str, about: str) -> Any:
        from ray.serve.metrics import Gauge

        return _Both(super()._gauge(name, about), Gauge(name, about))


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
