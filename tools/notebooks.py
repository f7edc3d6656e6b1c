"""Run the notebooks and save what they show: `make notebooks`.

`jupyter execute` would also save the times of each run and the version of Python, which change each time.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def run(path: Path) -> None:
    """Run a notebook in its folder, and save its outputs in place."""
    notebook = nbformat.read(path, as_version=4)
    metadata = copy.deepcopy(notebook.metadata)
    NotebookClient(
        notebook, record_timing=False, resources={"metadata": {"path": path.parent}}
    ).execute()
    notebook.metadata = metadata
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"running {name}")
        run(Path(name))
