"""The output folder belongs to one job, its whole files count, and ids tell the rows apart."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batches import Words
from bge_rerank import ConfigurationError, InvalidInputError, Reranker
from bge_rerank.batch.settings import ranking_settings
from bge_rerank.ray.output import OutputFolder, unique_ids


def settings(**options: Any) -> dict[str, Any]:
    return ranking_settings(Reranker(Words(), **options))


def write(path: Path, ids: list[Any], failed: int = 0) -> None:
    errors = ["no query"] * failed + [None] * (len(ids) - failed)
    pq.write_table(pa.table({"id": ids, "rerank_error": pa.array(errors, pa.string())}), path)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("as_uri", [False, True])
def test_a_folder_is_made_and_opened_again(tmp_path: Path, as_uri: bool) -> None:
    output = tmp_path / "new" / "out"
    name = output.as_uri() if as_uri else str(output)
    for _ in range(2):
        OutputFolder.opened(name, settings(top_n=2))
        assert json.loads((output / "_settings.json").read_text())["settings"]["top_n"] == 2
        assert [path.name for path in output.iterdir()] == ["_settings.json"]


def test_a_folder_whose_first_run_was_killed_at_once_is_used(tmp_path: Path) -> None:
    (tmp_path / "_settings.json.tmp").write_text("{")
    OutputFolder.opened(str(tmp_path), settings())
    assert [path.name for path in tmp_path.iterdir()] == ["_settings.json"]


def test_other_settings_are_refused_and_nothing_changes(tmp_path: Path) -> None:
    OutputFolder.opened(str(tmp_path), settings(top_n=2))
    before = snapshot(tmp_path)
    message = "holds a job with other settings .top_n was 2 and is 1.; use the same settings, or"
    with pytest.raises(ConfigurationError, match=message):
        OutputFolder.opened(str(tmp_path), settings(top_n=1))
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "contents"),
    [("a.txt", b"mine"), ("a.parquet", b"mine"), ("_settings.json", b"mine"), ("_settings.json", b"[]")],
)  # fmt: skip
def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, name: str, contents: bytes
) -> None:
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(
        ConfigurationError, match=f"holds '{name}', which write_reranked did not write"
    ):
        OutputFolder.opened(str(tmp_path), settings())
    assert snapshot(tmp_path) == {name: contents}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"cannot write '.*/file/out' "):
        OutputFolder.opened(str(tmp_path / "file" / "out"), settings())


def test_files_that_are_whole_count_and_others_are_removed(tmp_path: Path) -> None:
    folder = OutputFolder.opened(str(tmp_path), settings())
    write(tmp_path / "a.parquet", [1, 2, 3], failed=1)
    write(tmp_path / "b.parquet", [4, 5], failed=2)
    write(tmp_path / "c.parquet", list(range(9, 200)))
    os.truncate(tmp_path / "c.parquet", 200)
    (tmp_path / "d.parquet").write_bytes(b"")
    found = folder.contents()
    assert (found.rows, len(found.ids), found.failures) == (5, 5, 3)
    assert snapshot(tmp_path).keys() == {"_settings.json", "a.parquet", "b.parquet"}


def test_rows_that_the_dataset_does_not_have_are_of_another_job(tmp_path: Path) -> None:
    folder = OutputFolder.opened(str(tmp_path), settings())
    write(tmp_path / "a.parquet", ["a", "b", "c"])
    contents = folder.contents()
    folder.check_known(contents, unique_ids([pa.array(["c", "b", "a", "d"])]))
    with pytest.raises(ConfigurationError, match="holds 2 rows with ids that the dataset does not"):
        folder.check_known(contents, unique_ids([pa.array(["c", "d"])]))
    with pytest.raises(ConfigurationError, match="holds 3 rows with ids that the dataset does not"):
        folder.check_known(contents, unique_ids([]))


def test_ids_are_strings_or_whole_numbers_that_occur_once() -> None:
    assert len(unique_ids([pa.array(["a", "b"]), pa.array(["c"])])) == 3
    assert len(unique_ids([pa.array([1, 2])])) == 2
    message = "2 rows have the 'id' of another row, for example 'a', 'b'; give each row an id"
    with pytest.raises(InvalidInputError, match=message):
        unique_ids([pa.array(["a", "b"]), pa.array(["a", "b", "c"])])


@pytest.mark.parametrize("ids", [["a", None], ["a", ""], [1.5, 2.5]])
def test_a_row_whose_id_cannot_be_used_is_named(ids: list[Any]) -> None:
    row = 1 if ids[0] == 1.5 else 2
    with pytest.raises(InvalidInputError, match=f"row {row} of the dataset has no 'id' that is a"):
        unique_ids([pa.array(ids)])
