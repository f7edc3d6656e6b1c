"""`Settings`: what is measured, how, and where it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for a whole run.

    Attributes:
        model_name: A hub name, a folder or `"mini"`; not used with a geometry.
        geometry: A name of `bge_rerank.cli.bench.geometry.GEOMETRIES` to build with random weights;
            `None` takes the model.
        max_length: The longest sequence in tokens; `None` is the model's, 1,024 at most.
        rounds: Timed calls of each contender on each workload.
        threads: Cores and threads of each contender.
        device: Where contenders compute, as torch names it: `"cpu"`, `"cuda"`, `"cuda:1"`.
        output: The folder for JSON and pictures.
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
        """Say what was measured, as the name of a file."""
        model = f"{self.geometry}-geometry" if self.geometry else self.model_name
        name = model if self.device == "cpu" else f"{model}-{self.device}"
        return re.sub(r"[^\w.]+", "-", name).strip("-.")

    @property
    def title(self) -> str:
        """Say what was measured, as a heading."""
        model = f"{self.geometry}, random weights" if self.geometry else self.model_name
        where = "" if self.device == "cpu" else f"{self.device}, "
        return f"{model}, {where}{self.threads} cores"
