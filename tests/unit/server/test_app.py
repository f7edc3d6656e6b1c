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


async def test_the_routes_stand_below_a_prefix() -> None:
    app = create_app(Counted(), ServerOptions(model_name="m", api_key="right"))
    transport = httpx.ASGITransport(app, root_path="/mini")
    body = {"query": "q", "documents": ["a"]}
    sent = {"Authorization": "Bearer right"}
    async with httpx.AsyncClient(transport=transport, base_url="http://server/mini") as client:
        health = await client.get("/health")
        answer = await client.post("/v1/rerank", json=body, headers=sent)
        wrong = await client.post("/v1/rerank", json={"query": "q"}, headers=sent)
        refused = await client.post("/v1/rerank", json=body)
        docs = await client.get("/docs")
    assert health.status_code == 200
    assert answer.json()["meta"] == {"api_version": {"version": "1"}}
    assert (wrong.status_code, set(wrong.json())) == (422, {"message", "detail"})
    assert (refused.status_code, set(refused.json())) == (401, {"message", "detail"})
    assert "/mini/static-offline-docs/swagger-ui.css" in docs.text
