"""The server's metrics for Prometheus, under the names of Text Embeddings Inference where they fit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


class Metrics:
    """The metrics of one server, in its own registry."""

    def __init__(self) -> None:
        """Start at zero."""
        self._registry = CollectorRegistry()
        self._requests = self._counter("te_request_count", "Requests to rerank.", "method")
        self._successes = self._counter(
            "te_request_success", "Requests that got a ranking.", "method"
        )
        self._failures = self._counter("te_request_failure", "Requests that got an error.", "err")
        self._durations = self._histogram(
            "te_request_duration",
            "Seconds from a request to its answer, time in the queue included.",
            SECONDS,
        )
        self._passes = self._histogram(
            "te_request_inference_duration", "Seconds of one pass over the model.", SECONDS
        )
        self._pass_sizes = self._histogram(
            "te_batch_next_size", "Pairs in one pass over the model.", SIZES
        )
        self.waiting = self._gauge("te_queue_size", "Texts in unanswered requests.")

    def _counter(self, name: str, about: str, label: str) -> Any:
        return Counter(name, about, [label], registry=self._registry)

    def _histogram(self, name: str, about: str, buckets: Sequence[float]) -> Any:
        return Histogram(name, about, buckets=buckets, registry=self._registry)

    def _gauge(self, name: str, about: str) -> Any:
        return Gauge(name, about, registry=self._registry)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request, and time it if it succeeds. `failed` counts the others."""
        started = time.perf_counter()
        self._requests.labels(method="rerank").inc()
        yield
        self._successes.labels(method="rerank").inc()
        self._durations.observe(time.perf_counter() - started)

    def failed(self, kind: str) -> None:
        """Count a request that got an error."""
        self._failures.labels(err=kind.lower()).inc()

    def passed(self, pairs: int, seconds: float) -> None:
        """Count and time a pass over the model."""
        self._pass_sizes.observe(pairs)
        self._passes.observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
