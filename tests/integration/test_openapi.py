"""The server answers every request as its OpenAPI page says."""

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
    """A scorer that loads `mini` on first use, not while tests are collected."""

    def __getattr__(self, name: str) -> Any:
        return getattr(load_scorer("mini", "torch").loaded(), name)


SCHEMA = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(LoadedWhenAsked(), ServerOptions(model_name="mini"))
)


@pytest.fixture(scope="module", autouse=True)
def loaded(mini: Path) -> None:
    """Load the model before the first request, whose timeout is 10 seconds."""
    load_scorer("mini", "torch").loaded().score([("q", "a")])


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True)
def test_every_answer_matches_the_openapi_page(case: Case) -> None:
    case.call_and_validate()
