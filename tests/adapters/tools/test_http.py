from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from adapters.tools.http import call_http_tool
from models.errors import ToolFailed
from models.user_tools import HttpTool
from tests.adapters.tools.clients import local_client
from tests.standins.tools import ToolStandIn

ARGUMENTS = {"town": "Zürich", "days": 3, "units": ["c", "f"], "exact": True}


async def call(stand_in: ToolStandIn, headers: dict[str, str] | None = None, **changes: Any) -> Any:
    tool = HttpTool.model_validate(
        {"name": "weather", "description": "The weather.", "url": f"{stand_in.http_url}/tool", **changes}
    )
    secrets = {name: SecretStr(value) for name, value in (headers or {}).items()}
    async with local_client() as client:
        return await call_http_tool(client, tool, ARGUMENTS, headers=secrets, idempotency_key="key-1")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_arguments_in_the_body(method: str) -> None:
    async with ToolStandIn() as stand_in:
        assert await call(stand_in, method=method) == {"temperature": 21}
        [request] = stand_in.requests
        assert (request.method, request.body, request.query) == (method, ARGUMENTS, {})
        assert request.headers["content-type"] == "application/json"
        assert request.headers["idempotency-key"] == "key-1"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_arguments_in_the_query(method: str) -> None:
    async with ToolStandIn() as stand_in:
        await call(stand_in, method=method)
        [request] = stand_in.requests
        assert (request.method, request.body) == (method, None)
        assert request.query == {"town": "Zürich", "days": "3", "units": '["c", "f"]', "exact": "true"}


async def test_headers_of_its_own() -> None:
    async with ToolStandIn(keys=["Bearer tool-key"]) as stand_in:
        await call(stand_in, {"Authorization": "Bearer tool-key", "ACCEPT": "text/plain"})
        headers = stand_in.requests[0].headers
        assert (headers["authorization"], headers["accept"]) == ("Bearer tool-key", "text/plain")
        with pytest.raises(ToolFailed, match="401"):
            await call(stand_in)
