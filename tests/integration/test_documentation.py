"""What the documentation shows is run: the README's Python, and the links between files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
DOCUMENTS = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "mini/README.md"]


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = README.split("\n## ")[1]
    assert "make demo" in opening
    assert "make test" in opening


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_the_readmes_python_runs(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each snippet runs by itself, with `mini` in place of the default, which needs the hub."""
    from bge_rerank import config, loading, settings

    code = SNIPPETS[number].replace(config.DEFAULT_MODEL, "mini")
    monkeypatch.setattr(loading.load_scorer, "__defaults__", ("mini", "auto"))
    for adapter in settings.RerankerSettings.__subclasses__():
        monkeypatch.setattr(adapter.model_fields["model_name"], "default", "mini")
        adapter.model_rebuild(force=True)
    exec(compile(code, f"README.md, snippet {number}", "exec"), {"__name__": "readme"})


def test_the_readme_has_python_to_run() -> None:
    assert len(SNIPPETS) >= 4


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_files_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    missing = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert missing == []
