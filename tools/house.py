"""Print measures of the package's structure: files, rooms, imports, functions, and the files of an option.

A room is a folder of the package. The rooms stand on floors, and a file may import only from its own room and
from lower floors. Run from the root: `make house`. `tests/unit/test_house.py` fails if a rule is broken.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median, quantiles

FLOORS = (
    ("cli",),
    ("cli.commands",),
    ("cli.bench", "cli.capacity", "cli.demo"),
    ("ray",),
    ("server", "batch", "evaluation.report", "langchain_bge_rerank", "llamaindex_bge_rerank"),
    ("adapters", "evaluation", "bge_rerank"),
    ("ranking",),
    ("calibration",),
    ("scoring",),
    ("export",),
    (
        "backends.torch",
        "backends.exported",
        "backends.flag",
        "backends.http",
        "backends.sentence_transformers",
    ),
    ("backends.encoder",),
    ("backends",),
    ("data", "display"),
    ("models",),
    ("ground",),
)
"""The floors, from the top to the ground. A file imports from its own room and from lower floors.

`bge_rerank` is the file `bge_rerank/__init__.py`. `ground` is the other files in `GROUND`.
"""

GROUND = ("__init__", "types", "errors", "extras", "inputs", "logits", "logs", "windows")
"""The only files that stand in no room."""

PACKAGES = ("bge_rerank", "langchain_bge_rerank", "llamaindex_bge_rerank")
OPTION_FILES = ("config.py", "options.py", "settings.py")
OPTION_CLASSES = ("Options", "Config", "Settings")

OPTION_HOLDERS = (
    "config",
    "options",
    "ModelOptions",
    "LoadOptions",
    "RankOptions",
    "AdapterOptions",
)
"""The names of objects and classes that hold options."""

Arrows = Mapping[str, set[str]]
"""For each file or room, the files or rooms that it imports."""


@dataclass(frozen=True)
class Source:
    """A source file: its path below the root, its number of lines, and its syntax tree."""

    path: Path
    lines: int
    tree: ast.Module

    @property
    def module(self) -> str:
        """The module's name."""
        return ".".join(self.path.with_suffix("").parts).removesuffix(".__init__")

    @property
    def room(self) -> str:
        """The room of the file, or `outside` if it is in none."""
        package, *folders = self.path.parent.parts
        if package != PACKAGES[0]:
            return package
        if folders:
            room = ".".join(folders)
            return room if any(room in floor for floor in FLOORS) else "outside"
        if self.path.stem == "__init__":
            return package
        return "ground" if self.path.stem in GROUND else "outside"

    def imports(self) -> Iterator[str]:
        """Yield every imported name: at module level, in functions, and for type checkers."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                parents = self.path.with_suffix("").parts[: -node.level] if node.level else ()
                module = ".".join([*parents, *filter(None, [node.module])])
                yield from (f"{module}.{alias.name}" for alias in node.names)

    def names(self) -> set[str]:
        """Return all identifiers, attributes, keywords and strings."""
        fields = ("id", "attr", "arg", "value")
        found = (getattr(node, field, None) for node in ast.walk(self.tree) for field in fields)
        return {name for name in found if isinstance(name, str)}


def read(root: Path) -> list[Source]:
    """Return the source files of the three packages below a root."""
    paths = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    texts = {path.relative_to(root): path.read_text(encoding="utf-8") for path in paths}
    return [Source(path, len(text.splitlines()), ast.parse(text)) for path, text in texts.items()]


def file_arrows(sources: Sequence[Source]) -> dict[str, set[str]]:
    """Return the imports between modules. `from a import b` counts as an import of `a.b` if that is a module."""
    modules = {source.module for source in sources}
    return {
        source.module: {
            found
            for name in source.imports()
            for found in [name if name in modules else name.rpartition(".")[0]]
            if found in modules and found != source.module
        }
        for source in sources
    }


def room_arrows(sources: Sequence[Source]) -> dict[str, set[str]]:
    """Return the imports between rooms."""
    room_of = {source.module: source.room for source in sources}
    arrows: dict[str, set[str]] = {room: set() for room in room_of.values()}
    for module, imported in file_arrows(sources).items():
        arrows[room_of[module]] |= {room_of[each] for each in imported} - {room_of[module]}
    return arrows


def circles(arrows: Arrows) -> list[tuple[str, ...]]:
    """Return the groups of nodes that reach each other.

    >>> circles({"a": {"b"}, "b": {"a"}, "c": {"a"}})
    [('a', 'b')]
    """
    reached = {node: _reached(node, arrows) for node in arrows}
    return sorted(
        {
            tuple(sorted(other for other in reached[node] if node in reached[other]))
            for node in arrows
            if node in reached[node]
        }
    )


def _reached(start: str, arrows: Arrows) -> set[str]:
    seen: set[str] = set()
    ahead = list(arrows[start])
    while ahead:
        node = ahead.pop()
        if node not in seen:
            seen.add(node)
            ahead += arrows[node]
    return seen


def levels(arrows: Arrows) -> int | None:
    """Return the number of levels that the arrows need, or `None` if they form a circle.

    >>> levels({"a": {"b"}, "b": set(), "c": {"a", "b"}})
    3
    """
    sorter = TopologicalSorter(arrows)
    try:
        sorter.prepare()
    except CycleError:
        return None
    count = 0
    while sorter.is_active():
        sorter.done(*sorter.get_ready())
        count += 1
    return count


def floor_of(room: str) -> int:
    """Return the number of a room's floor, counted from the ground."""
    return next(number for number, floor in enumerate(reversed(FLOORS)) if room in floor)


def arrows_up(sources: Sequence[Source]) -> list[str]:
    """Return the imports that do not go to a lower floor, as `file imports file`."""
    room_of = {source.module: source.room for source in sources}
    return [
        f"{module} imports {each}"
        for module, imported in file_arrows(sources).items()
        for each in sorted(imported)
        if "outside" not in (room_of[module], room_of[each]) and room_of[module] != room_of[each]
        if floor_of(room_of[module]) <= floor_of(room_of[each])
    ]


def room_sizes(sources: Sequence[Source]) -> dict[str, int]:
    """Return the size of each room: the number of its files except `__init__.py`, and of the rooms in it."""
    rooms = [source.room for source in sources if source.path.stem != "__init__"]
    inner = [room.rpartition(".")[0] for room in sorted(set(rooms)) if "." in room]
    counted = [*rooms, *inner]
    return {room: counted.count(room) for floor in FLOORS for room in floor if room in counted}


def option_files(sources: Sequence[Source]) -> dict[str, int]:
    """Return the number of source files that name each option."""
    named = [source.names() for source in sources]
    return {option: sum(option in names for names in named) for option in _options(sources)}


def option_readers(sources: Sequence[Source]) -> dict[str, int]:
    """Return the number of source files that read each option, as in `config.NAME` or `self.options.NAME`.

    The other files that name it mean something else by the word, such as the device of a tensor, or pass it on.
    """
    read = [
        {
            node.attr
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Attribute) and _last_name(node.value) in OPTION_HOLDERS
        }
        for source in sources
    ]
    return {option: sum(option in names for names in read) for option in _options(sources)}


def _last_name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _options(sources: Sequence[Source]) -> list[str]:
    """Return the fields of the classes that declare options."""
    fields = [
        field.target.id
        for source in sources
        if source.path.name in OPTION_FILES and source.room in ("models", "ranking", "adapters")
        for node in source.tree.body
        if isinstance(node, ast.ClassDef) and node.name.endswith(OPTION_CLASSES)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    ]
    return sorted({name for name in fields if not name.startswith("_")})


def function_lines(sources: Sequence[Source]) -> list[int]:
    """Return the number of lines of each function, without its docstring."""
    return [
        _lines(node) - (_lines(node.body[0]) if ast.get_docstring(node) else 0)
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def main(root: Path) -> None:
    """Print the measures of the packages below a root."""
    sources = read(root)
    lines = [source.lines for source in sources]
    functions, named = function_lines(sources), option_files(sources)
    loose = [str(source.path) for source in sources if source.room == "outside"]
    found = [*circles(room_arrows(sources)), *circles(file_arrows(sources))]
    print(f"source files: {len(sources)}")
    print(f"source lines: {sum(lines)}")
    print(f"lines of a file, median: {median(lines):g}")
    print(
        f"lines of a function: median {median(functions):g}, 95th percentile "
        f"{quantiles(functions, n=20)[-1]:g}, longest {max(functions)} ({len(functions)} functions)"
    )
    print(f"levels of imports between rooms: {levels(room_arrows(sources)) or 'none, in a circle'}")
    _print_list("circles of imports", [", ".join(circle) for circle in found])
    _print_list("imports that do not go to a lower floor", arrows_up(sources))
    _print_list("files outside the rooms", loose)
    _print_table("number of files in each room", room_sizes(sources))
    _print_table("number of files that name each option", named)
    _print_table("number of files that read each option", option_readers(sources))


def _print_list(title: str, lines: list[str]) -> None:
    print(f"{title}: {len(lines)}", *(f"  {line}" for line in lines), sep="\n")


def _print_table(title: str, numbers: Mapping[str, int]) -> None:
    print(f"{title}: {len(numbers)}")
    for name, number in sorted(numbers.items(), key=lambda each: -each[1]):
        print(f"  {number:3d} {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
