"""A Ray cluster on this machine, with scorers for its actors, and the job of a process that is killed."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from batches import Words
from bge_rerank import Reranker

ROOT = Path(__file__).parents[2]
PATHS = [str(path) for path in (ROOT, ROOT / "mini", Path(__file__).parent)]
INIT: dict[str, Any] = {
    "num_cpus": 2,
    "include_dashboard": False,
    "object_store_memory": 100 * 2**20,
    "log_to_driver": False,
    "logging_level": "error",
}


class DiesOnce(Words):
    """A scorer that kills its process at a call, unless a process has died before."""

    def __init__(self, mark: Path, call: int) -> None:
        self.mark, self.call, self.calls = mark, call, 0

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        self.calls += 1
        time.sleep(0.1)  # so that the other actor does not take all rows meanwhile
        if self.calls >= self.call and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score(pairs)


class Slow(Words):
    """A scorer that takes its time, so that it can be killed at work."""

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        time.sleep(0.1)
        return super().score(pairs)


@contextmanager
def cluster(**options: Any) -> Iterator[None]:
    """Start Ray, whose processes find the tests' modules, and stop it."""
    import ray

    quiet()
    os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(_temp_dir=folder, **{**INIT, **options})
        try:
            yield
        finally:
            ray.shutdown()


def quiet() -> None:
    """Switch the progress bars of Ray Data off, and its log."""
    import logging

    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def job(source: str, output: str) -> Any:
    """Rerank a file into a folder, slowly."""
    import ray.data

    from bge_rerank.ray import write_reranked

    return write_reranked(
        ray.data.read_parquet(source),
        Reranker(Slow(), top_n=2),
        output,
        actors=2,
        batch_size=10,
        rows_per_file=20,
    )


if __name__ == "__main__":
    import ray_clusters  # the settings of a job hold the name of its scorer's module

    with ray_clusters.cluster():
        ray_clusters.job(*sys.argv[1:])
