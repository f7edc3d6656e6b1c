"""`OwnProcess`: an object that lives in a process of its own, with its own cores, threads and memory."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Literal, Self

from bge_rerank.errors import MissingDependencyError, RerankError

Reply = tuple[Literal["done", "missing", "failed"], Any]

_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
_SECONDS_TO_END = 10


class OwnProcess:
    """What a function makes, kept in a process that asks no hub and sees no GPU unless it may.

    The process starts empty and prints nothing. Between requests it waits for the next, idle.
    """

    def __init__(
        self,
        make: Callable[..., object],
        *arguments: object,
        threads: int,
        offline: bool = True,
        sees_gpus: bool = False,
    ) -> None:
        """Start the process and make the object there.

        Args:
            make: A function or class of a module; it and its arguments are pickled.
            arguments: What it is called with.
            threads: The cores that the process may run on, and its threads.
            offline: Keep the hub's client from asking the hub.
            sees_gpus: Let the process see the machine's GPUs.

        Raises:
            MissingDependencyError: A module was not found.
            RerankError: Anything else went wrong there.
        """
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, threads, make, arguments), daemon=True
        )
        with _environment(threads, offline=offline, sees_gpus=sees_gpus):
            self._process.start()
        theirs.close()
        self._receive()

    def ask(self, method: str, *arguments: object) -> Any:
        """Call a method of the object and return what it returns.

        Raises:
            MissingDependencyError: A module was not found.
            RerankError: Anything else went wrong there.
        """
        self._connection.send((method, arguments))
        return self._receive()

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _receive(self) -> Any:
        try:
            status, value = self._connection.recv()
        except EOFError:
            self._process.join(_SECONDS_TO_END)
            raise RerankError(
                f"its process ended with exit code {self._process.exitcode}; "
                "-9 is a lack of memory as a rule"
            ) from None
        if status == "done":
            return value
        self.close()
        raise (MissingDependencyError if status == "missing" else RerankError)(value)


def in_own_process(
    function: Callable[..., Any],
    *arguments: object,
    threads: int,
    offline: bool = True,
    sees_gpus: bool = False,
) -> Any:
    """Call a function in a process of its own and return what it returns.

    Raises:
        As `OwnProcess` does.

    >>> in_own_process(max, 1, 2, threads=1)
    2
    """
    with OwnProcess(
        partial, function, *arguments, threads=threads, offline=offline, sees_gpus=sees_gpus
    ) as process:
        return process.ask("__call__")


def _serve(
    connection: Connection, threads: int, make: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    _keep_to_cores(threads)
    _keep_silent()
    made: list[Any] = []
    reply = _attempt(lambda: made.append(make(*arguments)))
    # The other side closes the connection when it has no more to ask.
    with suppress(EOFError, BrokenPipeError):
        while True:
            connection.send(reply)
            method, arguments = connection.recv()
            reply = _attempt(partial(getattr(made[0], method), *arguments))


def _attempt(call: Callable[[], Any]) -> Reply:
    try:
        return "done", call()
    except ImportError as error:
        return "missing", _one_line(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side is told
        return "failed", f"{type(error).__name__}: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


@contextmanager
def _environment(threads: int, *, offline: bool, sees_gpus: bool) -> Iterator[None]:
    """Set what a process reads as it starts, for the block."""
    ours = dict.fromkeys(_THREADS, str(threads))
    if not sees_gpus:
        ours["CUDA_VISIBLE_DEVICES"] = ""
    if offline:
        ours["HF_HUB_OFFLINE"] = "1"
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _keep_to_cores(count: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def _keep_silent() -> None:
    """Send what libraries print, bars and warnings, nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
