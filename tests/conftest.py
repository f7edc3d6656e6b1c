"""Fixtures that all tests share. No test reaches the network."""

import gc
import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["ANONYMIZED_TELEMETRY"] = "False"
# No test reads the exports in the user's cache. A test that makes one names a folder.
os.environ["BGE_RERANK_CACHE"] = os.devnull
# Waiting threads leave the cores to the other processes of the run.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from hypothesis import settings

import bge_rerank_mini
from bge_rerank import DEFAULT_MODEL, load_scorer
from counted_scorer import Pairs
from hub_shape import add_to_hub_cache

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The time of an example depends on the other work of the machine.
settings.register_profile("all", deadline=None)
settings.register_profile("test", deadline=None, max_examples=50)
settings.register_profile("quick", deadline=None, max_examples=20)

QUERY = "what causes tides"
PASSAGES = [
    "Bread rises because yeast makes carbon dioxide.",
    "The Moon's gravity raises two bulges of water: the tides.",
    "A tide table lists the times of high water for a harbour.",
    "Central banks set the rate at which banks borrow.",
]
"""The second answers the query."""
REVISION = "0123456789" * 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="skip each test that loads a trained model, or starts a server or a process",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Imported modules live as long as the run. Searching them for garbage takes seconds and finds none.
    gc.disable()
    if config.getoption("quick"):
        from quick import Quick

        config.pluginmanager.register(Quick())
    normal = "test" if config.getoption("markexpr") else "all"  # `make test-all` chooses no marks
    settings.load_profile("quick" if config.getoption("quick") else normal)
    config.pluginmanager.register(WithExamples())


class WithExamples:
    """A plugin that leaves out files without tests and examples. To import them takes seconds."""

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        if collection_path.suffix != ".py" or collection_path.name.startswith("test_"):
            return None
        return ">>>" not in collection_path.read_text(encoding="utf-8") or None


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


# Fixtures import torch and the like by themselves. The process that distributes the tests reads this
# file too, and so does each run of a single test.


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder that all processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made_once(shared_folder: Path) -> Once:
    """Return a function that makes a named folder, unless a process of this run has made it."""

    def made_once(name: str, make: Callable[[Path], object]) -> Path:
        folder = shared_folder / "made" / name
        folder.parent.mkdir(exist_ok=True)
        with FileLock(folder.with_name(f"{name}.lock")):
            if not folder.exists():
                try:
                    make(folder)
                except BaseException:  # the quick run skips the test here
                    rmtree(folder, ignore_errors=True)
                    raise
        return folder

    return made_once


@pytest.fixture(scope="session")
def tiny_reranker(made_once: Once) -> Path:
    from tiny_encoders import make_tiny_reranker

    return made_once("tiny-reranker", make_tiny_reranker)


@pytest.fixture(scope="session")
def tiny_export(made_once: Once, tiny_reranker: Path) -> Path:
    from bge_rerank.export import export_model

    return made_once("tiny-export", partial(export_model, str(tiny_reranker)))


@pytest.fixture(scope="session")
def tiny_embedder(made_once: Once) -> Path:
    from tiny_encoders import make_tiny_embedder

    return made_once("tiny-embedder", make_tiny_embedder)


@pytest.fixture(scope="session")
def tiny_m3(made_once: Once) -> Path:
    from tiny_encoders import make_tiny_m3

    return made_once("tiny-m3", partial(make_tiny_m3, texts=[QUERY, *PASSAGES]))


@pytest.fixture(scope="session")
def mini() -> Path:
    """Return the folder of `mini`, for tests that load it in another process."""
    return bge_rerank_mini.path()


@pytest.fixture(scope="session")
def exported_mini(made_once: Once) -> Path:
    from bge_rerank.export import export_model

    return made_once("mini", partial(export_model, "mini"))


@pytest.fixture(scope="session")
def exported_mini_int8(made_once: Once) -> Path:
    """Return an export made from a few of the samples, in half the time."""
    from bge_rerank.export import export_model
    from bge_rerank.export.samples import sample_pairs

    make = partial(export_model, "mini", precision="int8", samples=sample_pairs(16))
    return made_once("mini-int8", make)


@pytest.fixture(scope="session")
def exported_mini_int8_of_all_samples(made_once: Once) -> Path:
    """Return the export that users get. Tests of quality use it."""
    from bge_rerank.export import export_model

    return made_once("mini-int8-all", partial(export_model, "mini", precision="int8"))


@pytest.fixture
def minis_passes(monkeypatch: pytest.MonkeyPatch) -> list[Pairs]:
    """Return a list that receives the pairs of each call to the weights of `mini` in torch."""
    weights = load_scorer("mini", "torch").loaded()
    passes: list[Pairs] = []
    score = type(weights).score

    def counted(self: Any, pairs: Pairs, /) -> list[float]:
        passes.append(pairs)
        return score(self, pairs)

    monkeypatch.setattr(type(weights), "score", counted)
    return passes


@pytest.fixture(scope="session")
def hub_cache(made_once: Once) -> Path:
    """Return a hub cache in which the default model's name holds the files of `mini`."""

    def make(cache: Path) -> None:
        add_to_hub_cache(cache, DEFAULT_MODEL, bge_rerank_mini.path(), REVISION)

    return made_once("hub", make)


@pytest.fixture(scope="session")
def preloaded_python(made_once: Once, hub_cache: Path, worker_id: str) -> Path:
    """Return the socket of a Python with the libraries loaded, for the commands and scripts of this run.

    It finds `mini` under the default model's name.
    """
    from preloaded import start

    run = os.getpid() if worker_id == "master" else os.getppid()
    environment = {"HF_HUB_CACHE": str(hub_cache), "MPLBACKEND": "Agg"}
    return made_once("python", partial(start, environment=environment, process=run)) / "socket"


@pytest.fixture(scope="module")
def browser(pytestconfig: pytest.Config) -> "Iterator[Browser]":
    """Yield Chromium. It ends before the next file's tests, because its event loop would disturb them."""
    from chromium import PATH, chromium

    if pytestconfig.getoption("quick"):
        pytest.skip("not quick: starts a browser")
    if PATH is None and not os.environ.get("CI"):
        pytest.skip("needs Debian's chromium (apt-get install chromium)")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def labelled_data() -> Path:
    """Return the folder of labelled collections, or skip the test without it."""
    folder = Path(os.environ.get("BGE_RERANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "nq_qed").is_dir():
        pytest.skip(f"needs the labelled collections in {folder} (set BGE_RERANK_DATA)")
    return folder
