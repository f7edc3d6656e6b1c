"""The server's metrics for Prometheus, under the names of Text Embeddings Inference where they fit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


class Metrics:
    """The metrics of one server, in its own registry."""

    def __init__(self) -> None:
        """Start at zero."""
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "te_request_count", "Requests to rerank.", ["method"], registry=registry
        )
        self._successes = Counter(
            "te_request_success", "Requests that got a ranking.", ["method"], registry=registry
        )
        self._failures = Counter(
            "te_request_failure", "Requests that got an error.", ["err"], registry=registry
        )
        self._durations = Histogram(
            "te_request_duration",
            "Seconds from a request to its answer, time in the queue included.",
            buckets=SECONDS,
            registry=registry,
        )
        self._passes = Histogram(
            "te_request_inference_duration",
            "Seconds of one pass over the model.",
            buckets=SECONDS,
            registry=registry,
        )
        self._pass_sizes = Histogram(
            "te_batch_next_size",
            "Pairs in one pass over the model.",
            buckets=SIZES,
            registry=registry,
        )
        self.waiting = Gauge("te_queue_size", "Texts in unanswered requests.", registry=registry)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request, and time it if it succeeds. `failed` counts the others."""
        started = time.perf_counter()
        self._requests.labels("rerank").inc()
        yield
        self._successes.labels("rerank").inc()
        self._durations.observe(time.perf_counter() - started)

    def failed(self, kind: str) -> None:
        """Count a request that got an error."""
        self._failures.labels(kind.lower()).inc()

    def passed(self, pairs: int, seconds: float) -> None:
        """Count and time a pass over the model."""
        self._pass_sizes.observe(pairs)
        self._passes.observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
