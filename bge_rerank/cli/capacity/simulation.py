"""`simulate`: a queue in front of machines that gather requests as `bge-rerank serve` does.

Requests arrive at random (a Poisson process). A balancer sends each to a machine. The machine gathers
requests into passes by the rules of `scoring/passes.py`: a pass starts `wait` seconds after its first
request arrived, or when it is full, or as soon as the pass before it ends. Requests that are too large to
share run beside each other, at most `Rates.at_once`, and alternate turn by turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import simpy

from bge_rerank.cli.capacity.options import Balancer
from bge_rerank.cli.capacity.rates import Rates

REQUESTS = 4_000
"""The requests of a simulation: 40 of them are slower than the 99th percentile."""
WARM_UP = 0.2
"""The share of the requests that are left out, because the queue starts empty."""

Steps = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True)
class Load:
    """The requests that arrive, and the machines for them.

    Attributes:
        rate: The requests a second, of all machines together.
        machines: The number of machines.
        hits: The share of requests (0 to 1) whose scores are all in the cache.
        wait: The seconds that the first request of a pass waits for others.
    """

    rate: float
    machines: int = 1
    balancer: Balancer = "least-busy"
    hits: float = 0.0
    wait: float = 0.001

    def at(self, rate: float) -> Load:
        """Return the same load at another rate."""
        return replace(self, rate=rate)


@dataclass(frozen=True, slots=True)
class Simulated:
    """The result of a simulation.

    Attributes:
        latencies: The seconds of each request from arrival to answer, in order of arrival.
        busy: The mean share of time (0 to 1) in which a machine computed.
    """

    latencies: list[float]
    busy: float


def simulate(rates: Rates, load: Load, seed: int, requests: int = REQUESTS) -> Simulated:
    """Simulate a load from an empty queue until all requests are answered.

    The same seed gives the same arrivals for every number of machines.

    >>> rates = Rates("m", "a machine", 10, {1: (0.1,)})
    >>> simulated = simulate(rates, Load(rate=0.01, wait=0.0), seed=0, requests=100)
    >>> round(max(simulated.latencies), 3)
    0.1
    """
    simulation = _Simulation(rates, load, seed, requests)
    simulation.environment.run(simulation.over)
    return simulation.result()


@dataclass(slots=True, eq=False)
class _Request:
    came: float
    hit: bool
    machine: _Machine
    answered: float = 0.0


@dataclass(slots=True, eq=False)
class _Line:
    """Waiting requests in order of arrival, and the workers that sleep until one comes."""

    waiting: deque[_Request] = field(default_factory=deque)
    asleep: deque[simpy.Event] = field(default_factory=deque)
    gathering: simpy.Event | None = None

    def take(self, share: int) -> list[_Request]:
        return [self.waiting.popleft() for _ in range(min(share, len(self.waiting)))]


@dataclass(slots=True, eq=False)
class _Machine:
    line: _Line
    core: simpy.Resource
    unanswered: int = 0


class _Simulation:
    def __init__(self, rates: Rates, load: Load, seed: int, requests: int) -> None:
        self.environment = simpy.Environment()
        self.over = self.environment.event()
        self._rates, self._load = rates, load
        # Apart, so that arrivals do not depend on how often a time was drawn.
        self._arrivals = Random(f"{seed} arrivals")  # noqa: S311 - a simulation
        self._times = Random(f"{seed} times")  # noqa: S311
        self._requests: list[_Request] = []
        self._left = requests
        self._start = self._end = self._busy = 0.0
        shared = _Line() if load.balancer == "one-queue" else None
        self._machines = [
            _Machine(shared or _Line(), simpy.Resource(self.environment))
            for _ in range(load.machines)
        ]
        self.environment.process(self._arrive(requests))
        for machine in self._machines:
            for _ in range(rates.at_once):
                self.environment.process(self._work(machine))

    def result(self) -> Simulated:
        kept = self._requests[int(WARM_UP * len(self._requests)) :]
        latencies = [each.answered - each.came + self._rates.before for each in kept]
        time = (self._end - self._start) * len(self._machines)
        return Simulated(latencies, min(self._busy / time, 1.0))

    def _arrive(self, requests: int) -> Steps:
        warm = int(WARM_UP * requests)
        for number in range(requests):
            yield self.environment.timeout(self._arrivals.expovariate(self._load.rate))
            if number == warm:
                self._start, self._busy = self.environment.now, 0.0
            self._send(hit=self._arrivals.random() < self._load.hits)
        self._end = self.environment.now

    def _send(self, *, hit: bool) -> None:
        machine = self._choose()
        machine.unanswered += 1
        request = _Request(self.environment.now, hit, machine)
        self._requests.append(request)
        line = machine.line
        line.waiting.append(request)
        if line.gathering is not None and len(line.waiting) >= self._rates.share:
            line.gathering.succeed()
            line.gathering = None
        elif line.asleep:
            line.asleep.popleft().succeed()

    def _choose(self) -> _Machine:
        machines = self._machines
        if self._load.balancer == "random":
            return self._times.choice(machines)
        if self._load.balancer == "one-queue" or len(machines) == 1:
            return machines[0]
        least = min(machine.unanswered for machine in machines)
        return self._times.choice([each for each in machines if each.unanswered == least])

    def _work(self, machine: _Machine) -> Steps:
        """Answer requests, pass by pass."""
        line = machine.line
        while True:
            if not line.waiting:
                woken = self.environment.event()
                line.asleep.append(woken)
                yield woken
            yield from self._gather(line)
            taken = line.take(self._rates.share)
            if taken:
                yield from self._answer(machine, taken)

    def _gather(self, line: _Line) -> Steps:
        """Wait until the pass is full, or until its first request has waited long enough."""
        if self._rates.share == 1 or not line.waiting or line.gathering is not None:
            return
        left = line.waiting[0].came + self._load.wait - self.environment.now
        if left <= 0 or len(line.waiting) >= self._rates.share:
            return
        full = line.gathering = self.environment.event()
        yield full | self.environment.timeout(left)
        if line.gathering is full:
            line.gathering = None

    def _answer(self, machine: _Machine, taken: Sequence[_Request]) -> Steps:
        missed = sum(not request.hit for request in taken)
        seconds = self._rates.draw(missed, self._times)
        if self._load.hits:
            seconds += len(taken) * self._rates.lookup
        yield from self._compute(machine, seconds)
        if not self._end:
            # Counted at the end of a pass: over thousands of passes the two edges do not matter.
            self._busy += seconds
        for request in taken:
            request.answered = self.environment.now
            request.machine.unanswered -= 1
        self._left -= len(taken)
        if not self._left:
            self.over.succeed()

    def _compute(self, machine: _Machine, seconds: float) -> Steps:
        """Compute a pass, in turn with the other passes of the machine."""
        if self._rates.at_once == 1:
            yield self.environment.timeout(seconds)
            return
        for _ in range(self._rates.turns):
            with machine.core.request() as turn:
                yield turn
                yield self.environment.timeout(seconds / self._rates.turns)
