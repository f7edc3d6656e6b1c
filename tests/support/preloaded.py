"""Python with the large libraries loaded: it forks for each script or command that it is sent.

`python preloaded.py SOCKET` waits at a Unix socket. `run` sends it Python code, and the file that `write_command`
writes sends it the arguments of `bge-rerank`. Each runs in a process of its own, with the standard streams,
folder and environment of who sent it.
"""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

COMMAND = """#!{python} -SE
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    socket.send_fds(server, [b" "], [0, 1, 2])
    sent = dict(arguments=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ))
    server.sendall(json.dumps(sent).encode() + b"\\n")
    answers = server.makefile()
    child = int(answers.readline())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    sys.exit(int(answers.readline() or 1) % 256)
"""
"""Stands for the command `bge-rerank`, without the seconds that its imports take."""

LIBRARIES = (
    "bm25s",
    "httpx",
    "langchain_bge_rerank",
    "langchain_classic.retrievers",
    "llamaindex_bge_rerank",
    "matplotlib.pyplot",
    "torch",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
)


@contextmanager
def preloaded(folder: Path, environment: dict[str, str]) -> Iterator[Path]:
    """Yield the socket of such a Python; it has ended when the block has."""
    path = folder / "preloaded.socket"
    process = subprocess.Popen(
        [sys.executable, __file__, path], env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield path
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def write_command(path: Path, server: Path) -> None:
    """Write an executable file that stands for `bge-rerank`."""
    path.write_text(COMMAND.format(python=sys.executable, path=str(server)))
    path.chmod(0o755)


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
        socket.send_fds(connection, [b" "], [stream.fileno() for stream in (nothing, out, err)])
        sent = {"code": code, "name": file.name, "folder": str(file.parent), "environment": {}}
        connection.sendall(json.dumps(sent).encode() + b"\n")
        _, status = connection.makefile().read().split()
        return int(status)


def _serve(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("ready", flush=True)
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, *_ = socket.recv_fds(connection, 1, 3)
    sent = json.loads(connection.makefile().readline())
    child = os.fork()
    if child != 0:
        connection.sendall(f"{child}\n".encode())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(f"{status}\n".encode())
        return
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(sent["folder"])
    os.environ.update(sent["environment"])
    _run(sent)


def _run(sent: dict[str, Any]) -> NoReturn:
    """Run what was sent, and end as Python does, but without taking the libraries apart: that takes seconds."""
    status = 1
    try:
        if "arguments" in sent:
            sys.argv = ["bge-rerank", *sent["arguments"]]
            status = import_module("bge_rerank.cli").main()
        else:
            warnings.simplefilter("error")
            sys.argv = [sent["name"]]
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


if __name__ == "__main__":
    for library in LIBRARIES:
        import_module(library)
    gc.freeze()  # so that no child looks through them for garbage
    _serve(sys.argv[1])
