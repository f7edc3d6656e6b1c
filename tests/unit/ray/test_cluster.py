"""Actors leave a CPU to read and write rows, and a cluster that cannot hold them is refused."""

import pytest

from bge_rerank import ConfigurationError
from bge_rerank.ray.cluster import Actors, Node, actor_cpus, checked_actors, nodes_of


@pytest.mark.parametrize(
    ("nodes", "actors", "cpus"),
    [
        ([Node(2)], Actors(1, 1), 1),
        ([Node(2)], Actors(2, 2), 0.5),
        ([Node(1)], Actors(1, 1), 0),
        ([Node(16)], Actors(1, 1), 15),
        ([Node(16)], Actors(1, 4), 3),
        ([Node(16), Node(16)], Actors(2, 2), 15),
        ([Node(2), Node(2)], Actors(3, 3), 1),
        ([Node(16, gpus=4)], Actors(4, 4, gpus=1), 1),
        ([Node(16, gpus=1)], Actors(4, 4, gpus=0.25), 1),
        ([Node(4, gpus=4)], Actors(4, 4, gpus=1), 0.5),
        ([Node(8), Node(8, gpus=2)], Actors(2, 2, cpus=4, gpus=1), 4),
    ],
)
def test_an_actor_reserves_a_share_that_leaves_a_cpu(
    nodes: list[Node], actors: Actors, cpus: float
) -> None:
    assert actor_cpus(nodes, actors) == cpus


@pytest.mark.parametrize(
    ("nodes", "actors", "message"),
    [
        ([Node(2)], Actors(2, 2, cpus=1), "2 CPUs and 0 GPUs on 1 nodes, too few for 2 actors with 1 CPUs"),
        ([Node(2)], Actors(1, 2, cpus=1), "too few for 2 actors with 1 CPUs"),
        ([Node(4)], Actors(1, 1, cpus=4), "pass fewer actors or a smaller num_cpus, or start Ray with more"),
        ([Node(2), Node(2)], Actors(2, 2, cpus=1.5), "and a CPU to read and write rows; pass"),
        ([Node(0.5)], Actors(1, 1), "too few for 1 actors with 0 CPUs each and a CPU"),
        ([Node(8)], Actors(1, 1, gpus=1), "too few for 1 actors with 1 GPUs each; pass fewer actors"),
        ([Node(8, gpus=1)], Actors(2, 2, gpus=0.6), "too few for 2 actors with 0.6 GPUs each"),
        ([], Actors(1, 1), "0 CPUs and 0 GPUs on 0 nodes"),
    ],
)  # fmt: skip
def test_a_cluster_without_room_is_refused(nodes: list[Node], actors: Actors, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        actor_cpus(nodes, actors)


@pytest.mark.parametrize("actors", [0, -1, (0, 2), (3, 2), (1, 2, 3), 1.5, "2", None])
def test_a_wrong_number_of_actors_is_refused(actors: object) -> None:
    with pytest.raises(ConfigurationError, match="pass 1 or more, or the fewest and the most as"):
        checked_actors(actors, None, 0)


@pytest.mark.parametrize(
    ("cpus", "gpus", "message"),
    [(-1, 0, "num_cpus is -1"), (None, -0.5, "num_gpus is -0.5"), (float("nan"), 0, "num_cpus is nan")],
)  # fmt: skip
def test_wrong_cpus_and_gpus_are_refused(cpus: float | None, gpus: float, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        checked_actors(1, cpus, gpus)


def test_nodes_that_are_gone_do_not_count() -> None:
    told = [
        {"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0, "memory": 1.0}},
        {"Alive": False, "Resources": {"CPU": 8.0}},
        {"Alive": True, "Resources": {}},
    ]
    assert nodes_of(told) == [Node(4, 1), Node(0, 0)]
