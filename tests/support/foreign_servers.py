"""Run rerank servers of other projects, each in a separate process. The pairs that they score are here too."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from conftest import PASSAGES, QUERY
from scorer_contract import TEXTS_OF_EVERY_KIND
from served import free_port
from tiny_encoders import SENTENCES

SECONDS_TO_START, SECONDS_TO_END = 120, 30
LONGER_THAN_MINI = PASSAGES[1] * 60
"""A text beyond the maximum length of `mini`, 512 tokens."""
TEXTS = [
    *PASSAGES,
    *SENTENCES.values(),
    *TEXTS_OF_EVERY_KIND.values(),
    *(PASSAGES[1] * times for times in (2, 5, 12, 25)),
]
PAIRS = [
    *((QUERY, text) for text in TEXTS),
    *(("Wie entstehen Gezeiten?", text) for text in SENTENCES.values()),
]
"""Short, long and empty texts, in many scripts. All pairs are within 512 tokens."""


@contextmanager
def serving(*command: str | Path, log: Path, **variables: str) -> Iterator[str]:
    """Run a server on loopback during the block, and yield its URL when it is healthy."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*map(str, command), "--host", "127.0.0.1", "--port", str(port)],
            cwd=log.parent,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            _wait_until_healthy(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/health").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{process.args} did not become healthy:\n{log.read_text()}")
