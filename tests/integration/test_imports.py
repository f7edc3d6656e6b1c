"""Imports load no heavy package and start no thread. Each test runs in a process of its own."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from calibrations import calibration

HEAVY = {"torch", "transformers", "tokenizers", "FlagEmbedding", "numpy", "pydantic", "rich"}
HEAVY |= {"sklearn", "scipy", "matplotlib", "pandas"}
EVALUATING = {"ir_measures", "pytrec_eval", "ir_datasets", "bm25s", "Stemmer", "jinja2"}
"""`evaluate` needs these packages. `calibrate` and `drift` do not."""
FRAMEWORKS = {"langchain_core", "langchain", "llama_index"}


def all_modules_after(statement: str) -> set[str]:
    """Return the modules of a new process after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def modules_after(statement: str) -> set[str]:
    """Return the top-level modules of a new process after a statement."""
    return {name.split(".")[0] for name in all_modules_after(statement)}


@pytest.mark.light_processes
def test_the_core_imports_no_heavy_package_and_no_framework() -> None:
    assert not modules_after("import bge_rerank") & (HEAVY | FRAMEWORKS)


@pytest.mark.light_processes
def test_the_command_line_imports_no_heavy_package_to_read_its_arguments() -> None:
    assert not modules_after(
        "import bge_rerank.cli.commands.rank, bge_rerank.cli.commands.demo, bge_rerank.cli.commands.evaluate"
    ) & (HEAVY | FRAMEWORKS)


@pytest.mark.light_processes
def test_importing_the_calibration_loads_no_heavy_package() -> None:
    assert not modules_after("import bge_rerank.calibration.fit, bge_rerank.calibration.drift") & (
        HEAVY | FRAMEWORKS
    )


@pytest.mark.light_processes
def test_importing_the_evaluation_loads_no_heavy_package() -> None:
    assert not modules_after("import bge_rerank.evaluation") & (HEAVY | FRAMEWORKS | EVALUATING)


@pytest.mark.light_processes
@pytest.mark.parametrize("room", ["calibration", "scoring", "server", "ray"])
def test_importing_a_public_room_loads_no_heavy_package(room: str) -> None:
    heavy = HEAVY | FRAMEWORKS | EVALUATING | {"fastapi", "httpx", "cachetools", "pyarrow"}
    assert not modules_after(f"import bge_rerank.{room}") & heavy


@pytest.mark.parametrize(
    ("missing", "name", "message"),
    [("fastapi", "bge_rerank.server.create_app", "'bge-rerank[server]'")],
)
def test_a_public_name_without_its_packages_says_which_extra_to_install(
    missing: str, name: str, message: str
) -> None:
    room, _, attribute = name.rpartition(".")
    code = f"import sys\nsys.modules[{missing!r}] = None\nfrom {room} import {attribute}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert message in done.stderr


CALIBRATING = """
import sys
sys.modules.update(dict.fromkeys({packages!r}))  # as if none were installed
from bge_rerank import MissingDependencyError
from bge_rerank.cli.commands import calibrate, drift
from bge_rerank.calibration.fit import fit
from bge_rerank.calibration.drift import make_reference, measure_drift
from bge_rerank.data.pairs import read_labelled_pairs
from bge_rerank.cli.commands.pair_progress import pair_progress
from bge_rerank.calibration.reliability import draw_reliability
from bge_rerank.scoring.identity import ScoredBy
from pathlib import Path

class Length:
    def score(self, pairs):
        return [float(len(text)) for _, text in pairs]

pairs = [pair.pair for pair in read_labelled_pairs(Path({data!r}))]
reference = make_reference(Length(), pairs)
assert measure_drift(reference, Length()).largest == 0
relevant = [number % 2 == 0 for number in range(80)]
logits = [number % 7 + 3.0 * yes for number, yes in enumerate(relevant)]
fitted = fit(logits, relevant, [str(number // 2) for number in range(80)], ScoredBy())
draw_reliability("", {{"after": fitted.after[fitted.method]}}, Path({plot!r}))
try:
    import bge_rerank.evaluation
    bge_rerank.evaluation.evaluate([], {{"m": Length()}})
except MissingDependencyError as error:
    print(error)
"""


def test_calibration_and_drift_work_without_the_packages_of_the_evaluation(tmp_path: Path) -> None:
    data, plot = tmp_path / "data.jsonl", tmp_path / "plot.png"
    data.write_text('{"query": "q", "candidates": ["a", "long"], "relevant": [1]}')
    code = CALIBRATING.format(packages=sorted(EVALUATING), data=str(data), plot=str(plot))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert plot.stat().st_size > 0
    assert "ir_measures, which is not installed; pip install 'bge-rerank[evaluate]'" in done.stdout


ADAPTERS = {
    "langchain_bge_rerank": ("BGERerankerCompressor", "llama_index"),
    "llamaindex_bge_rerank": ("BGERerankerPostprocessor", "langchain_core"),
}
"""Each adapter's package, its class, and the other framework."""


@cache
def modules_after_use(adapter: str) -> set[str]:
    """Return the modules of a new process that has built, dumped and copied an adapter."""
    name, _ = ADAPTERS[adapter]
    return all_modules_after(
        f"import copy, pickle\nfrom {adapter} import {name}\n"
        f"adapter = {name}(model_name='mini')\n"
        "copy.deepcopy(adapter); pickle.loads(pickle.dumps(adapter))\n"
        f"{name}.model_validate(adapter.model_dump()); repr(adapter)"
    )


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_loads_neither_the_other_framework_nor_the_evaluation(adapter: str) -> None:
    _, other = ADAPTERS[adapter]
    assert not modules_after_use(adapter) & {other, "bge_rerank.evaluation"}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_building_dumping_and_copying_an_adapter_loads_no_model(adapter: str) -> None:
    assert not modules_after_use(adapter) & {"torch", "FlagEmbedding"}


def test_a_calibration_is_applied_without_the_packages_that_fit_it(tmp_path: Path) -> None:
    calibration().save(tmp_path / "c.json")
    loaded = modules_after(
        f"from bge_rerank import Calibration\nCalibration.load({str(tmp_path / 'c.json')!r}).probability(0)"
    )
    assert not loaded & (HEAVY - {"pydantic"})


WITHOUT = """
import sys
sys.modules[{package!r}] = None
from bge_rerank.calibration.drift import make_reference, measure_drift
from bge_rerank.calibration.fit import calibrate
from bge_rerank.data.pairs import LabelledPair

class Counted:
    scored = 0

    def score(self, pairs):
        Counted.scored += len(pairs)
        return [float(len(text)) for _, text in pairs]

pairs = [LabelledPair(str(n // 2), "x" * (n % 2 + 1), n % 2 == 1) for n in range(80)]
reference = make_reference(Counted(), [pair.pair for pair in pairs])
Counted.scored = 0
try:
    {call}
finally:
    print("scored", Counted.scored)
"""


@pytest.mark.parametrize(
    ("package", "call", "message"),
    [
        ("sklearn", "calibrate(Counted(), pairs)", "calibrating needs sklearn"),
        ("numpy", "calibrate(Counted(), pairs)", "calibrating needs numpy"),
        ("scipy", "measure_drift(reference, Counted())", "measuring drift needs scipy"),
    ],
)
def test_calibrating_without_its_packages_says_which_extra_to_install_before_it_scores(
    package: str, call: str, message: str
) -> None:
    code = WITHOUT.format(package=package, call=call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert message in done.stderr
    assert "pip install 'bge-rerank[calibrate]'" in done.stderr
    assert done.stdout == "scored 0\n"


@pytest.mark.light_processes
def test_the_core_does_not_import_the_evaluation() -> None:
    assert "bge_rerank.evaluation" not in all_modules_after("import bge_rerank.cli.commands.rank")


@pytest.mark.light_processes
def test_the_core_starts_no_thread() -> None:
    code = "import threading, bge_rerank; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], check=True)
