"""Every notebook runs from top to bottom, offline and without a key, and is saved with its outputs."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from notebooks import run
from preloaded import write_command

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_there_is_a_notebook_for_each_framework() -> None:
    assert [notebook.name for notebook in NOTEBOOKS] == [
        "langchain_rag.ipynb",
        "llamaindex_rag.ipynb",
    ]


KERNEL = """
import os
from dataclasses import replace
import matplotlib
from bge_rerank import evaluation
subjects = ("observatory", "lighthouse", "tram", "ferry")
whole = evaluation.demo_collection()
part = replace(
    whole,
    passages=tuple(passage for passage in whole.passages if passage.id.startswith(subjects)),
    questions={id_: text for id_, text in whole.questions.items() if id_.startswith(subjects)},
    judgements={id_: of for id_, of in whole.judgements.items() if id_.startswith(subjects)},
)
evaluation.demo_collection = lambda: part
os.environ["MPLBACKEND"] = matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()
"""
"""A kernel with the libraries loaded, and with a third of the demo's collection, which is embedded sooner."""


@pytest.fixture
def kernels(
    preloaded_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Return the names of kernels: one as users start it, and the one above."""
    folder = tmp_path / "kernels" / "preloaded"
    folder.mkdir(parents=True)
    write_command(folder / "python", preloaded_python, KERNEL)
    spec = {"argv": [f"{folder}/python", "-f", "{connection_file}"], "language": "python"}
    (folder / "kernel.json").write_text(json.dumps({**spec, "display_name": "preloaded"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    return {"fresh": "python3", "preloaded": "preloaded"}


@pytest.mark.parametrize("kernel", ["preloaded", pytest.param("fresh", marks=pytest.mark.long)])
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_and_draws(
    path: Path, kernel: str, kernels: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": path.parent}}
    NotebookClient(
        notebook, timeout=300, kernel_name=kernels[kernel], resources=resources
    ).execute()
    outputs = outputs_of(notebook)
    assert sum("image/svg+xml" in output.get("data", {}) for output in outputs) >= 5
    assert not any(output.get("name") == "stderr" for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_saved_as_it_ran_without_warnings_or_paths(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.get("name") == "stderr" for output in outputs_of(notebook))
    assert "/home/" not in str(notebook)
    assert "site-packages" not in str(notebook)


def test_make_notebooks_saves_outputs_and_neither_times_nor_versions(tmp_path: Path) -> None:
    path = tmp_path / "small.ipynb"
    cells = [nbformat.v4.new_code_cell("print('The Moon raises the tides.')")]
    metadata = {"language_info": {"name": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    run(path)
    first = path.read_bytes()
    run(path)
    assert path.read_bytes() == first
    notebook = nbformat.read(path, as_version=4)
    assert [output.text for output in outputs_of(notebook)] == ["The Moon raises the tides.\n"]
    assert (notebook.metadata, notebook.cells[0].metadata) == (metadata, {})
