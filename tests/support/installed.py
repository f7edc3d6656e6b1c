"""`pytest -p installed`: skip each test of which a package is not installed, and name the package.

`PYTHONPATH=tests/support` lets pytest find it. `make test-lowest` and `make test-without-torch` use it.
In the full environment a missing package is an error.
"""

import sys
from collections.abc import Generator
from doctest import UnexpectedException

import pytest


def _missing(error: BaseException | None) -> str | None:
    """Return what a skip says, where the error or one that it was raised from names a missing package."""
    if isinstance(error, UnexpectedException):
        error = error.exc_info[1]
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return f"{error.name} is not installed"
        error = error.__cause__
    return None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.failed and (reason := _missing(report.call.excinfo.value)):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {reason}")
        # Python keeps the half-made module, and a later import would find it.
        for name, module in list(sys.modules.items()):
            if getattr(module, "__file__", None) == str(collector.path):
                del sys.modules[name]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    yield from _skipping()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    yield from _skipping()


def _skipping() -> Generator[None, None, None]:
    try:
        yield
    except Exception as error:
        if reason := _missing(error):
            pytest.skip(reason)
        raise
