"""Python with the large libraries loaded: it forks for each script or command that it is sent.

`python preloaded.py SOCKET PROCESS` waits at a Unix socket until that process ends. `run` sends it Python code.
`Command`, and the file that `write_command` writes, also send it the arguments of a command. Each runs in a process
of its own, with the standard streams, folder and environment of who sent it, and ends with its sender.
"""

import atexit
import gc
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

COMMAND = """#!{python} -SE
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    socket.send_fds(server, [b" "], [0, 1, 2])
    sent = dict(code={code!r}, name={name!r}, arguments=sys.argv[1:])
    sent |= dict(folder=os.getcwd(), environment=dict(os.environ))
    server.sendall(json.dumps(sent).encode() + b"\\n")
    answers = server.makefile()
    child = int(answers.readline())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    status = int(answers.readline() or 1)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""
"""Stands for a command, without the seconds that its imports take."""
BGE_RERANK = "import sys; from bge_rerank.cli import main; sys.exit(main())"
"""The code of the command `bge-rerank`."""

LIBRARIES = (
    "bge_rerank.server.app",
    "bm25s",
    "chromadb",
    "httpx",
    "ipykernel.kernelapp",
    "langchain_bge_rerank",
    "langchain_chroma",
    "langchain_classic.retrievers",
    "langchain_huggingface",
    "llama_index.embeddings.huggingface",
    "llama_index.vector_stores.chroma",
    "llamaindex_bge_rerank",
    "matplotlib.pyplot",
    "torch",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "uvicorn",
)


def start(folder: Path, environment: Mapping[str, str], process: int) -> None:
    """Start such a Python, which ends when a process has ended. It listens at `socket` in the folder."""
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, __file__, folder / "socket", str(process)],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert started.stdout is not None
    with started.stdout as said:
        assert said.readline() == b"listening\n", (folder / "log").read_text()


def write_command(path: Path, server: Path, code: str = BGE_RERANK) -> None:
    """Write an executable file that stands for a command."""
    command = COMMAND.format(python=sys.executable, path=str(server), code=code, name=path.name)
    path.write_text(command)
    path.chmod(0o755)


class Command:
    """The command `bge-rerank`, running in a process of its own.

    Attributes:
        pid: The number of the process.
        stderr: Its standard error, to read.
    """

    def __init__(
        self,
        server: Path,
        *arguments: str,
        files: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the command.

        Args:
            server: The socket of a preloaded Python.
            arguments: Those of the command.
            files: How many files it may have open.
            environment: Variables, besides those of this process.
        """
        reading, writing = os.pipe()
        self.stderr = os.fdopen(reading, encoding="utf-8")
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(server))
        with os.fdopen(writing, "wb") as err, Path(os.devnull).open("r+b") as nothing:
            _send(
                self._connection,
                [nothing, nothing, err],
                code=BGE_RERANK,
                name="bge-rerank",
                arguments=arguments,
                folder=str(Path.cwd()),
                environment={**os.environ, **(environment or {})},
                files=files,
            )
        # Without a buffer, so that `wait` sees all that is there to read.
        self._answers = self._connection.makefile("rb", buffering=0)
        self.pid = int(self._answers.readline())
        self._status: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status, which is negative if a signal ended it."""
        if self._status is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("bge-rerank", timeout or 0)
            self._status = int(self._answers.readline())
        return self._status

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it if it still runs."""
        self.send_signal(signal.SIGKILL)
        self.wait()
        self._answers.close()
        self._connection.close()


def _send(connection: socket.socket, streams: Sequence[IO[Any]], **what: Any) -> None:
    socket.send_fds(connection, [b" "], [stream.fileno() for stream in streams])
    connection.sendall(json.dumps(what).encode() + b"\n")


def run(  # noqa: PLR0917
    server: Path, code: str, file: Path, out: IO[Any], err: IO[Any], seconds: float
) -> int:
    """Run Python code in a process of its own, and return its exit status.

    Args:
        server: The socket of a preloaded Python.
        code: What runs.
        file: Its name in tracebacks; it runs in the folder of this file.
        out: Where it prints.
        err: Where it prints errors.
        seconds: How long to wait for its end.
    """
    with socket.socket(socket.AF_UNIX) as connection, Path(os.devnull).open() as nothing:
        connection.settimeout(seconds)
        connection.connect(str(server))
        _send(
            connection,
            [nothing, out, err],
            code=code,
            name=file.name,
            folder=str(file.parent),
            environment={},
        )
        _, status = connection.makefile().read().split()
        return int(status)


def ran(server: Path, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code as `run` does, and return its status and what it printed."""
    out, err = folder / "out", folder / "err"
    with out.open("wb") as out_file, err.open("wb") as err_file:
        status = run(server, code, folder / "script.py", out_file, err_file, 240)
    return subprocess.CompletedProcess(code, status, out.read_text(), err.read_text())


def _serve(listening: socket.socket, process: int) -> None:
    """Fork for each connection until a process has ended. No process takes the libraries apart: that takes seconds."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    watched = os.pidfd_open(process)
    while True:
        ready, *_ = select.select([listening, watched], [], [])
        if watched in ready:
            os._exit(0)
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            break
        connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, *_ = socket.recv_fds(connection, 1, 3)
    sent = json.loads(connection.makefile().readline())
    child = os.fork()
    if child != 0:
        for stream in streams:
            os.close(stream)
        _report(child, connection)
        os._exit(0)
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(sent["folder"])
    os.environ.update(sent["environment"])
    if files := sent.get("files"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    _run(sent)


def _report(child: int, connection: socket.socket) -> None:
    """Say the number of a child and later its status. Kill it if nobody listens any more."""
    connection.sendall(f"{child}\n".encode())
    ready, *_ = select.select([connection, os.pidfd_open(child)], [], [])
    if connection in ready:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(BrokenPipeError):
        connection.sendall(f"{status}\n".encode())


def _run(sent: dict[str, Any]) -> NoReturn:
    """Run what was sent, and end as Python does, but without taking the libraries apart."""
    status = 1
    try:
        sys.argv = [sent["name"], *sent.get("arguments", ())]
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(sent["code"], sent["name"], "exec"), vars(module))
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - it is shown, and the process ends
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        os._exit(status)


def main(path: str, process: str) -> None:
    """Listen, load the libraries, and serve. Who asks meanwhile waits."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("listening", flush=True)
        for library in LIBRARIES:
            import_module(library)
        gc.freeze()  # so that no child looks through them for garbage
        _serve(listening, int(process))


if __name__ == "__main__":
    main(*sys.argv[1:])
