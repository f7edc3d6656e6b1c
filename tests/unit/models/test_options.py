"""Options are declared once. Functions, adapters and documentation are derived from the declarations."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bge_rerank import ConfigurationError, Reranker, load_scorer
from bge_rerank.adapters.options import AdapterOptions
from bge_rerank.adapters.settings import RerankerSettings
from bge_rerank.models.config import AskOptions, LoadOptions, ModelOptions, ScorerConfig
from bge_rerank.models.options import Checked, Option, declared, option, options, takes, whole_from
from bge_rerank.ranking.options import RankOptions, RerankerOptions
from bge_rerank.server.options import Limits, PassOptions
from langchain_bge_rerank import BGERerankerCompressor
from llamaindex_bge_rerank import BGERerankerPostprocessor

ROOT = Path(__file__).parents[3]
PACKAGES = ("bge_rerank", "langchain_bge_rerank", "llamaindex_bge_rerank")
CLASSES = (ModelOptions, RankOptions, AdapterOptions, LoadOptions, AskOptions, PassOptions, Limits)
OPTIONS = declared(*CLASSES)
NAMES = {each.name for each in declared(*CLASSES[:5])}
NO_OPTIONS = {
    "bge_rerank/server/schemas.py": "requests in the wire formats of other servers",
    "bge_rerank/backends/http/server_info.py": "a server's description of itself",
    "bge_rerank/scoring/identity.py": "the description of a scorer",
    "bge_rerank/evaluation/result.py": "how a model ran",
    "bge_rerank/cli/bench/settings.py": "the device of the contenders",
    "bge_rerank/evaluation/evaluate.py": "the latency budget of a depth",
    "bge_rerank/evaluation/verdict.py": "the latency budget of a depth",
}
"""Files in which an option's name means something else, and what it means."""


@options
class Room(Checked):
    beds: int = option(default=2, doc="How many beds.", check=whole_from(1))
    names: Any = option(default=None, doc="Who sleeps there.")


@takes(Room)
def book(**room: Any) -> Room:
    return Room(**room)


def test_a_value_that_cannot_work_is_refused_with_name_value_and_remedy() -> None:
    with pytest.raises(ConfigurationError, match=r"^beds is 0; pass a whole number of 1 or more$"):
        Room(beds=0)


def test_a_path_becomes_a_string() -> None:
    assert Room(names=Path("a/b")).names == "a/b"


def test_a_list_becomes_a_tuple_so_that_options_can_be_compared_and_hashed() -> None:
    assert Room(names=["a", "b"]) == Room(names=("a", "b"))
    assert hash(Room(names=["a"])) == hash(Room(names=("a",)))


def test_a_function_takes_its_declared_options_and_its_error_for_others_names_the_function() -> (
    None
):
    assert book(beds=3) == Room(beds=3)
    assert [*inspect.signature(book).parameters] == ["beds", "names"]
    with pytest.raises(TypeError, match=r"book\(\) got an unexpected keyword argument 'xy'$"):
        book(xy=3)


def test_a_misspelt_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match=r"argument 'bed' \(did you mean 'beds'\?\)$"):
        book(beds=1, bed=3)
    with pytest.raises(TypeError, match=r"argument 'dtyp' \(did you mean 'dtype'\?\)$"):
        load_scorer("mini", dtyp="float32")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="too many positional arguments$"):
        book(1, bed=3)  # type: ignore[call-arg]


def defaults_of(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def declared_defaults(*classes: type) -> dict[str, Any]:
    return {each.name: each.default for each in declared(*classes)}


def test_load_scorer_takes_the_options_for_models_for_loading_and_for_servers() -> None:
    expected = declared_defaults(ModelOptions, LoadOptions, AskOptions)
    assert defaults_of(load_scorer) == expected == declared_defaults(ScorerConfig)


def test_a_reranker_takes_the_options_for_models_and_for_ranking() -> None:
    expected = declared_defaults(ModelOptions, RankOptions)
    assert defaults_of(Reranker) == expected == declared_defaults(RerankerOptions)


@pytest.mark.parametrize("adapter", [BGERerankerCompressor, BGERerankerPostprocessor])
def test_an_adapter_takes_the_options_for_models_for_ranking_and_for_adapters(
    adapter: type[RerankerSettings],
) -> None:
    expected = declared_defaults(ModelOptions, RankOptions, AdapterOptions)
    fields = adapter.model_fields
    assert {name: fields[name].default for name in expected} == expected
    docs = {each.name: each.doc for each in declared(ModelOptions, RankOptions, AdapterOptions)}
    assert {name: fields[name].description for name in docs} == docs


@pytest.mark.parametrize("taking", [BGERerankerCompressor, BGERerankerPostprocessor])
def test_the_common_options_come_first(taking: Any) -> None:
    first = ["model_name", "backend", "device", "top_n", "score_threshold"]
    ours = [name for name in inspect.signature(taking).parameters if name in NAMES]
    assert ours[:5] == first


def test_the_page_of_options_agrees_with_the_declarations() -> None:
    sys.path.append(str(ROOT / "tools"))
    from options import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page(), "run `make options`"


@cache
def parsed_files() -> list[tuple[str, ast.Module]]:
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in paths
    ]


def named_defaults(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield parameters of functions and fields of classes that have a default, by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            both = [*node.posonlyargs, *node.args]
            for parameter, default in zip(both[::-1], node.defaults[::-1], strict=False):
                yield parameter.arg, default
            for parameter, value in zip(node.kwonlyargs, node.kw_defaults, strict=True):
                if value is not None:
                    yield parameter.arg, value
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and field.value is not None:
                    yield ast.unparse(field.target), field.value


def is_declaration(value: ast.expr) -> bool:
    """Return whether a default declares an option, or refers to the declared default."""
    if isinstance(value, ast.Attribute):
        return ast.unparse(value.value).endswith("Options")
    return isinstance(value, ast.Call) and ast.unparse(value.func) in ("option", "again")


def test_the_default_of_an_option_is_written_only_once() -> None:
    again = [
        f"{path}: {name} = {ast.unparse(value)}"
        for path, tree in parsed_files()
        if path not in NO_OPTIONS
        for name, value in named_defaults(tree)
        if name in NAMES and not is_declaration(value)
    ]
    assert again == []


@cache
def strings() -> list[str]:
    nodes = (node for _, tree in parsed_files() for node in ast.walk(tree))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return [" ".join(text.split()) for text in texts if isinstance(text, str)]


@pytest.mark.parametrize("each", OPTIONS, ids=lambda each: each.name)
def test_the_description_of_an_option_is_written_only_once(each: Option) -> None:
    doc = " ".join(each.doc.split())
    assert sum(doc in text for text in strings()) == 1
