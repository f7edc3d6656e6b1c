"""Run a config of Ray Serve in a process of its own during a block. No other test sees that Ray."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

SECONDS = 120
"""For a deployment; one that takes longer hangs."""
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # otherwise Ray writes a token into the user's folder
    "RAY_metrics_report_interval_ms": "1000",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
}


class RayServed:
    """A Ray on this machine with four logical CPUs, and Ray Serve at a free port."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, metrics_port: int) -> None:
        self._process = process
        self._metrics_port = metrics_port
        self.folder = folder
        self.deployed: dict[str, Any] = {}

    def deploy(self, config: dict[str, Any]) -> dict[str, Any]:
        """Deploy a config, wait for the end of the update, and return the application's status."""
        assert self._process.stdin is not None
        self.deployed = config
        self._process.stdin.write(json.dumps(config) + "\n")
        self._process.stdin.flush()
        return self.status()

    def status(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (self.folder / "driver.log").read_text()
        return json.loads(line)

    def replicas(self) -> list[psutil.Process]:
        """Return the processes of the replicas."""
        running = psutil.Process(self._process.pid).children(recursive=True)
        return [each for each in running if _name(each).startswith("ray::ServeRepl")]

    def exported_metrics(self, name: str) -> str:
        """Return the metrics of the node, when they hold a name. Ray exports them every second here."""
        latest = time.monotonic() + SECONDS
        while time.monotonic() < latest:
            text = httpx.get(f"http://127.0.0.1:{self._metrics_port}/metrics").text
            if name in text:
                return text
            time.sleep(0.5)
        raise AssertionError(text)

    def log(self) -> str:
        """Return what Ray, its proxy and its replicas have logged and printed so far."""
        files = [
            path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()
        ]
        return "\n".join(path.read_text("utf-8", errors="replace") for path in files)


def _name(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return process.name()
    return ""


@contextmanager
def ray_served(**environment: str) -> Iterator[RayServed]:
    """Start Ray during the block. Afterwards none of its processes runs, and its files are gone."""
    from served import free_port  # here, because the process of Ray reads this file too

    metrics_port = free_port()
    # The paths of its sockets may not be longer than 107 bytes, as those of pytest can be.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    with (folder / "driver.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, str(folder), str(metrics_port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | ENVIRONMENT | environment,
        )
    family: list[psutil.Process] = []
    try:
        served = RayServed(process, folder, metrics_port)
        assert served.status() == {"status": "STARTED"}
        yield served
    finally:
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        process.communicate()
        _, left = psutil.wait_procs(family, timeout=10)
        for each in left:
            each.kill()
        shutil.rmtree(folder, ignore_errors=True)
        assert left == []


def main(folder: str, metrics_port: str) -> None:
    """Deploy each config that is a line of the input, and print its status, until the input ends."""
    out = os.dup(1)
    os.dup2(2, 1)  # Ray prints the logs of its processes
    import ray
    from ray import serve

    ray.init(
        num_cpus=4,
        include_dashboard=False,
        _temp_dir=folder,
        _metrics_export_port=int(metrics_port),
    )
    _print(out, {"status": "STARTED"})
    for line in sys.stdin:
        _print(out, _deployed(json.loads(line)))
    serve.shutdown()
    ray.shutdown()


def _print(out: int, status: dict[str, Any]) -> None:
    os.write(out, json.dumps(status).encode() + b"\n")


def _deployed(config: dict[str, Any]) -> dict[str, Any]:
    """Deploy a config as `serve run` does."""
    import time

    from ray import serve
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema(**config)
    serve.start(http_options=schema.http_options.model_dump())
    _get_global_client().deploy_apps(schema)
    latest = time.monotonic() + SECONDS
    while True:
        application = serve.status().applications[schema.applications[0].name]
        status = {
            "status": application.status.value,
            "message": application.message,
            "replicas": {
                state: count
                for deployment in application.deployments.values()
                for state, count in deployment.replica_states.items()
            },
            "shown": str(application),
        }
        settled = application.status in ("RUNNING", "DEPLOY_FAILED", "UNHEALTHY")
        if settled or time.monotonic() > latest:
            return status
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
