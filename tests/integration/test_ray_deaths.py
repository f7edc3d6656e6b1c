"""Jobs of Ray Data whose process or node dies. Each of these tests has clusters of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from batches import Words, by_batch, by_id, given_rows, write_parquet, written
from bge_rerank import Reranker
from bge_rerank.ray import rerank
from ray_clusters import PATHS, cluster, job

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.mark.long
def test_a_killed_job_goes_on(tmp_path: Path) -> None:
    source, output = write_parquet(tmp_path / "a.parquet", given_rows(600)), tmp_path / "out"
    expected = by_batch(source, tmp_path / "batch", Reranker(Words(), top_n=2))
    command = [sys.executable, str(SUPPORT / "ray_clusters.py"), str(source), str(output)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)}
    for _ in range(2):
        done = len(list(output.glob("*.parquet")))
        process = subprocess.Popen(command, env=environment)
        while process.poll() is None and len(list(output.glob("*.parquet"))) < done + 4:
            time.sleep(0.02)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert process.wait() == -9, "the job ended before it was killed; make it longer"
        _, alive = psutil.wait_procs(children, timeout=5)
        for agent in alive:  # Ray's agents look for their cluster for a minute
            agent.kill()
    with cluster():
        result = job(str(source), str(output))
    assert result.continued >= 2 * 3 * 20
    assert (result.rows, result.failures) == (600, 2)
    assert by_id(written(output)) == expected


@pytest.mark.long
def test_rows_of_a_node_that_dies_are_scored_by_another(tmp_path: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    source = write_parquet(tmp_path / "a.parquet", given_rows(400))
    expected = by_batch(source, tmp_path / "batch", Reranker(Words(), top_n=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(PATHS))
        node = {"num_cpus": 2, "object_store_memory": 100 * 2**20}
        nodes = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
        try:
            dying = nodes.add_node(**node)
            ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
            from ray_clusters import Slow, quiet

            quiet()
            dataset = ray.data.read_parquet(str(source)).repartition(40)
            reranked = rerank(
                dataset, Reranker(Slow(), top_n=2), actors=2, num_cpus=1, batch_size=10
            )
            found = []
            for row in reranked.iter_rows():
                found.append(row)
                if len(found) == 50:
                    assert len([each for each in ray.nodes() if each["Alive"]]) == 2
                    nodes.remove_node(dying, allow_graceful=False)
        finally:
            ray.shutdown()
            nodes.shutdown()
    assert by_id(found) == expected
