"""What the documentation shows is run: the README's Python, and the links between files."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
DOCUMENTS = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "mini/README.md", "docs/container.md"]


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = README.split("\n## ")[1]
    assert "make demo" in opening
    assert "make test" in opening


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_the_readmes_python_runs(number: int, hub_cache: Path) -> None:
    """Each snippet runs as it stands, where the default model's name holds the files of `mini`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SNIPPETS[number]],
        env={**os.environ, "HF_HUB_CACHE": str(hub_cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "The Moon" in done.stdout.splitlines()[0] or "1 0." in done.stdout.splitlines()[0]


def test_the_readme_has_python_to_run() -> None:
    assert len(SNIPPETS) >= 4


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_files_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    missing = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert missing == []
