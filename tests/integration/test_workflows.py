"""The workflows, templates and metadata for GitHub: linted, and their actions pinned."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import bge_rerank
from environments import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
USES = re.compile(r"^\s*(?:- )?uses: (\S+)(.*)$", re.MULTILINE)
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "vendor.dependabot": [GITHUB / "dependabot.yml"],
    "vendor.github-issue-forms": [
        GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "feature")
    ],
    "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.citation-file-format": [ROOT / "CITATION.cff"],
}


def findings(*command: str | Path) -> str:
    """Return what a linter of the environment prints where it finds something."""
    program = Path(sys.executable).with_name(str(command[0]))
    done = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.light_processes
@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_file_for_github_follows_its_schema(schema: str) -> None:
    assert findings("check-jsonschema", "--builtin-schema", schema, *SCHEMAS[schema]) == ""


@pytest.mark.light_processes
def test_zizmor_finds_no_weakness() -> None:
    assert (
        findings(
            "zizmor",
            "--offline",
            "--quiet",
            "--pedantic",
            "--config",
            GITHUB / "zizmor.yml",
            GITHUB,
        )
        == ""
    )


@pytest.mark.light_processes
def test_actionlint_finds_nothing() -> None:
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("needs actionlint")
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_action_is_pinned_by_its_commit_and_names_its_version(path: Path) -> None:
    for action, comment in USES.findall(path.read_text(encoding="utf-8")):
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action)
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_one_version_of_an_action_is_used_everywhere() -> None:
    actions = [
        action for path in WORKFLOWS for action, _ in USES.findall(path.read_text(encoding="utf-8"))
    ]
    pinned = {action for action in actions if "@" in action}
    assert len(pinned) == len({action.partition("@")[0] for action in pinned})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_permission_that_its_jobs_do_not_ask_for(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    assert "concurrency" in workflow
    for job in workflow["jobs"].values():
        assert "permissions" in job
        assert "uses" in job or job["timeout-minutes"] <= 180


def test_the_workflows_run_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    commands = " ".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    assert set(re.findall(r"run: make ([\w-]+)", commands)) <= targets


def test_the_citation_names_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == bge_rerank.__version__
