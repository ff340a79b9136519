from __future__ import annotations

import re
from uuid import uuid4

import httpx

from runtime.api.auth import OPEN_PATHS
from tests.runtime.serving import KEY, Api


def routes(document: dict[str, dict[str, dict[str, object]]]) -> list[tuple[str, str]]:
    """Every method and path of an OpenAPI document, with its parameters filled in."""
    return [
        (method.upper(), re.sub(r"\{\w+\}", str(uuid4()), path))
        for path, methods in document["paths"].items()
        for method in methods
    ]


async def test_every_route_but_the_open_ones_wants_the_key(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    closed = [route for route in routes(document) if route[1] not in OPEN_PATHS]
    assert len(closed) >= 15
    wrong = [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Basic {KEY}",
        KEY,
        f"Bearer {KEY} {KEY}",
    ]
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as stranger:
        for method, path in [*closed, ("GET", "/nowhere"), ("GET", "/v1.0/"), ("GET", "/docs/x")]:
            for credentials in wrong:
                headers = {} if credentials is None else {"Authorization": credentials}
                response = await stranger.request(method, path, headers=headers)
                assert response.status_code == 401, (method, path, credentials)
                assert response.headers["www-authenticate"].startswith("Bearer")
                assert response.headers["content-type"] == "application/problem+json"
                assert KEY not in response.text


async def test_the_open_ones_answer_strangers(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as stranger:
        for path in OPEN_PATHS:
            assert (await stranger.get(path)).status_code == 200, path


async def test_the_scheme_is_read_in_any_case(api: Api) -> None:
    for scheme in ("bearer", "BEARER"):
        response = await api.http.get("/v1.0/ais", headers={"Authorization": f"{scheme}  {KEY}"})
        assert response.status_code == 200


async def test_a_body_is_not_looked_at_before_the_key(api: Api) -> None:
    response = await api.http.post("/v1.0/ais", content=b"{", headers={"Authorization": "Bearer wrong"})
    assert response.status_code == 401
