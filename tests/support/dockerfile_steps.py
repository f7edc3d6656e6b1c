"""The steps of a Dockerfile, run without an engine, in folders that stand for images.

One fresh virtual environment stands for the base image in all stages. Every absolute path lies below an
image's folder, at the same place in every stage, as in an engine. Mounts of `RUN` (caches, secrets) and
owners of `COPY` (`--chown`) are ignored, because both need an engine.
"""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from os import defpath
from pathlib import Path

from dockerfile_parse import DockerfileParser
from dockerfile_parse.util import WordSplitter, get_key_val_dictionary

from environments import run

ABSOLUTE = re.compile(r"(?<![\w./}-])/(?=\w)")
"""The start of an absolute path, but not of a URL."""
RECORDED = ("LABEL", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")
"""Instructions that change no files and describe how the image runs."""


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the rest of each instruction."""
    for step in DockerfileParser(str(dockerfile)).structure:
        if step["instruction"] != "COMMENT":
            yield step["instruction"], step["value"]


def context_files(folder: Path) -> set[str]:
    """Return the files of a build's context: what its `.dockerignore` lets in."""
    from docker.utils.build import exclude_paths  # which takes long to import

    lines = (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    return {name for name in exclude_paths(str(folder), patterns) if (folder / name).is_file()}


@dataclass
class Image:
    """A stage while it is built, and an image afterwards.

    Attributes:
        root: The folder that stands for `/`.
        environment: The environment variables of its commands.
        arguments: The declared build arguments.
        workdir: The folder in which its commands start.
        recorded: The last instruction of each name that changes no files.
    """

    root: Path
    environment: dict[str, str]
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: Path = Path("/")
    recorded: dict[str, str] = field(default_factory=dict)

    def at(self, path: str) -> Path:
        """Return where a path of the image is on this machine."""
        return self.root / (self.workdir / path).relative_to("/")

    def here(self, text: str) -> str:
        """Return a text with the image's paths as they are on this machine."""
        return ABSOLUTE.sub(f"{self.root}/", text)


def build(folder: Path, workspace: Path, build_args: Mapping[str, str]) -> Image:
    """Run the steps of a folder's Dockerfile and return the last stage, made in `workspace`."""
    context = workspace / "context"
    for name in context_files(folder):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, context / name)
    stages = _Stages(workspace, build_args)
    for instruction, value in instructions(folder / "Dockerfile"):
        stages.step(instruction, value)
    return stages.image


class _Stages:
    """The stages: each is built at the same place, and moved away when it is done."""

    def __init__(self, workspace: Path, build_args: Mapping[str, str]) -> None:
        self._root = workspace / "image"
        self._context = workspace / "context"
        self._build_args = build_args
        self._arguments: dict[str, str] = {}
        self._done: dict[str, Image] = {}
        self._name = ""
        self.image = Image(self._root, {})
        base = workspace / "python"
        uv = (sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable)
        run(*uv, "--seed", base, cwd=workspace)
        self._base_path = f"{base / 'bin'}:{defpath}"

    def step(self, instruction: str, value: str) -> None:
        match instruction:
            case "ARG":
                self._declare(value)
            case "FROM":
                self._begin(*self._words(value, self._arguments))
            case "ENV":
                self.image.environment |= get_key_val_dictionary(
                    self.image.here(value),
                    env_replace=True,
                    args=self.image.arguments,
                    envs=self.image.environment,
                )
            case "WORKDIR":
                self.image.workdir /= value
                self.image.at("").mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(*self._words(value, self.image.arguments | self.image.environment))
            case "RUN":
                self._run(value)
            case _ if instruction in RECORDED:
                self.image.recorded[instruction] = value
            case _:
                raise NotImplementedError(f"nothing stands for {instruction} {value}")

    def _words(self, value: str, variables: Mapping[str, str]) -> list[str]:
        return list(WordSplitter(value, args=variables, envs={}).split())

    def _declare(self, value: str) -> None:
        name, has_default, default = value.partition("=")
        here = self.image.arguments if self._name else self._arguments
        if name in self._build_args:
            here[name] = self._build_args[name]
        elif has_default:
            here[name] = WordSplitter(default).dequote()
        elif name in self._arguments:
            here[name] = self._arguments[name]

    def _begin(self, base: str, _as: str = "AS", name: str = "the last stage") -> None:
        if self._name:
            self.image.root = self._root.rename(self._root.with_name(self._name))
            self._done[self._name] = self.image
        self._name = name
        if base in self._done:
            parent = self._done[base]
            shutil.copytree(parent.root, self._root, symlinks=True)
            self.image = replace(
                parent,
                root=self._root,
                environment=dict(parent.environment),
                arguments=dict(parent.arguments),
                recorded=dict(parent.recorded),
            )
        else:
            pinned = r"python:[\d.]+-slim-bookworm@sha256:[0-9a-f]{64}"
            assert re.fullmatch(pinned, base), f"nothing stands for {base}"
            self._root.mkdir()
            self.image = Image(self._root, {"PATH": self._base_path})

    def _copy(self, *words: str) -> None:
        *sources, target = (word for word in words if not word.startswith("--"))
        flags = dict(word[2:].split("=") for word in words if word.startswith("--"))
        assert flags.keys() <= {"from", "chown"}, f"nothing stands for {flags}"
        for source in sources:
            found = (
                self._done[flags["from"]].at(source) if "from" in flags else self._context / source
            )
            if found.is_dir():
                shutil.copytree(found, self.image.at(target), symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy(found, self.image.at(target))

    def _run(self, value: str) -> None:
        command = self.image.here(re.sub(r"^(--mount=\S+\s+)+", "", value))
        assert not command.startswith(("--", "[")), f"nothing stands for RUN {command}"
        variables = (self.image.arguments | self.image.environment).items()
        run(
            "env",
            *(f"{name}={value}" for name, value in variables),
            "/bin/sh",
            "-c",
            command,
            cwd=self.image.at(""),
        )
