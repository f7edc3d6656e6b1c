"""Ray's usage reports are off, and a user's choice stays."""

import os
from pathlib import Path

import pytest

from bge_rerank.ray.silent import CONFIG_VARIABLE, VARIABLE, ray_reports_nothing


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "")  # so that the variable is as before after the test
    monkeypatch.delenv(VARIABLE)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    return tmp_path


def ray_would_report() -> bool:
    from ray._common.usage.usage_lib import usage_stats_enabled

    return usage_stats_enabled()


def test_ray_reports_nothing() -> None:
    assert ray_would_report()
    ray_reports_nothing()
    assert not ray_would_report()


@pytest.mark.parametrize("chosen", ["0", "1"])
def test_the_users_variable_stays(monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    monkeypatch.setenv(VARIABLE, chosen)
    ray_reports_nothing()
    assert os.environ[VARIABLE] == chosen


@pytest.mark.parametrize("chosen", ["true", "false"])
def test_the_choice_that_ray_saved_stays(home: Path, chosen: str) -> None:
    (home / ".ray").mkdir()
    (home / ".ray" / "config.json").write_text(f'{{"usage_stats": {chosen}}}')
    ray_reports_nothing()
    assert VARIABLE not in os.environ
    assert ray_would_report() == (chosen == "true")
