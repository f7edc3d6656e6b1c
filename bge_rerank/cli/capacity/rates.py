"""`Rates`: the measured times of passes, and how a server divides requests into passes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from statistics import mean, quantiles
from typing import Any

from bge_rerank.errors import InvalidInputError

STEPS = 100
"""The quantiles of an interpolated time."""


@dataclass(frozen=True)
class Rates:
    """How long one machine takes for requests of equal depth.

    Attributes:
        model: The model, its backend and its precision, to show.
        machine: The machine on which the times were measured, to show.
        depth: The passages of a request that the model scores.
        seconds: The times of the passes that were measured, by the number of requests in a pass. Other
            numbers up to the largest are interpolated. The largest number is the most that share a pass.
        turns: The turns in which a pass computes. Requests that run at the same time alternate by turns.
        at_once: The passes that run at the same time.
        before: Seconds of a request before it is sent, for a prefilter.
        lookup: Seconds to look up the scores of a request.

    >>> rates = Rates("mini", "two cores", 10, {1: (0.1, 0.1), 3: (0.2, 0.2)})
    >>> rates.share, round(rates.most, 6)
    (3, 15.0)
    """

    model: str
    machine: str
    depth: int
    seconds: Mapping[int, Sequence[float]]
    turns: int = 1
    at_once: int = 1
    before: float = 0.0
    lookup: float = 0.0

    @property
    def share(self) -> int:
        """The most requests of a pass."""
        return max(self.seconds)

    @property
    def alone(self) -> float:
        """The mean seconds of a pass with one request."""
        return mean(self.seconds[1])

    @property
    def most(self) -> float:
        """The requests a second at which a machine is never idle, without cached ones."""
        return max(number / mean(times) for number, times in self.seconds.items())

    def draw(self, number: int, random: Random) -> float:
        """Return the seconds of a pass with `number` requests: one of the times that were measured.

        A pass without requests takes no time.
        """
        times = self.seconds.get(number) or self._interpolated.get(number) or (0.0,)
        return random.choice(times)

    @cached_property
    def _interpolated(self) -> dict[int, list[float]]:
        import numpy as np

        measured = sorted(self.seconds)
        spread = [_quantiles(self.seconds[number]) for number in measured]
        missing = [each for each in range(1, self.share) if each not in self.seconds]
        columns = [np.interp(missing, measured, column) for column in zip(*spread, strict=True)]
        return {
            number: [float(column[place]) for column in columns]
            for place, number in enumerate(missing)
        }

    def as_json(self) -> dict[str, Any]:
        """Return the rates for a file that `read_rates` reads."""
        return asdict(self)


def read_rates(path: Path) -> Rates:
    """Read rates from a file that `bge-rerank capacity --json` wrote.

    Raises:
        InvalidInputError: The file cannot be read, or holds something else.

    >>> from tempfile import TemporaryDirectory
    >>> rates = Rates("mini", "two cores", 10, {1: (0.1,)})
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "rates.json")
    ...     _ = path.write_text(json.dumps({"rates": rates.as_json()}))
    ...     read_rates(path) == rates
    True
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))["rates"]
        seconds = {int(number): tuple(times) for number, times in fields["seconds"].items()}
        rates = Rates(**fields | {"seconds": seconds})
        valid = 1 in seconds and all(time > 0 for times in seconds.values() for time in times)
        valid = valid and all(seconds.values())
    except OSError as error:
        raise InvalidInputError(
            f"cannot read {str(path)!r} ({error.strerror}); check the path"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError):
        valid = False
    if not valid:
        raise InvalidInputError(
            f"{str(path)!r} does not hold measured rates; write it with bge-rerank capacity --json"
        )
    return rates


def _quantiles(times: Sequence[float]) -> list[float]:
    """Return quantiles of a few times, so that times of two numbers of requests can be paired."""
    return quantiles([*times, *times], n=STEPS, method="inclusive")
