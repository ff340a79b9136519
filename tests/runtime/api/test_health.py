from __future__ import annotations

from runtime.metrics import CONTENT_TYPE
from tests.runtime.serving import Api, NotedCall


async def test_live_and_ready(api: Api) -> None:
    assert await api.ok("GET", "/healthz") == {"status": "ok"}
    assert await api.ok("GET", "/readyz") == {"status": "ready", "live_calls": 0}


async def test_a_draining_server_is_live_and_not_ready(api: Api) -> None:
    await api.services.live_calls.drain(0)
    problem = await api.problem("GET", "/readyz", 503)
    assert "draining" in problem["detail"]
    assert await api.ok("GET", "/healthz") == {"status": "ok"}


async def test_a_server_without_its_store_is_not_ready(api: Api) -> None:
    await api.services.store.close()
    await api.problem("GET", "/readyz", 503)
    await api.problem("GET", "/v1.0/ais", 503)


async def test_metrics(api: Api) -> None:
    call = NotedCall(api.services, await api.new_aicall())
    response = await api.http.get("/metrics")
    assert response.headers["content-type"] == CONTENT_TYPE
    assert "aicall_live_calls 1.0" in response.text
    assert 'aicall_status_moves_total{status="initiating"} 1.0' in response.text
    await call.finish()
    assert "aicall_live_calls 0.0" in (await api.http.get("/metrics")).text
