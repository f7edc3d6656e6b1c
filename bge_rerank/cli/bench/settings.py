"""The settings of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """The model, the machine's part in a run, and the folder for results.

    Attributes:
        model_name: A hub name, a folder or `"mini"`. Ignored with a geometry.
        geometry: A name of `GEOMETRIES`, to build with random weights instead of the model.
        max_length: The longest sequence in tokens. `None` takes the model's, 1,024 at most.
        rounds: The number of timed calls of each contender on each workload.
        threads: The number of cores and threads of each contender.
        device: The device of the contenders, by torch's name: `"cpu"`, `"cuda"`, `"cuda:1"`.
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
