from __future__ import annotations

from pathlib import Path

from runtime.metrics import CONTENT_TYPE
from tests.runtime.serving import Api, NotedCall, serving


async def test_live_and_ready(api: Api) -> None:
    assert await api.ok("GET", "/healthz") == {"status": "ok"}
    assert await api.ok("GET", "/readyz") == {"status": "ready", "live_calls": 0}


async def test_a_draining_server_is_live_and_not_ready(api: Api) -> None:
    await api.services.live_calls.drain(0)
    problem = await api.problem("GET", "/readyz", 503)
    assert "draining" in problem["detail"]
    assert await api.ok("GET", "/healthz") == {"status": "ok"}


async def test_a_full_server_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path, max_calls=1) as api:
        await api.ok("GET", "/readyz")
        with api.services.capacity.place():
            response = await api.http.get("/readyz")
            assert (response.status_code, response.headers["retry-after"]) == (503, "5")
            assert "full" in response.json()["detail"]
            assert await api.ok("GET", "/healthz") == {"status": "ok"}
            text = (await api.http.get("/metrics")).text
            assert "aicall_call_limit 1.0" in text
            # Asking is no call.
            assert 'aicall_calls_refused_total{reason="max_calls"} 0.0' in text
        await api.ok("GET", "/readyz")


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
