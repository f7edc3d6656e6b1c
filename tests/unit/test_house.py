"""Imports run down, every file is in a room, and the docstring of each room introduces it."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

from house import (
    FLOORS,
    PACKAGES,
    Source,
    arrows_up,
    circles,
    file_arrows,
    function_lines,
    levels,
    option_files,
    read,
    room_arrows,
    room_sizes,
)

ROOT = Path(__file__).parents[2]
FEWEST_FILES, MOST_FILES = 3, 20
PUBLIC = ("evaluation", "calibration", "scoring", "batch", "server", "ray")


def loose_files(sources: Sequence[Source]) -> list[str]:
    return [f"{source.path} stands in no room" for source in sources if source.room == "outside"]


def imports_up(sources: Sequence[Source]) -> list[str]:
    return [f"{arrow}, which is not below it" for arrow in arrows_up(sources)]


def rings(sources: Sequence[Source]) -> list[str]:
    found = [*circles(room_arrows(sources)), *circles(file_arrows(sources))]
    return [f"imports in a circle: {', '.join(circle)}" for circle in found]


def wrong_sizes(sources: Sequence[Source]) -> list[str]:
    return [
        f"{room} has {size} files; give a room {FEWEST_FILES} to {MOST_FILES}"
        for room, size in room_sizes(sources).items()
        if room != "ground" and not FEWEST_FILES <= size <= MOST_FILES
    ]


def unintroduced(sources: Sequence[Source]) -> list[str]:
    paths = {source.path for source in sources}
    inits = {source.room: source for source in sources if source.path.stem == "__init__"}
    rooms = [room for room in {**room_sizes(sources), **inits} if room not in ("ground", "outside")]
    bare = [f"{room} has no __init__.py" for room in rooms if room not in inits]
    return bare + [
        f"{inits[room].path} does not say {missing}"
        for room in rooms
        if room in inits
        for missing in missing_from(inits[room], paths)
    ]


def missing_from(source: Source, paths: set[Path]) -> Iterator[str]:
    """Yield the parts that a room's docstring lacks: purpose, imports, and an existing file to start with."""
    said = ast.get_docstring(source.tree) or ""
    purpose, _, rest = said.partition("\n\n")
    if not purpose.endswith("."):
        yield "what the room is for"
    [below] = [lower for floor, lower in pairwise(FLOORS) if source.room in floor]
    may_import = re.search(r"^May import (.*?)\.\n", rest, re.MULTILINE | re.DOTALL)
    if may_import is None or not all(f"`{room}`" in may_import[1] for room in below):
        yield f"what it may import: {', '.join(f'`{room}`' for room in below)} and below"
    start = re.search(r"^Start reading in `([\w/]+\.py)`[.,:;]", rest, re.MULTILINE)
    if start is None or source.path.parent / start[1] not in paths:
        yield "in which of its files to start reading"


def listed(found: list[str]) -> str:
    return "\n".join(["", *found])


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return read(ROOT)


def test_every_file_stands_in_a_room(sources: list[Source]) -> None:
    assert not loose_files(sources), listed(loose_files(sources))


def test_imports_run_down(sources: list[Source]) -> None:
    assert not imports_up(sources), listed(imports_up(sources))


def test_neither_rooms_nor_files_import_in_a_circle(sources: list[Source]) -> None:
    assert not rings(sources), listed(rings(sources))


def test_a_room_has_3_to_20_files(sources: list[Source]) -> None:
    assert not wrong_sizes(sources), listed(wrong_sizes(sources))


def test_each_room_says_what_it_is_for_what_it_may_import_and_where_to_start(
    sources: list[Source],
) -> None:
    assert not unintroduced(sources), listed(unintroduced(sources))


def test_only_the_command_line_imports_the_adapter_packages(sources: list[Source]) -> None:
    importing = {
        room for room, imported in room_arrows(sources).items() if imported & {*PACKAGES[1:]}
    }
    assert all(room.partition(".")[0] == "cli" for room in importing)


def test_contributing_draws_the_house_as_it_is() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [picture] = re.findall(r"```text\n(.*?)```", contributing, re.DOTALL)
    drawn = [room for line in picture.strip().splitlines() for room in line[:45].split()]
    floors = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    assert sorted(drawn, key=floors.__getitem__) == drawn
    assert set(drawn) == set(floors)


ADAPTERS_AND_FRAMEWORKS = ("langchain", "llamaindex", "llama_index")


def imports_at_once(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the imports that run when a module is imported."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            yield inner
        elif isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test):
            continue
        elif not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports_at_once(inner)


def with_a_framework(sources: Sequence[Source]) -> set[str]:
    """Return the modules that import an adapter or its framework when they are imported."""
    at_once = [replace(s, tree=ast.Module([*imports_at_once(s.tree)], [])) for s in sources]
    return {
        source.module
        for source in at_once
        if any(name.startswith(ADAPTERS_AND_FRAMEWORKS) for name in source.imports())
    }


def test_only_the_demo_and_the_adapters_import_an_adapter_or_its_framework(
    sources: list[Source],
) -> None:
    found = with_a_framework(sources)
    allowed = ("bge_rerank.cli.demo.", *PACKAGES[1:])
    assert {module for module in found if not module.startswith(allowed)} == set()
    assert {"bge_rerank.cli.demo.run", "langchain_bge_rerank.compressor"} <= found


DOCSTRING = '''"""A room.

May import {below}.
Start reading in `{start}.py`.
"""
'''


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    """Return a house without faults: `models` above the ground, and `data` above `models`."""
    package = tmp_path / "bge_rerank"
    for room, below, start in (("models", "`ground`", "config"), ("data", "`models`", "labelled")):
        (package / room).mkdir(parents=True)
        introduction = DOCSTRING.format(below=below, start=start)
        (package / room / "__init__.py").write_text(introduction)
        for name in ("config", "labelled", "third"):
            (package / room / f"{name}.py").write_text("import json\n")
    (package / "types.py").write_text("Pair = tuple[str, str]\n")
    (package / "data" / "labelled.py").write_text(
        "from bge_rerank import types\nfrom bge_rerank.models.config import NAME\n"
    )
    return package


def faults(package: Path) -> list[str]:
    house = read(package.parent)
    found = (loose_files, imports_up, rings, wrong_sizes, unintroduced)
    return [fault for find in found for fault in find(house)]


def test_a_house_without_a_fault_passes(small_house: Path) -> None:
    assert faults(small_house) == []
    house = read(small_house.parent)
    assert room_arrows(house)["data"] == {"ground", "models"}
    assert levels(room_arrows(house)) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "from bge_rerank.data.labelled import Query",
        "import bge_rerank.data.labelled",
        "from bge_rerank.data import labelled",
        "from ..data import labelled",
        "def load():\n    from bge_rerank.data.labelled import Query",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import bge_rerank.data.labelled",
    ],
)
def test_an_import_that_runs_up_is_found_wherever_it_stands(
    small_house: Path, statement: str
) -> None:
    (small_house / "models" / "third.py").write_text(f"{statement}\n")
    assert imports_up(read(small_house.parent)) == [
        "bge_rerank.models.third imports bge_rerank.data.labelled, which is not below it"
    ]


def test_an_import_between_rooms_of_one_floor_is_found(small_house: Path) -> None:
    (small_house / "display").mkdir()
    (small_house / "display" / "html.py").write_text("import bge_rerank.data.labelled\n")
    assert imports_up(read(small_house.parent)) == [
        "bge_rerank.display.html imports bge_rerank.data.labelled, which is not below it"
    ]


def test_the_adapter_packages_are_above_the_core(small_house: Path) -> None:
    adapter = small_house.parent / "langchain_bge_rerank"
    adapter.mkdir()
    (adapter / "compressor.py").write_text("import bge_rerank.data.labelled\n")
    assert imports_up(read(small_house.parent)) == []
    (small_house / "data" / "third.py").write_text("import langchain_bge_rerank.compressor\n")
    assert len(imports_up(read(small_house.parent))) == 1


def test_a_circle_between_rooms_is_found_even_without_a_circle_of_files(small_house: Path) -> None:
    (small_house / "models" / "third.py").write_text("import bge_rerank.data.third\n")
    assert rings(read(small_house.parent)) == ["imports in a circle: data, models"]


def test_a_circle_between_files_of_a_room_is_found(small_house: Path) -> None:
    (small_house / "data" / "third.py").write_text("import bge_rerank.data.labelled\n")
    (small_house / "data" / "labelled.py").write_text("from bge_rerank.data.third import a\n")
    assert faults(small_house) == [
        "imports in a circle: bge_rerank.data.labelled, bge_rerank.data.third"
    ]


def test_an_import_of_a_framework_is_found_unless_it_waits_in_a_function(small_house: Path) -> None:
    lines = (
        "import json",
        "try:",
        "    import llama_index.core",
        "except ImportError:",
        "    pass",
    )
    (small_house / "data" / "third.py").write_text("\n".join(lines))
    (small_house / "data" / "config.py").write_text("def f():\n    import llama_index.core")
    assert with_a_framework(read(small_house.parent)) == {"bge_rerank.data.third"}


@pytest.mark.parametrize("path", ["loose.py", "attic/trunk.py"])
def test_a_file_outside_a_room_is_found(small_house: Path, path: str) -> None:
    (small_house / path).parent.mkdir(exist_ok=True)
    (small_house / path).write_text("")
    assert faults(small_house) == [f"bge_rerank/{path} stands in no room"]


def test_a_room_that_is_too_small_or_too_large_is_found(small_house: Path) -> None:
    (small_house / "data" / "third.py").unlink()
    assert faults(small_house) == ["data has 2 files; give a room 3 to 20"]
    for number in range(19):
        (small_house / "data" / f"file{number}.py").write_text("")
    assert faults(small_house) == ["data has 21 files; give a room 3 to 20"]


def test_a_room_that_does_not_introduce_itself_is_found(small_house: Path) -> None:
    introduction = small_house / "data" / "__init__.py"
    introduction.write_text('"""A room"""\n')
    assert faults(small_house) == [
        "bge_rerank/data/__init__.py does not say what the room is for",
        "bge_rerank/data/__init__.py does not say what it may import: `models` and below",
        "bge_rerank/data/__init__.py does not say in which of its files to start reading",
    ]
    introduction.unlink()
    assert faults(small_house) == ["data has no __init__.py"]


def test_functions_are_measured_without_their_docstrings(small_house: Path) -> None:
    function = 'def load():\n    """Load.\n\n    Twice.\n    """\n    return 1\n'
    (small_house / "data" / "third.py").write_text(function)
    assert function_lines(read(small_house.parent)) == [2]


def test_an_option_is_counted_in_each_file_that_names_it(small_house: Path) -> None:
    (small_house / "models" / "config.py").write_text(
        "class ModelOptions:\n    top_n: int = 3\n    _kept: int = 0\n"
    )
    names = {"config": "print(top_n)", "labelled": "print(top_n=1)", "third": "a['top_n'] = a.b"}
    for name, text in names.items():
        (small_house / "data" / f"{name}.py").write_text(f"{text}\n")
    assert option_files(read(small_house.parent)) == {"top_n": 4}


@pytest.mark.parametrize("room", PUBLIC)
def test_a_public_room_has_the_names_of_its_all_and_no_others(room: str) -> None:
    module = import_module(f"bge_rerank.{room}")
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name
