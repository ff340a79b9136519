from __future__ import annotations

import json

import httpx
import pytest
from fastapi import FastAPI

from models.errors import (
    AicallError,
    Changed,
    Conflict,
    Forbidden,
    IllegalTransition,
    InvalidField,
    LimitReached,
    MediaProtocolError,
    NotFound,
    ProviderError,
    ProviderRefusedKey,
    Unauthorized,
    Unavailable,
)
from runtime.api.problem import install_problem_handlers, problem_of
from tests.runtime.serving import Api


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidField("a.b", "is odd"), 422),
        (NotFound("ai", "7"), 404),
        (Conflict("no"), 409),
        (IllegalTransition("terminated", "progressing"), 409),
        (Unauthorized("no"), 401),
        (Forbidden("no"), 403),
        (Unavailable("later", retry_after_s=1.2), 503),
        (LimitReached("later", retry_after_s=1.2), 429),
        (Changed("no"), 409),
        (MediaProtocolError("no"), 400),
        (ProviderError("no", provider="openai", seat="llm"), 502),
        (AicallError("no"), 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_every_error_of_the_tree_has_a_status(error: AicallError, status: int) -> None:
    response = problem_of(error, "/v1.0/x")
    problem = json.loads(bytes(response.body))
    assert response.status_code == problem["status"] == status
    assert response.media_type == "application/problem+json"
    assert problem["instance"] == "/v1.0/x"
    assert problem["type"].startswith("urn:aicall:problem:")
    assert error.message in problem["detail"]
    assert ("errors" in problem) == (status == 422)
    if status == 422:
        assert problem["errors"] == [{"field": "a.b", "message": "is odd"}]
    assert response.headers.get("retry-after") == ("2" if status in {429, 503} else None)


def test_a_vendors_failure_says_who_failed_and_what_to_do() -> None:
    error = ProviderRefusedKey("the provider refused the key", provider="openai", seat="llm")
    problem = json.loads(bytes(problem_of(error, "/v1.0/ais").body))
    assert problem["provider_error"] == error.public()
    assert "provider_error" not in json.loads(bytes(problem_of(Conflict("no"), "/v1.0/ais").body))


async def test_no_route_and_no_such_method(api: Api) -> None:
    problem = await api.problem("GET", "/v1.0/nothing", 404)
    assert problem["instance"] == "/v1.0/nothing"
    await api.problem("GET", "/v1.0/ais/", 404)
    for path, allowed in (("/v1.0/ais", "GET, POST"), ("/v1.0/ais/7", "DELETE, GET, PUT"), ("/healthz", "GET")):
        await api.problem("PATCH", path, 405)
        assert (await api.http.patch(path)).headers["allow"] == allowed


async def test_a_token_in_a_path_is_not_repeated(api: Api) -> None:
    problem = await api.problem("GET", "/ws/1234/canary-token", 404)
    assert "canary" not in json.dumps(problem)


async def test_what_nobody_expected_stays_inside() -> None:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("password=canary")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        response = await http.get("/broken")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "an internal error"
    assert "canary" not in response.text
