"""The settings of a benchmark run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """The model, the resources of a run, and the folder for its results.

    Attributes:
        model_name: A hub repository, a folder or `"mini"`. Ignored with a geometry.
        geometry: A name of `GEOMETRIES`, to measure random weights instead of the model.
        max_length: The maximum length of a pair in tokens. `None` takes the model's, but at most 1,024.
        rounds: The number of timed calls of each contender on each workload.
        threads: The number of cores and threads of each contender.
        device: Torch's name of the contenders' device: `"cpu"`, `"cuda"`, `"cuda:1"`.
    """

    model_name: str
    geometry: str | None
    max_length: int | None
    rounds: int
    threads: int
    output: Path
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Return the model and the device, as the name of a file."""
        model = f"{self.geometry}-geometry" if self.geometry else self.model_name
        name = model if self.device == "cpu" else f"{model}-{self.device}"
        return re.sub(r"[^\w.]+", "-", name).strip("-.")

    @property
    def title(self) -> str:
        """Return the model, the device and the cores, as a heading."""
        model = f"{self.geometry}, random weights" if self.geometry else self.model_name
        where = "" if self.device == "cpu" else f"{self.device}, "
        return f"{model}, {where}{self.threads} cores"
