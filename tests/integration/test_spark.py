"""The recipe for Spark on the page about Ray gives the rows of `rerank_table`, in Spark's local mode."""

import re
import shutil
from pathlib import Path

import pytest

from batches import read, rows, write_jsonl, write_parquet
from bge_rerank import Reranker, load_scorer
from bge_rerank.batch import run_batch
from environments import CONSTRAINTS, ROOT, environment, run

RECIPE = ROOT / "docs" / "ray.md"
IN_ARROW = """
def reranked_batches(batches):
    for batch in batches:
        yield from rerank_table(reranker, pa.Table.from_batches([batch])).to_batches()

rows.mapInArrow(reranked_batches, SCHEMA).write.parquet("out-arrow")
"""


def recipe() -> str:
    """Return the recipe, with all candidates and in a precision that does not depend on the machine."""
    blocks = re.findall(r"```python\n(.*?)```", RECIPE.read_text(encoding="utf-8"), re.DOTALL)
    [code] = [block for block in blocks if "mapInPandas" in block]
    given = 'Reranker("mini", top_n=10)'
    assert given in code
    return code.replace(given, 'Reranker("mini", top_n=None, dtype="float32", backend="torch")')


@pytest.mark.long
@pytest.mark.skipif(
    shutil.which("java") is None, reason="needs Java 17 (apt-get install openjdk-17-jre)"
)
def test_spark_writes_the_rows_of_a_batch(tmp_path: Path) -> None:
    python = environment(
        tmp_path / "environment",
        *CONSTRAINTS,
        f"{ROOT}[torch,batch]",
        ROOT / "mini",
        "-r",
        ROOT / "tests" / "requirements" / "spark.txt",
    )
    given = rows(40)
    given[7]["candidates"] = []
    given[39]["query"] = " "
    for row in given:
        row["candidates"] = [each["passage"] for each in row["candidates"]]
        del row["day"]
    write_parquet(tmp_path / "rows.parquet", given)
    start = "import os, sys\nos.environ['PYSPARK_PYTHON'] = sys.executable\n"
    run(python, "-c", start + recipe() + IN_ARROW, cwd=tmp_path)
    reranker = Reranker(load_scorer("mini", "torch", dtype="float32"), top_n=None)
    run_batch(reranker, write_jsonl(tmp_path / "a.jsonl", given), tmp_path / "batch")
    expected = {row["id"]: row for row in read(tmp_path / "batch" / "part-000000.jsonl")}
    reasons = {row["id"]: row["reason"] for row in read(tmp_path / "batch" / "errors.jsonl")}
    for output in ("out", "out-arrow"):
        found = [row for part in (tmp_path / output).glob("*.parquet") for row in read(part)]
        assert sorted(row["id"] for row in found) == sorted(row["id"] for row in given)
        told = {row["id"]: row["rerank_error"] for row in found if row["rerank_error"]}
        assert told == reasons
        assert len(told) == 2
        for row in found:
            if row["rerank_error"]:
                assert row["candidates"] is None
                continue
            for each, same in zip(
                row["candidates"], expected[row["id"]]["candidates"], strict=True
            ):
                assert each["logit"] == pytest.approx(same["logit"], abs=1e-4)
                assert {**each, "logit": 0, "rerank_score": 0} == {
                    **same,
                    "logit": 0,
                    "rerank_score": 0,
                }
