"""What all tests share. No test reaches the network."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["ANONYMIZED_TELEMETRY"] = "False"

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from playwright.sync_api import Browser

import bge_rerank_mini
from bge_rerank import DEFAULT_MODEL, load_scorer
from bge_rerank.export import export_model
from bge_rerank.models.manifest import Precision
from chromium import PATH, chromium
from counted_scorer import Pairs
from tiny_encoders import make_tiny_embedder, make_tiny_m3, make_tiny_reranker

QUERY = "what causes tides"
PASSAGES = [
    "Bread rises because yeast makes carbon dioxide.",
    "The Moon's gravity raises two bulges of water: the tides.",
    "A tide table lists the times of high water for a harbour.",
    "Central banks set the rate at which banks borrow.",
]
"""The second answers the query."""
REVISION = "0123456789" * 4


@pytest.fixture(scope="session")
def tiny_reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_reranker(tmp_path_factory.mktemp("models") / "tiny-reranker")


@pytest.fixture(scope="session")
def tiny_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_embedder(tmp_path_factory.mktemp("models") / "tiny-embedder")


@pytest.fixture(scope="session")
def tiny_m3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_m3(tmp_path_factory.mktemp("models") / "tiny-m3", [QUERY, *PASSAGES])


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this run, one for all processes that the tests are spread over."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def exported_mini(shared_folder: Path) -> Path:
    return _exported(shared_folder / "mini", "fp32")


@pytest.fixture(scope="session")
def exported_mini_int8(shared_folder: Path) -> Path:
    return _exported(shared_folder / "mini-int8", "int8")


def _exported(folder: Path, precision: Precision) -> Path:
    """Export `mini` to a folder, once for all processes."""
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            export_model("mini", folder, precision)
    return folder


@pytest.fixture
def minis_passes(monkeypatch: pytest.MonkeyPatch) -> list[Pairs]:
    """The pairs of each call to the weights of `mini`, with the backend `torch`."""
    weights = load_scorer("mini", "torch").loaded()
    passes: list[Pairs] = []
    score = type(weights).score

    def counted(self: Any, pairs: Pairs, /) -> list[float]:
        passes.append(pairs)
        return score(self, pairs)

    monkeypatch.setattr(type(weights), "score", counted)
    return passes


@pytest.fixture(scope="session")
def hub_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a hub cache in which the default model's name holds the files of `mini`."""
    cache = tmp_path_factory.mktemp("hub")
    repository = cache / f"models--{DEFAULT_MODEL.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / REVISION).symlink_to(bge_rerank_mini.path())
    return cache


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, which has ended before the next file's tests: its loop would be in their way."""
    if PATH is None and not os.environ.get("CI"):
        pytest.skip("needs Debian's chromium (apt-get install chromium)")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def labelled_data() -> Path:
    """The folder of labelled collections, where it is there."""
    folder = Path(os.environ.get("BGE_RERANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "nq_qed").is_dir():
        pytest.skip(f"needs the labelled collections in {folder} (set BGE_RERANK_DATA)")
    return folder
