"""The documentation holds: its Python and its commands run, its links lead somewhere, its names are public."""

import ast
import json
import re
import socket
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from markdown_links import dead_links
from page_runs import Ran, page_run
from pages import Block, blocks, difference

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKING = sorted(
    path for folder in (".", "docs", "benchmarks", "mini") for path in (ROOT / folder).glob("*.md")
)


def case(path: Path, block: Block) -> object:
    marks = [pytest.mark.long] if block.is_long else []
    return pytest.param(path, block, id=f"{path.name}:{block.line}", marks=marks)


BLOCKS = [
    case(path, block)
    for path in PAGES
    for block in blocks(path.read_text(encoding="utf-8"))
    if block.runs
]


RunPage = Callable[[Path], dict[int, Ran]]


@pytest.fixture(scope="module")
def ran(
    preloaded_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> RunPage:
    """Run a page once. The answer has how each block ended, by the number of its line."""
    with_long = any(item.get_closest_marker("long") for item in request.session.items)
    pages: dict[Path, dict[int, Ran]] = {}

    def ran(path: Path) -> dict[int, Ran]:
        if path not in pages:
            found = blocks(path.read_text(encoding="utf-8"))
            folder = tmp_path_factory.mktemp("page") / "run"
            with page_run(folder, preloaded_python, path.name, found) as run:
                pages[path] = {
                    block.line: run.run(block)
                    for block in found
                    if block.runs and (with_long or not block.is_long)
                }
        return pages[path]

    return ran


@pytest.mark.parametrize(("path", "block"), BLOCKS)
def test_a_block_of_a_page_runs_and_prints_what_the_page_shows(
    path: Path, block: Block, ran: RunPage
) -> None:
    result = ran(path)[block.line]
    print(f"{result.seconds:.1f} seconds")
    assert result.status == 0, f"{result.out}\n{result.err}"
    if block.output is not None:
        assert difference(block.output, result.out) is None, result.out


PAGE = """
```python
print("It scores 0.912, or some of 1,000")
```

```text
It scores 0.92, ... of 1,010
```

```python
print("It scores 0.812")
```

```text
It scores 0.92
```

```python
import no_such_module
```

<!-- not run: it would fail -->
```python
import no_such_module
```

```console
export FIRST=one
cat > file.txt <<'END'
pip install of a here-document
END
pip install no-such-package \\
    of-two-lines
grep of file.txt
```

```console
bge-rerank --version
echo $FIRST
bge-rerank rank tides no_such_file.txt --model mini | cat
```
"""


def test_a_wrong_output_and_a_failing_block_of_a_page_are_found(
    tmp_path: Path, preloaded_python: Path
) -> None:
    found = blocks(PAGE)
    with page_run(tmp_path / "page", preloaded_python, "page.md", found) as run:
        results = [(block, run.run(block)) for block in found if block.runs]
    right, wrong, missing, commands, failing = results
    assert difference(right[0].output, right[1].out) is None
    assert difference(wrong[0].output, wrong[1].out) == "0.92 is shown, 0.812 was printed"
    assert missing[1].status != 0
    assert f'"page.md", line {missing[0].line + 1}' in missing[1].err
    assert (commands[1].status, commands[1].out) == (0, "pip install of a here-document\n")
    assert failing[1].status == 1
    assert failing[1].out.endswith("one\n")
    assert "no_such_file.txt" in failing[1].err


SERVED_PAGE = """
```console
bge-rerank serve --model mini --port 8080
```

```python
from bge_rerank import Reranker, load_scorer

reranker = Reranker(load_scorer(backend="tei", base_url="http://localhost:8080"), top_n=1)
print(reranker.rerank("what causes tides", ["Bread rises.", "The Moon raises tides."])[0].index)
```

```text
1
```
"""


def test_a_pages_server_runs_until_the_page_ends(tmp_path: Path, preloaded_python: Path) -> None:
    found = blocks(SERVED_PAGE)
    with page_run(tmp_path / "page", preloaded_python, "page.md", found) as run:
        starting, asking = (run.run(block) for block in found if block.runs)
    assert starting.status == 0, starting.err
    assert (asking.status, asking.out) == (0, "1\n"), asking.err
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(run.ports["8080"])))


@pytest.mark.parametrize("path", LINKING, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(path: Path) -> None:
    assert dead_links(path) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A title\n\n## `top_n`, and more\n\n## A title\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[1](other.md) [2](other.md#top_n-and-more) [3](other.md#a-title-1) [4](#here)\n"
        "[5](gone.md) [6](other.md#gone) [7](#gone) [8](https://example.com/gone)\n"
        "```text\n[9](gone.md)\n```\n"
    )
    assert dead_links(page) == ["gone.md", "other.md#gone", "#gone"]


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = PAGES[0].read_text(encoding="utf-8").split("\n## ")[1]
    assert "make demo" in opening
    assert "make test" in opening


PUBLIC = {
    "bge_rerank",
    "bge_rerank.evaluation",
    "bge_rerank.calibration",
    "bge_rerank.scoring",
    "bge_rerank.batch",
    "bge_rerank.server",
    "bge_rerank.ray",
    "bge_rerank.ray.serving",
    "langchain_bge_rerank",
    "llamaindex_bge_rerank",
}
"""Users may import from these; the names are in `__all__`."""
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


DOCUMENTED = re.compile(r"^\.\. auto\w+:: ([\w.]+)$", re.MULTILINE)


def test_the_api_reference_has_each_public_name_once() -> None:
    names = DOCUMENTED.findall((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))
    assert [name for name in names if not is_public(name)] == []
    documented = [name.rpartition(".")[2] for name in names]
    public = [name for module in PUBLIC for name in import_module(module).__all__]
    of_both_adapters = ["BGERerankerRetriever", "first_stage"]
    assert sorted(documented) == sorted([*set(public), *of_both_adapters])
