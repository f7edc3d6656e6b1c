"""Ray Data on a cluster of two CPUs: each row once, with the scores of `batch`, also after a death."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from batches import Words, by_batch, by_id, given_rows, rows, write_parquet, written
from bge_rerank import ConfigurationError, InvalidInputError, Reranker, load_scorer
from bge_rerank.ray import WriteResult, rerank, write_reranked
from ray_clusters import DiesOnce, cluster


@pytest.fixture(scope="module")
def ray(pytestconfig: pytest.Config) -> Iterator[Any]:
    """Yield Ray, which has two CPUs. No process of it is there afterwards."""
    if pytestconfig.getoption("quick"):
        pytest.skip("not quick: starts a cluster")
    import ray

    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", "")
        with cluster():
            yield ray
    left = [each for each in psutil.Process().children(recursive=True) if each.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=10)
    assert not alive


def test_two_actors_give_the_rows_of_a_batch_although_one_is_killed(
    ray: Any, tmp_path: Path
) -> None:
    source = write_parquet(tmp_path / "a.parquet", given_rows(240))
    expected = by_batch(source, tmp_path / "batch", Reranker(Words(), top_n=2))
    reranker = Reranker(DiesOnce(tmp_path / "died", call=3), top_n=2)
    dataset = ray.data.from_items(given_rows(240), override_num_blocks=12)
    found = rerank(dataset, reranker, actors=2, batch_size=5).take_all()
    assert (tmp_path / "died").exists()
    assert by_id(found) == expected
    assert found[0].keys() == {*given_rows(6)[0], "rerank_error"}


@pytest.mark.long
def test_a_job_goes_on_where_it_was_stopped(ray: Any, tmp_path: Path) -> None:
    source, output = write_parquet(tmp_path / "a.parquet", given_rows(60)), tmp_path / "out"
    reranker = Reranker(Words(), top_n=2)
    expected = by_batch(source, tmp_path / "batch", reranker)
    dataset = ray.data.from_items(given_rows(60), override_num_blocks=2)
    first = write_reranked(dataset, reranker, output, rows_per_file=20)
    assert first == WriteResult(rows=60, failures=2, continued=0)
    assert by_id(written(output)) == expected
    # As a killed job leaves the folder: a file is missing, and another is not whole.
    kept, cut, missing, *more = sorted(output.glob("*.parquet"))
    before = {path: path.read_bytes() for path in (kept, *more)}
    missing.unlink()
    os.truncate(cut, cut.stat().st_size // 2)
    left = pq.read_table(list(before)).num_rows
    again = write_reranked(dataset, reranker, output, rows_per_file=20)
    assert again == WriteResult(rows=60, failures=2, continued=left)
    assert by_id(written(output)) == expected
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.long
def test_a_folder_that_two_jobs_wrote_into_at_the_same_time_is_refused(
    ray: Any, tmp_path: Path
) -> None:
    dataset, output = ray.data.from_items(rows(6)), tmp_path / "out"
    write_reranked(dataset, Reranker(Words()), output)
    [part] = output.glob("*.parquet")
    (output / "again.parquet").write_bytes(part.read_bytes())
    with pytest.raises(ConfigurationError, match="holds 12 rows with 6 ids for the 6 rows"):
        write_reranked(dataset, Reranker(Words()), output)


@pytest.mark.long
def test_ray_names_a_file_that_was_truncated(ray: Any, tmp_path: Path) -> None:
    for name in "ab":
        write_parquet(tmp_path / f"{name}.parquet", rows(40))
    dataset = ray.data.read_parquet(str(tmp_path))
    os.truncate(tmp_path / "b.parquet", 1_000)
    with pytest.raises(ray.exceptions.RayError, match=r"Could not open .*/b.parquet"):
        rerank(dataset, Reranker(Words())).take_all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actors": 2, "num_cpus": 1}, "too few for 2 actors with 1 CPUs each and a CPU to read and"),
        ({"num_gpus": 1}, "the cluster has 2 CPUs and 0 GPUs on 1 nodes, too few for 1 actors with 1"),
        ({"actors": 0}, "actors is 0; pass 1 or more"),
        ({"batch_size": 0}, "batch_size is 0; pass a whole number of 1 or more"),
        ({"reranker": 3}, "reranker is 3; pass a Reranker, or the name of a model"),
        ({"reranker": Reranker(Words(), latency_budget_ms=9)}, "a batch scores all candidates"),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused_at_once(
    ray: Any, options: dict[str, Any], message: str
) -> None:
    dataset = ray.data.from_items(rows(2))
    with pytest.raises(ConfigurationError, match=message):
        rerank(dataset, **{"reranker": Reranker(Words()), **options})


def test_a_dataset_without_a_column_is_refused_at_once(ray: Any) -> None:
    dataset = ray.data.from_items([{"id": 1, "query": "q", "passages": ["a"]}])
    with pytest.raises(InvalidInputError, match="no column 'candidates', but 'id', 'query', 'pass"):
        rerank(dataset, "mini")


@pytest.mark.long
def test_the_scores_of_a_model_are_those_of_a_batch(ray: Any, tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "a.parquet", rows(100))
    reranker = Reranker(load_scorer("mini", "torch", dtype="float32"), top_n=None)
    expected = by_batch(source, tmp_path / "batch", reranker)
    dataset = ray.data.read_parquet(str(source)).repartition(10)
    found = by_id(rerank(dataset, reranker, actors=2, batch_size=10).take_all())
    assert found.keys() == expected.keys()
    for id_, candidates in found.items():
        alone = {each["index"]: each["logit"] for each in expected[id_]}
        assert {each["index"]: each["logit"] for each in candidates} == pytest.approx(
            alone, abs=1e-4
        )


@pytest.mark.long
@pytest.mark.parametrize("actors", [1, 2, (1, 2)])
def test_actors_that_fit_are_fed_by_tasks(ray: Any, tmp_path: Path, actors: Any) -> None:
    source = write_parquet(tmp_path / "a.parquet", rows(60))
    dataset = ray.data.read_parquet(str(source)).repartition(6).map(lambda row: row)
    result = write_reranked(dataset, Reranker(Words()), tmp_path / "out", actors=actors)
    assert result.rows == 60


@pytest.mark.long
def test_a_model_that_is_missing_is_named(ray: Any) -> None:
    dataset = ray.data.from_items(rows(2))
    with pytest.raises(
        ray.exceptions.RayError, match="the folder '/no/such' does not exist; check"
    ):
        rerank(dataset, Reranker("/no/such")).take_all()
