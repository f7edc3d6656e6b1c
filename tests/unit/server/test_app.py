"""The application never redirects to a host that a request names."""

import httpx
import pytest

from bge_rerank.server.app import create_app
from bge_rerank.server.options import ServerOptions
from counted_scorer import Counted


@pytest.mark.parametrize("path", ["/health/", "/rerank/", "/static-offline-docs"])
async def test_a_path_with_a_wrong_slash_is_not_redirected_to_the_host_of_the_request(
    path: str,
) -> None:
    transport = httpx.ASGITransport(create_app(Counted(), ServerOptions(model_name="m")))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        answer = await client.get(path, headers={"host": "elsewhere.example"})
    assert answer.status_code == 404
    assert "elsewhere" not in f"{answer.headers}{answer.text}"
