"""`OwnProcess` holds an object in a separate process, with separate cores, threads and memory."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Literal, Self

import psutil

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
    """An object in a separate process.

    The process is spawned, so it shares no state with this process, and it prints nothing. By default it
    cannot use GPUs or the hub. Between requests it is idle.
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
            make: The function or class that makes the object. It is pickled, with its arguments.
            arguments: The arguments of `make`.
            threads: The number of the process's cores and threads.
            offline: Keep the hub's client from asking the hub.
            sees_gpus: Let the process use the machine's GPUs.

        Raises:
            MissingDependencyError: A module was not found.
            RerankError: Any other error in the process.
        """
        environment = dict.fromkeys(_THREADS, str(threads))
        if offline:
            environment["HF_HUB_OFFLINE"] = "1"
        if not sees_gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, threads, environment), daemon=True
        )
        self._process.start()
        theirs.close()
        self.ask(make, *arguments)

    def ask(self, called: str | Callable[..., object], *arguments: object) -> Any:
        """Call a method of the object by its name, and return its result.

        The first call must pass the function that makes the object.

        Raises:
            MissingDependencyError: A module was not found.
            RerankError: Any other error in the process.
        """
        try:
            self._connection.send((called, arguments))
            status, value = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(_SECONDS_TO_END)
            raise RerankError(
                f"the process ended with exit code {self._process.exitcode}; if it is -9, memory usually "
                "ran out, so try a smaller --depth"
            ) from None
        if status == "done":
            return value
        self.close()
        raise (MissingDependencyError if status == "missing" else RerankError)(value)

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def in_own_process(
    function: Callable[..., Any],
    *arguments: object,
    threads: int,
    offline: bool = True,
    sees_gpus: bool = False,
) -> Any:
    """Call a function in a separate process and return its result.

    Raises:
        RerankError: As `OwnProcess` does.

    >>> in_own_process(max, 1, 2, threads=1)
    2
    """
    with OwnProcess(
        partial, function, *arguments, threads=threads, offline=offline, sees_gpus=sees_gpus
    ) as process:
        return process.ask("__call__")


def _serve(connection: Connection, threads: int, environment: dict[str, str]) -> None:
    # Set before the first request, because unpickling it can import libraries that read these variables.
    os.environ.update(environment)
    _keep_to_cores(threads)
    _keep_silent()
    made: list[Any] = []
    # The parent closes the connection after its last request.
    with suppress(EOFError, BrokenPipeError):
        make, arguments = connection.recv()
        reply = _attempt(lambda: made.append(make(*arguments)))
        while True:
            connection.send(reply)
            method, arguments = connection.recv()
            reply = _attempt(partial(getattr(made[0], method), *arguments))


def _attempt(call: Callable[[], Any]) -> Reply:
    try:
        return "done", call()
    except ImportError as error:
        return "missing", _one_line(error)
    except Exception as error:  # noqa: BLE001 - every error is sent to the parent
        return "failed", f"{type(error).__name__}: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _keep_to_cores(count: int) -> None:
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # missing on macOS
        process.cpu_affinity(process.cpu_affinity()[:count])


def _keep_silent() -> None:
    """Discard the progress bars and warnings of libraries."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
