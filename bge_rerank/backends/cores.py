"""The CPU cores that this process may use, and the threads that a model takes of them."""

from __future__ import annotations

import os

from bge_rerank.models.config import ScorerConfig


def usable_cores() -> int:
    """Return the number of cores that this process may use.

    >>> usable_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_of(config: ScorerConfig) -> int:
    """Return the number of threads that a configuration names, or else one for each usable core.

    >>> threads_of(ScorerConfig(threads=3))
    3
    """
    return config.threads or usable_cores()
