"""The server does what its OpenAPI page says, whatever it is sent."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis import Case

from bge_rerank import load_scorer
from bge_rerank.server.app import create_app
from bge_rerank.server.options import ServerOptions


class LoadedWhenAsked:
    """The weights of `mini`, not loaded while tests are collected."""

    def __getattr__(self, name: str) -> Any:
        return getattr(load_scorer("mini", "torch").loaded(), name)


SCHEMA = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(LoadedWhenAsked(), ServerOptions(model_name="mini"))
)


@pytest.fixture(scope="module", autouse=True)
def loaded(mini: Path) -> None:
    """Load before the first request, which waits no longer than 10 seconds."""
    load_scorer("mini", "torch").loaded().score([("q", "a")])


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True)
def test_no_request_makes_it_fail_or_answer_otherwise_than_it_says(case: Case) -> None:
    case.call_and_validate()
