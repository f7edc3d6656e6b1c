"""A page of documentation, run: its Python and its commands, in order."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import preloaded
from pages import Block
from served import free_port

NOT_RUN = re.compile(r"(pip|uv|docker|kubectl|make|nvidia-smi)\b")
SERVE = re.compile(r"(?:\w+=\S* )*bge-rerank serve\b")
PORT = re.compile(r"--port[ =](\d+)")
DEFAULT_PORT = "8080"
SECONDS = 600
"""For a block; one that takes longer hangs."""
STRICT = (
    "import warnings as w; w.simplefilter('error'); w.filterwarnings('ignore', module=r'ray\\.')"
)
"""No block of a page may warn. Ray warns of options of its own that it sets itself."""
START = """
set -e -o pipefail
if [ -f ../exported ]; then . ../exported; fi
trap 'export -p > ../exported' EXIT
answers() {
    (printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3; grep --quiet ' 200 ' <&3) 3<>/dev/tcp/127.0.0.1/$1
} 2> /dev/null
started() {
    echo $! > ../server.$1
    until answers $1; do kill -0 $!; sleep 0.1; done
}
stop() {
    if [ -f ../server.$1 ]; then
        kill $(< ../server.$1)
        while kill -0 $(< ../server.$1) 2> /dev/null; do sleep 0.1; done
    fi
}
"""
"""A script of commands begins with this. Exported variables hold for the page, as in a terminal.

A server runs until the page ends, or until the page starts another at the same port."""


@dataclass(frozen=True)
class Ran:
    """How a block ended."""

    status: int
    out: str
    err: str
    seconds: float


@dataclass(frozen=True)
class PageRun:
    """The run of one page. Its commands share a folder; each Python block has an empty one.

    Attributes:
        folder: Where these folders are made.
        server: The socket of a Python with the libraries loaded.
        name: The page's name, for tracebacks.
        ports: For each port that the page's servers have, one that is free.
    """

    folder: Path
    server: Path
    name: str
    ports: dict[str, str]

    def run(self, block: Block) -> Ran:
        """Run a block."""
        started = time.perf_counter()
        out, err = (self.folder / f"{block.line}.{kind}" for kind in ("out", "err"))
        with out.open("wb") as out_file, err.open("wb") as err_file:
            run = self._python if block.language == "python" else self._console
            status = run(block, out_file, err_file)
        seconds = time.perf_counter() - started
        return Ran(status, out.read_text(), err.read_text(), seconds)

    def _python(self, block: Block, out: IO[Any], err: IO[Any]) -> int:
        empty = self.folder / str(block.line)
        empty.mkdir()
        # The empty lines let a traceback name the line of the page.
        code = STRICT + "\n" * block.line + self._with_free_ports(block.text)
        return preloaded.run(self.server, code, empty / self.name, out, err, SECONDS)

    def _console(self, block: Block, out: IO[Any], err: IO[Any]) -> int:
        shared = self.folder / "commands"
        shared.mkdir(exist_ok=True)
        path = f"{self._bin()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", self._with_free_ports(script(block.text))],
            cwd=shared,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            check=False,
            timeout=SECONDS,
        ).returncode

    def _bin(self) -> Path:
        folder = self.folder / "bin"
        if not folder.exists():
            folder.mkdir()
            preloaded.write_command(folder / "bge-rerank", self.server)
        return folder

    def _with_free_ports(self, text: str) -> str:
        for port, free in self.ports.items():
            text = re.sub(rf"\b{port}\b", free, text)
        return text

    def end(self) -> None:
        """End the servers that the page has started."""
        for file in self.folder.glob("server.*"):
            with suppress(ProcessLookupError):
                os.kill(int(file.read_text()), signal.SIGTERM)
                while True:
                    os.kill(int(file.read_text()), 0)
                    time.sleep(0.05)


@contextmanager
def page_run(folder: Path, server: Path, name: str, blocks: Iterable[Block]) -> Iterator[PageRun]:
    """Yield the run of a page; its servers are ended when the block has ended."""
    folder.mkdir()
    shown = (command for block in blocks if block.runs for command in commands(block.text))
    ports = {_port(command): str(free_port()) for command in shown if SERVE.match(command)}
    run = PageRun(folder, server, name, ports)
    try:
        yield run
    finally:
        run.end()


def script(text: str) -> str:
    """Return the commands of a block as a script, without those that cannot run here."""
    return START + "\n".join(map(_as_script, commands(text))) + "\n"


def _as_script(command: str) -> str:
    if NOT_RUN.match(command):
        return ""
    if not SERVE.match(command):
        return command
    port = _port(command)
    return f"stop {port}\n{command.rstrip(' &')} &\nstarted {port}"


def _port(command: str) -> str:
    found = PORT.search(command)
    return found[1] if found else DEFAULT_PORT


def commands(text: str) -> Iterator[str]:
    """Yield each line of a script, with the lines that continue it and its here-document."""
    lines = iter(text.splitlines())
    for line in lines:
        command = line
        while command.endswith("\\"):
            command += "\n" + next(lines, "")
        if here := re.search(r"<<-?\s*['\"]?(\w+)", command):
            for inner in lines:
                command += f"\n{inner}"
                if inner.strip() == here[1]:
                    break
        yield command
