"""What the documentation shows is run: the README's Python, and the links between files."""

import ast
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
DOCUMENTS = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "mini/README.md", "docs/containers.md"]


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = README.split("\n## ")[1]
    assert "make demo" in opening
    assert "make test" in opening


RUN_EACH = """
import json, os, sys
import langchain_core.documents, llama_index.core.schema, torch
from transformers import AutoTokenizer, BertForSequenceClassification
for number, snippet in enumerate(json.load(sys.stdin)):
    if (child := os.fork()) == 0:
        with open(f"{number}.out", "w") as out, open(f"{number}.err", "w") as err:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
        exec(compile(snippet, "README.md", "exec"), {"__name__": "__main__"})
        sys.stdout.flush()
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs each snippet in a process of its own, which finds the large libraries loaded."""


@pytest.fixture(scope="module")
def ran(hub_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, str]]:
    """The status of each snippet and what it printed, with `mini` under the default model's name."""
    folder = tmp_path_factory.mktemp("snippets")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN_EACH],
        cwd=folder,
        env={**os.environ, "HF_HUB_CACHE": str(hub_cache)},
        input=json.dumps(SNIPPETS),
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        (int(status), *((folder / f"{number}.{name}").read_text() for name in ("out", "err")))
        for number, status in enumerate(done.stdout.split())
    ]


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_the_readmes_python_runs(number: int, ran: list[tuple[int, str, str]]) -> None:
    status, out, err = ran[number]
    assert status == 0, err
    assert "The Moon" in out.splitlines()[0] or "1 0." in out.splitlines()[0]


def test_the_readme_has_python_to_run() -> None:
    assert len(SNIPPETS) >= 4


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_files_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    missing = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert missing == []


PUBLIC = {
    "bge_rerank",
    "bge_rerank.evaluation",
    "bge_rerank.calibration",
    "bge_rerank.scoring",
    "bge_rerank.server",
    "langchain_bge_rerank",
    "llamaindex_bge_rerank",
}
"""What users may import from; each says in `__all__` which names."""
SHOWN = [
    *(ROOT / name for name in ("README.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
    ROOT / "tests" / "typing" / "api.py",
]


def shown_text(path: Path) -> str:
    """Return what a reader sees; of a notebook its cells, without what they printed."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


def shown_names(text: str) -> set[str]:
    """Return the dotted names of ours that a text imports, or mentions in backticks."""
    statement = r"^[ >]*(?:from|import) (?:bge_rerank|langchain_bge_rerank|llamaindex_bge_rerank)\b"
    names = set(re.findall(r"`((?:\w+_)?bge_rerank(?:\.\w+)+)\b(?!\.)", text))
    for found in re.finditer(rf"{statement}[^(\n]*(?:\([^)]*\))?", text, re.MULTILINE):
        [node] = ast.parse(found[0].strip("> ")).body
        assert isinstance(node, ast.Import | ast.ImportFrom)
        module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        names |= {f"{module}{alias.name}" for alias in node.names}
    return names


def is_public(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    return name in PUBLIC or (module in PUBLIC and attribute in import_module(module).__all__)


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_the_documentation_shows_public_names_only(path: Path) -> None:
    names = shown_names(shown_text(path))
    assert {name for name in names if not is_public(name)} == set()


def test_a_private_name_is_found_wherever_the_documentation_shows_it() -> None:
    text = """Use `bge_rerank.Reranker` or `bge_rerank.ranking.reranker.Reranker(scorer)`.

    >>> from bge_rerank import (
    ...     load_scorer)
    from bge_rerank.scoring.gathering import check_wait, GatheringScorer  # a comment
    import bge_rerank.models.config
    import bge_rerank_mini
    """
    private = {name for name in shown_names(text.replace("... ", "")) if not is_public(name)}
    assert private == {
        "bge_rerank.models.config",
        "bge_rerank.ranking.reranker.Reranker",
        "bge_rerank.scoring.gathering.GatheringScorer",
        "bge_rerank.scoring.gathering.check_wait",
    }
