"""The server as an application of Ray Serve, in a real Ray with the config that users copy."""

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from bge_rerank import load_scorer
from bge_rerank.ray.serving import app_builder
from conftest import PASSAGES, QUERY
from environments import ROOT
from pages import blocks
from ray_served import RayServed, ray_served
from served import free_port, serving

CONFIG = ROOT / "docs" / "examples" / "ray-serve.yaml"
MANIFEST = ROOT / "docs" / "examples" / "ray-service.yaml"
KEY = "a-key-that-nobody-sees"
SENT = {"Authorization": f"Bearer {KEY}"}
PORT = free_port()
URL = f"http://127.0.0.1:{PORT}"
CLIENTS = 8


@pytest.fixture(scope="module")
def ray() -> Iterator[RayServed]:
    pytest.importorskip("ray", reason="needs the extra ray")
    quick = {
        "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
        "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    }
    with ray_served(BGE_RERANK_API_KEY=KEY, **quick) as running:
        yield running


def config(model: Path, *, scaling: dict[str, Any], **args: Any) -> dict[str, Any]:
    """Return the config to copy, with a model, a number of replicas and arguments of a test."""
    read = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    read["http_options"]["port"] = PORT
    [application] = read["applications"]
    application["args"] |= {"model_name": str(model), "backend": "onnx", **args}
    application["deployments"][0]["autoscaling_config"] |= scaling
    return read


def replicas(least: int, most: int) -> dict[str, Any]:
    return {"min_replicas": least, "max_replicas": most}


@pytest.fixture(scope="module")
def one_replica(ray: RayServed, exported_mini: Path) -> RayServed:
    status = ray.deploy(config(exported_mini, scaling=replicas(1, 1)))
    assert status["status"] == "RUNNING", status["message"]
    return ray


def without_names(answer: Any) -> Any:
    """Return an answer without what differs in each: its number and its time."""
    if isinstance(answer, dict):
        return {name: answer[name] for name in answer if name not in ("id", "created")}
    return answer


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rerank", {"query": QUERY, "texts": PASSAGES, "return_text": True}),
        ("/rerank", {"model": "m", "query": QUERY, "documents": PASSAGES, "top_n": 2}),
        ("/rerank", {"query": QUERY, "documents": PASSAGES}),
        ("/v1/rerank", {"query": QUERY, "documents": PASSAGES, "return_documents": True}),
        ("/v2/rerank", {"query": QUERY, "documents": PASSAGES}),
        ("/tokenize", {"inputs": PASSAGES}),
        ("/rerank", {"query": QUERY, "texts": []}),
        ("/rerank", {"query": QUERY, "texts": ["a"] * 1_001}),
    ],
    ids=["tei", "infinity", "tutorial", "cohere-1", "cohere-2", "tokenize", "empty", "too-many"],
)
def test_a_replica_answers_as_the_server_does(
    one_replica: RayServed, exported_mini: Path, path: str, body: dict[str, Any]
) -> None:
    scorer = load_scorer(str(exported_mini), "onnx", threads=1).loaded()
    with serving(scorer, model_name=str(exported_mini)) as server:
        expected = httpx.post(server + path, json=body)
    answer = httpx.post(URL + path, json=body, headers=SENT, timeout=20)
    assert (answer.status_code, without_names(answer.json())) == (
        expected.status_code,
        without_names(expected.json()),
    )


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "<!doctype html>"),
        ("/health", ""),
        ("/docs", "swagger"),
        ("/openapi.json", "/v2/rerank"),
    ],
)
def test_the_page_and_the_health_check_need_no_key(
    one_replica: RayServed, path: str, shown: str
) -> None:
    answer = httpx.get(URL + path)
    assert answer.status_code == 200
    assert shown in answer.text


def test_a_request_without_the_key_is_refused_and_nothing_shows_the_key(
    one_replica: RayServed,
) -> None:
    body = {"query": "a query that is not logged", "texts": PASSAGES}
    wrong = httpx.post(URL + "/rerank", json=body, headers={"Authorization": "Bearer wrong"})
    right = httpx.post(URL + "/rerank", json=body, headers=SENT)
    assert (wrong.status_code, right.status_code) == (401, 200)
    status = one_replica.deploy(one_replica.deployed)
    log = one_replica.log()
    assert "POST / 200" in log
    for hidden in (KEY, body["query"], PASSAGES[0]):
        assert hidden not in log + str(status)


def test_the_metrics_of_a_replica_also_stand_at_the_metrics_port_of_ray(
    one_replica: RayServed,
) -> None:
    httpx.post(URL + "/rerank", json={"query": QUERY, "texts": PASSAGES}, headers=SENT)
    own = httpx.get(URL + "/metrics", headers=SENT).text
    assert 'te_request_success_total{method="rerank"}' in own
    exported = one_replica.exported_metrics("ray_te_batch_next_size_count")
    [line] = [line for line in exported.splitlines() if line.startswith("ray_te_request_success")]
    assert 'deployment="rerank"' in line
    assert 'replica="' in line
    assert 'method="rerank"' in line


def test_the_page_shows_the_config() -> None:
    page = blocks((ROOT / "docs" / "ray-serve.md").read_text(encoding="utf-8"))
    shown = next(block for block in page if block.language == "yaml")
    assert yaml.safe_load(shown.text) == yaml.safe_load(CONFIG.read_text(encoding="utf-8"))


@pytest.mark.light_processes
@pytest.mark.parametrize("path", [CONFIG, MANIFEST], ids=lambda path: path.name)
def test_a_linter_finds_no_fault(path: Path) -> None:
    rules = "{extends: relaxed, rules: {line-length: {max: 110}}}"
    yamllint = Path(sys.executable).with_name("yamllint")
    command = [yamllint, "--strict", "--config-data", rules, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_grace_of_a_replica_follows_from_the_longest_request() -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    built = app_builder({"model_name": "mini", "max_seconds": 4.5})._bound_deployment
    assert built._deployment_config.graceful_shutdown_timeout_s == 15


def test_the_config_and_the_manifest_agree_and_ray_accepts_them() -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="needs the extra ray")
    alone = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayService")
    inside = yaml.safe_load(manifest["spec"]["serveConfigV2"])
    for read in (alone, inside):
        checked = schema.ServeDeploySchema(**read).model_dump(exclude_unset=True, mode="json")
        assert set(checked) == set(read)
        [deployment] = read["applications"][0]["deployments"]
        assert set(checked["applications"][0]["deployments"][0]) == set(deployment)
        assert deployment["name"] == "rerank"
    cluster = manifest["spec"]["rayClusterConfig"]
    [worker] = cluster["workerGroupSpecs"]
    [container] = worker["template"]["spec"]["containers"]
    [head] = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    [deployment] = inside["applications"][0]["deployments"]
    assert cluster["authOptions"] == {"mode": "token"}
    # A replica for each node, and a node for the replica that an update starts first.
    assert (
        int(container["resources"]["limits"]["cpu"]) == deployment["ray_actor_options"]["num_cpus"]
    )
    surge = 1 + deployment["max_surge_percent"] / 100
    assert worker["maxReplicas"] >= deployment["autoscaling_config"]["max_replicas"] * surge
    assert "BGE_RERANK_API_KEY" in {each["name"] for each in container["env"] + head["env"]}
    assert inside["applications"][0]["args"]["require_key"]


@dataclass
class Load:
    """Clients that ask without pause, each for one request at a time.

    Attributes:
        failed: The status of each request that failed, with the time at which it was sent.
    """

    right: int = 0
    wrong: int = 0
    failed: list[tuple[object, float]] = field(default_factory=list)
    stop: bool = False

    async def client(self, number: int, expected: Sequence[dict[int, float]]) -> None:
        place = number
        async with httpx.AsyncClient(base_url=URL, headers=SENT, timeout=60) as client:
            while not self.stop:
                place = (place + 1) % len(expected)
                sent = time.monotonic()
                try:
                    body = {"query": f"{QUERY} {place}", "texts": PASSAGES, "raw_scores": True}
                    answer = await client.post("/rerank", json=body)
                except httpx.HTTPError as error:
                    self.failed.append((type(error).__name__, sent))
                    continue
                if answer.status_code != 200:
                    self.failed.append((answer.status_code, sent))
                elif {each["index"]: each["score"] for each in answer.json()} == pytest.approx(
                    expected[place], abs=0.01
                ):
                    self.right += 1
                else:
                    self.wrong += 1

    async def run(self, expected: Sequence[dict[int, float]]) -> None:
        await asyncio.gather(*(self.client(number, expected) for number in range(CLIENTS)))


@contextmanager
def load(model: Path) -> Iterator[Load]:
    """Ask during the block, and check each answer."""
    scorer = load_scorer(str(model), "onnx", threads=1)
    expected = [
        dict(enumerate(scorer.score([(f"{QUERY} {place}", text) for text in PASSAGES])))
        for place in range(20)
    ]
    asked = Load()
    thread = threading.Thread(target=lambda: asyncio.run(asked.run(expected)))
    thread.start()
    try:
        yield asked
    finally:
        asked.stop = True
        thread.join()
        print(
            f"right {asked.right}, wrong {asked.wrong}, failed {Counter(s for s, _ in asked.failed)}"
        )


def until(ready: Any, seconds: float = 120) -> None:
    latest = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < latest
        time.sleep(0.2)


@pytest.mark.long
def test_a_killed_replica_fails_only_the_requests_that_it_held(
    ray: RayServed, exported_mini: Path
) -> None:
    ray.deploy(config(exported_mini, scaling=replicas(2, 2)))
    with load(exported_mini) as asked:
        until(lambda: asked.right > 50)
        first, second = ray.replicas()
        killed = time.monotonic()
        first.kill()
        until(lambda: len({each.pid for each in ray.replicas()} - {first.pid, second.pid}) == 1)
        before = asked.right
        until(lambda: asked.right > before + 200)
    assert asked.wrong == 0
    assert len(asked.failed) <= CLIENTS
    assert all(status == 500 and sent < killed for status, sent in asked.failed)


@pytest.mark.long
def test_a_rolling_update_fails_no_request(ray: RayServed, exported_mini: Path) -> None:
    ray.deploy(config(exported_mini, scaling=replicas(2, 2)))
    old = {each.pid for each in ray.replicas()}
    with load(exported_mini) as asked:
        until(lambda: asked.right > 50)
        status = ray.deploy(config(exported_mini, scaling=replicas(2, 2), pass_pairs=16))
        assert status["status"] == "RUNNING"
        until(lambda: not any(map(psutil.pid_exists, old)))
        before = asked.right
        until(lambda: asked.right > before + 50)
    assert len({each.pid for each in ray.replicas()} - old) == 2
    assert (asked.wrong, asked.failed) == (0, [])


@pytest.mark.long
def test_waiting_requests_start_a_second_replica(ray: RayServed, exported_mini: Path) -> None:
    quick = {"upscale_delay_s": 1, "look_back_period_s": 2, "target_ongoing_requests": 2}
    ray.deploy(config(exported_mini, scaling=replicas(1, 1)))
    until(lambda: len(ray.replicas()) == 1)
    ray.deploy(config(exported_mini, scaling=replicas(1, 2) | quick))
    with load(exported_mini) as asked:
        until(lambda: len(ray.replicas()) == 2)
    assert (asked.wrong, asked.failed) == (0, [])


@pytest.mark.long
async def test_a_full_queue_is_answered_as_by_the_server(
    ray: RayServed, exported_mini: Path
) -> None:
    narrow = config(exported_mini, scaling=replicas(1, 1))
    [deployment] = narrow["applications"][0]["deployments"]
    deployment |= {"max_ongoing_requests": 1, "max_queued_requests": 1}
    ray.deploy(narrow)
    body = {"query": QUERY, "texts": PASSAGES * 10}
    async with httpx.AsyncClient(headers=SENT, timeout=60) as client:
        asked = (client.post(URL + "/rerank", json=body) for _ in range(8))
        answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"


@pytest.mark.long
def test_an_application_stands_below_its_prefix(ray: RayServed, exported_mini: Path) -> None:
    prefixed = config(exported_mini, scaling=replicas(1, 1))
    prefixed["applications"][0]["route_prefix"] = "/mini"
    assert ray.deploy(prefixed)["status"] == "RUNNING"
    until(lambda: httpx.get(URL + "/mini/health").status_code == 200)
    body = {"query": QUERY, "documents": PASSAGES}
    refused = httpx.post(URL + "/mini/v2/rerank", json=body)
    answer = httpx.post(URL + "/mini/v2/rerank", json=body, headers=SENT, timeout=20)
    assert (refused.status_code, set(refused.json())) == (401, {"message", "detail"})
    assert answer.json()["meta"] == {"api_version": {"version": "2"}}
    assert httpx.get(URL + "/mini/static-offline-docs/swagger-ui.css").status_code == 200
    assert "<!doctype html>" in httpx.get(URL + "/mini/").text


@pytest.mark.long
@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"max_text": 1}, "no option max_text (did you mean 'max_texts'?)"),
        ({"api_key": "x"}, "api_key would be shown"),
    ],
)
def test_the_status_says_which_argument_is_wrong(
    ray: RayServed, exported_mini: Path, args: dict[str, Any], message: str
) -> None:
    status = ray.deploy(config(exported_mini, scaling=replicas(1, 1), **args))
    assert status["status"] == "DEPLOY_FAILED"
    assert message in status["message"]
