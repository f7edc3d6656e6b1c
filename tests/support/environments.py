"""Virtual environments for tests that need another installation."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ("-c", ROOT / "constraints.txt")


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # Otherwise LiteLLM asks the network for prices when it is imported.
    environment["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    # uv uses pip's folders of wheels too.
    if folders := os.environ.get("PIP_FIND_LINKS"):
        environment.setdefault("UV_FIND_LINKS", folders)
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path, *requirements: str | Path) -> Path:
    """Make a virtual environment, install the requirements, and return its Python."""
    uv = (sys.executable, "-m", "uv")
    python = folder / "bin" / "python"
    run(*uv, "venv", "--quiet", "--python", sys.executable, folder, cwd=folder.parent)
    run(*uv, "pip", "install", "--quiet", "--python", python, *requirements, cwd=folder)
    return python
