"""A process that scores and then forks, as with gunicorn's `--preload`, Celery and `multiprocessing`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from preloaded import ran

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORKED = Path(__file__).parents[1] / "support" / "forked.py"
RUN = """
import runpy, sys
sys.argv = {arguments}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
PRELOADED = """
import os, signal, socket, sys
import uvicorn
from bge_rerank import load_scorer
from bge_rerank.server.app import create_app
from bge_rerank.server.options import ServerOptions

scorer = load_scorer(sys.argv[1], "onnx", max_length=96)
scorer.score([("warm", "up")])
app = create_app(scorer, ServerOptions(model_name="m"))
listening = socket.create_server(("127.0.0.1", 0))
workers = []
for _ in range(2):
    worker = os.fork()
    if worker == 0:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        server.run([listening])
        os._exit(0)
    workers.append(worker)
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
for worker in workers:
    os.kill(worker, signal.SIGTERM)
    os.waitpid(worker, 0)
"""
"""A server as gunicorn with `--preload` runs it. It loads the model and scores once, then forks workers."""


@pytest.mark.parametrize("backend", ["torch", "flag", "onnx", "openvino"])
def test_a_forked_child_has_exactly_the_scores_of_its_parent(
    backend: str, mini: Path, exported_mini: Path, preloaded_python: Path, tmp_path: Path
) -> None:
    folder = exported_mini if backend in ("onnx", "openvino") else mini
    script = RUN.format(arguments=[str(FORKED), backend, str(folder)])
    process = ran(preloaded_python, script, tmp_path)
    assert process.returncode == 0, process.stderr
    ends = json.loads(process.stdout.splitlines()[-1])
    assert set(ends.values()) == {"as the parent"}, f"{ends}\n{process.stderr}"


def test_a_server_that_loads_before_its_workers_fork_answers(exported_mini: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRELOADED, str(exported_mini)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"
            body = {"query": "tides", "texts": ["bread", "The Moon raises the tides."]}
            # Each request has its own connection, so that both workers answer.
            answers = [httpx.post(f"{url}/rerank", json=body, timeout=60).json() for _ in range(8)]
        finally:
            process.stdin.close()
    assert [ranked["index"] for ranked in answers[0]] == [1, 0]
    assert answers == answers[:1] * 8
