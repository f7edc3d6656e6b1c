"""The image and its Compose file: linters find nothing, and the image's steps, run in folders, make a server."""

import json
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bge_rerank.server.options import Limits
from conftest import PASSAGES, QUERY
from dockerfile_steps import Image, build, context_files, instructions
from environments import ROOT
from served import free_port

STEPS = list(instructions(ROOT / "Dockerfile"))
ARGUMENTS = dict(value.split("=", 1) for name, value in STEPS if name == "ARG")
"""The build arguments and their defaults."""
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
DOCUMENT = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
"""A variable that Compose reads from the environment, and its default."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(ROOT, tmp_path_factory.mktemp("container"), {})


def service(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return Compose's service, with its variables replaced as Compose does."""
    given = environment or {}
    text = VARIABLE.sub(lambda found: given.get(found[1]) or found[2], COMPOSE)
    return yaml.safe_load(text)["services"]["rerank"]


def findings(*command: str) -> str:
    """Run a linter, and return its output if it finds a fault."""
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


@contextmanager
def mounted(folder: Path, image: Image, path: str) -> Iterator[None]:
    """Replace an empty folder of the image by another folder, as a volume does."""
    place = image.at(path)
    place.rmdir()
    place.symlink_to(folder)
    try:
        yield
    finally:
        place.unlink()
        place.mkdir()


def command_of(image: Image) -> list[str]:
    return [*json.loads(image.recorded["ENTRYPOINT"]), *json.loads(image.recorded["CMD"])]


def here(command: list[str], image: Image, port: int) -> list[str]:
    """Return a command of the image with paths of this machine and a free port of loopback."""
    addresses = {"0.0.0.0": "127.0.0.1", image.recorded["EXPOSE"]: str(port)}
    pattern = "|".join(rf"\b{re.escape(address)}\b" for address in addresses)
    return [
        image.here(re.sub(pattern, lambda found: addresses[found[0]], word)) for word in command
    ]


def is_healthy(image: Image, port: int, **environment: str) -> bool:
    """Run the image's health check."""
    command = json.loads(image.recorded["HEALTHCHECK"].partition("CMD ")[2])
    done = subprocess.run(
        here(command, image, port),
        env=image.environment | environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


@contextmanager
def running(image: Image, command: list[str], **environment: str) -> Iterator[int]:
    """Run a container's server during the block, and yield its port when it is healthy."""
    port = free_port()
    # No test may use the network, as in conftest.py.
    environment = image.environment | {"HF_HUB_OFFLINE": "1"} | environment
    server = subprocess.Popen(
        here(command, image, port),
        cwd=image.root,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(300):
            if server.poll() is not None or is_healthy(image, port):
                break
            time.sleep(0.1)
        assert server.poll() is None, server.communicate()[1]
        assert is_healthy(image, port)
        yield port
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) in (0, -signal.SIGTERM)
    finally:
        server.kill()
        server.communicate()


def files(image: Image) -> set[tuple[Path, int]]:
    return {(path, path.lstat().st_mtime_ns) for path in image.root.rglob("*")}


def answer(port: int, **headers: str) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{port}/rerank",
        json={"query": QUERY, "texts": PASSAGES},
        headers=headers,
        timeout=20,
    )


@pytest.mark.light_processes
@pytest.mark.parametrize(
    "linter",
    [
        ("hadolint", "--failure-threshold", "style", "Dockerfile"),
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"),
        ("yamllint", "--strict", "--config-data", "{extends: relaxed, rules: {line-length: {max: 100}}}", "compose.yaml"),
    ],
    ids=lambda linter: linter[0],
)  # fmt: skip
def test_linters_find_no_fault(linter: tuple[str, ...]) -> None:
    assert findings(*linter) == ""


def test_the_image_serves_a_mounted_export(image: Image, exported_mini: Path) -> None:
    with mounted(exported_mini, image, "/model"), running(image, command_of(image)) as port:
        best = answer(port).json()[0]
    assert best["index"] == 1


def test_the_server_writes_no_files(image: Image, exported_mini: Path) -> None:
    assert service()["read_only"]
    with mounted(exported_mini, image, "/model"):
        before = files(image)
        with running(image, command_of(image)) as port:
            assert answer(port).status_code == 200
        assert files(image) == before


def test_the_command_of_compose_serves_and_requires_its_key(
    image: Image, exported_mini: Path
) -> None:
    composed = service({"BGE_RERANK_API_KEY": "k"})
    command = [*json.loads(image.recorded["ENTRYPOINT"]), *composed["command"]]
    environment = {name: value or "" for name, value in composed["environment"].items()}
    with (
        mounted(exported_mini, image, "/model"),
        running(image, command, **environment) as port,
    ):
        assert answer(port).status_code == 401
        assert answer(port, Authorization="Bearer k").status_code == 200


def test_a_container_without_a_model_ends_with_one_line(image: Image) -> None:
    ended = subprocess.run(
        here(command_of(image), image, free_port()),
        env=image.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "config.json" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_the_health_check_fails_without_a_server(image: Image) -> None:
    assert not is_healthy(image, free_port())


def test_the_health_check_ignores_proxies(image: Image, exported_mini: Path) -> None:
    with mounted(exported_mini, image, "/model"), running(image, command_of(image)) as port:
        assert is_healthy(image, port, http_proxy="http://127.0.0.1:9")


def test_the_image_has_no_torch_no_installer_no_telemetry_and_no_sources(image: Image) -> None:
    programs = {path.name for path in image.at("/opt/venv/bin").iterdir()}
    packages = {path.name for path in image.at("/opt/venv").glob("lib/python*/site-packages/*")}
    assert "bge-rerank" in programs
    assert {"bge_rerank", "openvino"} <= packages
    assert not packages & {"torch", "pip", "uv", "openvino_telemetry"}
    assert {path.name for path in image.root.iterdir()} == {"opt", "cache", "model"}


def test_any_user_can_read_the_files_of_the_image(image: Image) -> None:
    unreadable = [path for path in image.root.rglob("*") if not path.stat().st_mode & stat.S_IROTH]
    assert unreadable == []


def test_the_server_accepts_connections_from_outside_its_container(image: Image) -> None:
    entrypoint = json.loads(image.recorded["ENTRYPOINT"])
    assert entrypoint[entrypoint.index("--host") + 1] == "0.0.0.0"


def test_the_user_is_not_root(image: Image) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.recorded["USER"])
    cache = f"--chown={image.recorded['USER']} /cache /cache"
    assert any(name == "COPY" and value.endswith(cache) for name, value in STEPS)


def test_no_build_argument_or_variable_is_a_secret() -> None:
    declared = " ".join(value for name, value in STEPS if name in ("ARG", "ENV", "LABEL"))
    assert not re.search(r"key|token|secret|passw|credential", declared, re.IGNORECASE)


def test_the_context_contains_only_sources(tmp_path: Path) -> None:
    wanted = {
        ".dockerignore",
        "Dockerfile",
        "pyproject.toml",
        "bge_rerank/cli/commands/serve.py",
        "mini/bge_rerank_mini/model/x",
    }
    unwanted = {
        ".env",
        ".git/config",
        ".venv/bin/python",
        "bge_rerank/__pycache__/x.pyc",
        "mini/train.py",
        "model/onnx/model.onnx",
        "shared/data",
        "tests/conftest.py",
    }
    for name in wanted | unwanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(ROOT / ".dockerignore", tmp_path)
    assert context_files(tmp_path) == wanted


def test_the_settings_of_compose_match_the_image(image: Image) -> None:
    composed = service()
    command = json.loads(image.recorded["CMD"])
    assert composed["command"][: len(command)] == command
    for name, value in composed["build"]["args"].items():
        assert ARGUMENTS[name] == value
    [port] = composed["ports"]
    assert port.split(":")[::2] == ["127.0.0.1", image.recorded["EXPOSE"]]
    targets = {volume.split(":")[1] for volume in composed["volumes"]}
    assert targets == {"/model", "/cache"}
    assert all(image.at(target).is_dir() for target in targets)
    assert image.environment["HF_HOME"].startswith(str(image.at("/cache")))
    # Compose must not override these settings of the image.
    assert not composed.keys() & {"entrypoint", "healthcheck", "user"}


def test_compose_waits_longer_than_a_request_may_take() -> None:
    assert int(service()["stop_grace_period"].removesuffix("s")) > Limits().max_seconds


def test_compose_uses_one_thread_for_each_core() -> None:
    composed = service({"BGE_RERANK_THREADS": "7"})
    assert composed["command"][-2:] == ["--threads", "7"]
    assert composed["cpus"] == 7


def test_the_documentation_names_every_setting() -> None:
    variables = {name for name, _ in VARIABLE.findall(COMPOSE)}
    assert set(re.findall(r"\b(?:BGE_RERANK|HF)_[A-Z_]+\b", DOCUMENT)) == variables
    assert all(f"`{argument}`" in DOCUMENT for argument in ARGUMENTS)


@pytest.mark.long
def test_a_model_by_build_argument_is_in_the_image(tmp_path: Path) -> None:
    # Without TORCH_BACKEND, torch is installed from the same index as with `make`.
    build_args = {"MODEL": "mini", "EXTRAS": "server,onnx", "TORCH_BACKEND": ""}
    image = build(ROOT, tmp_path, build_args)
    before = files(image)
    with running(image, command_of(image)) as port:
        assert answer(port).json()[0]["index"] == 1
    assert files(image) == before
