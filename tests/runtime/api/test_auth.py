from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest

from models.customer import Scope
from runtime.api.auth import CALLS_PATHS, CUSTOMERS_PATH, OPEN_PATHS, scopes_for
from tests.runtime.api.resources import ANSWERS, closed_operations, document_of, tenant
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
    closed = [route for route in routes(document) if route[1] not in OPEN_PATHS and not route[1].startswith(ANSWERS)]
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


@pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE, Scope.CALLS])
async def test_a_scope_opens_what_it_is_for_and_a_missing_one_is_named(api: Api, scope: Scope) -> None:
    document = await document_of(api)
    async with tenant(api, scope) as keyed:
        for path, method, _ in closed_operations(document):
            response = await keyed.http.request(method, re.sub(r"\{\w+\}", str(uuid4()), path))
            of_calls = path.startswith(CALLS_PATHS)
            reading = method == "GET"
            answering = path.endswith("/cxml")
            open_ = {
                Scope.READ: reading and not answering,
                Scope.WRITE: not reading and not of_calls and not answering,
                Scope.CALLS: of_calls or answering,
            }[scope] and not path.startswith(CUSTOMERS_PATH)
            assert (response.status_code != 403) is open_, (scope, method, path)
            if not open_:
                needed = "admin" if path.startswith(CUSTOMERS_PATH) else scopes_for(method, path)[0]
                assert response.json()["detail"] == f"the API key lacks the scope {needed}"


def test_admin_opens_everything() -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in ("/v1.0/ais", "/v1.0/aicalls/1", CUSTOMERS_PATH, f"{CUSTOMERS_PATH}/1/api_keys", "/nowhere"):
            assert Scope.ADMIN in scopes_for(method, path)


def test_a_path_that_only_begins_alike_is_another() -> None:
    assert scopes_for("POST", "/v1.0/aicallsx") == (Scope.WRITE, Scope.ADMIN)
    assert scopes_for("GET", "/v1.0/customersx") == (Scope.READ, Scope.ADMIN)
