"""The CPUs of a cluster: how many an actor reserves, so that one is left to read and to write rows.

Ray waits without a word for an actor that no node can hold. It waits the same way if actors hold all CPUs,
because the tasks that read and write rows need one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bge_rerank.errors import ConfigurationError
from bge_rerank.inputs import shown_value

TASK_CPUS = 1
"""The CPUs of a task of Ray Data, which reads or writes rows."""
SHARES = (0.5, 0.25, 0.1, 0.0)
"""The parts of a CPU that an actor reserves in a small cluster."""


@dataclass(frozen=True, slots=True)
class Node:
    """The CPUs and GPUs of a node."""

    cpus: float
    gpus: float = 0.0

    def holds(self, actors: Actors, cpus: float, beside: float = 0) -> float:
        """Return the number of actors that fit onto the node, beside other CPUs that are reserved."""
        if self.cpus < beside:
            return 0
        by_cpus = (self.cpus - beside) // cpus if cpus else actors.most
        return min(by_cpus, self.gpus // actors.gpus if actors.gpus else actors.most)


@dataclass(frozen=True, slots=True)
class Actors:
    """The actors that score.

    Attributes:
        least: The fewest actors.
        most: The most actors.
        cpus: The CPUs that each reserves; `None` for an equal share.
        gpus: The GPUs that each reserves.
    """

    least: int
    most: int
    cpus: float | None = None
    gpus: float = 0.0


def checked_actors(actors: object, num_cpus: float | None, num_gpus: float) -> Actors:
    """Return the given numbers after a check.

    Raises:
        ConfigurationError: They cannot work.

    >>> checked_actors((1, 4), None, 0)
    Actors(least=1, most=4, cpus=None, gpus=0)
    >>> checked_actors(0, None, 0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: actors is 0; pass 1 or more, or the fewest and the most as (1, 4)
    """
    match actors:
        case (int(least), int(most)) | (int(least) as most) if 1 <= least <= most:
            pass
        case _:
            raise ConfigurationError(
                f"actors is {shown_value(actors)}; pass 1 or more, or the fewest and the most as (1, 4)"
            )
    if num_cpus is not None and not num_cpus >= 0:  # so that NaN is refused too
        raise ConfigurationError(
            f"num_cpus is {num_cpus}; pass 0 or more, or None for an equal share of the cluster"
        )
    if not num_gpus >= 0:
        raise ConfigurationError(f"num_gpus is {num_gpus}; pass 0 for the CPU, or more")
    return Actors(least, most, num_cpus, num_gpus)


def nodes_of(resources: Sequence[dict[str, Any]]) -> list[Node]:
    """Return the nodes that `ray.nodes()` describes, without those that are gone."""
    alive = [node["Resources"] for node in resources if node["Alive"]]
    return [Node(each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in alive]


def actor_cpus(nodes: Sequence[Node], actors: Actors) -> float:
    """Return the CPUs that each actor reserves: those wanted, or an equal share.

    Shares are whole CPUs if possible, and leave a CPU. An actor with a GPU reserves one CPU.

    Raises:
        ConfigurationError: The most actors do not fit onto the nodes, or leave no CPU to read and write rows.

    >>> actor_cpus([Node(16)], Actors(3, 3)), actor_cpus([Node(2)], Actors(2, 2))
    (5.0, 0.5)
    """
    wanted = [actors.cpus] if actors.cpus is not None else _shares(nodes, actors)
    found = next((cpus for cpus in wanted if _leaves_a_task(nodes, actors, cpus)), None)
    if found is None:
        raise _too_small(nodes, actors, min(wanted))
    return found


def _shares(nodes: Sequence[Node], actors: Actors) -> list[float]:
    """Return the CPUs that an actor may reserve, the most first."""
    left = sum(node.cpus for node in nodes) - TASK_CPUS
    most = 1 if actors.gpus else int(left // actors.most)
    return [*map(float, range(most, 0, -1)), *SHARES]


def _leaves_a_task(nodes: Sequence[Node], actors: Actors, cpus: float) -> bool:
    """Whether all actors fit onto the nodes while one of the nodes runs a task."""
    held = [node.holds(actors, cpus) for node in nodes]
    return any(
        sum(held) - held[place] + node.holds(actors, cpus, TASK_CPUS) >= actors.most
        for place, node in enumerate(nodes)
        if node.cpus >= TASK_CPUS
    )


def _too_small(nodes: Sequence[Node], actors: Actors, cpus: float) -> ConfigurationError:
    all_cpus, all_gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    there = f"the cluster has {all_cpus:g} CPUs and {all_gpus:g} GPUs on {len(nodes)} nodes"
    if sum(node.holds(actors, 0) for node in nodes) < actors.most:
        return ConfigurationError(
            f"{there}, too few for {actors.most} actors with {actors.gpus:g} GPUs each; pass fewer actors or a "
            "smaller num_gpus, or add nodes"
        )
    return ConfigurationError(
        f"{there}, too few for {actors.most} actors with {cpus:g} CPUs each and a CPU to read and write rows; pass "
        "fewer actors or a smaller num_cpus, or start Ray with more CPUs"
    )
