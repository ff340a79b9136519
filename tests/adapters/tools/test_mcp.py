from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.tools.mcp import IDEMPOTENCY_KEY, McpConnection, mcp_installed
from models.errors import ToolFailed
from models.user_tools import McpServer
from tests.adapters.tools.clients import local_client
from tests.standins.mcp_server import BOOK, LOOPING, TAKEN, WEATHER, McpStandIn, mcp_stand_in


@asynccontextmanager
async def connected(
    stand_in: McpStandIn, *, headers: dict[str, str] | None = None, allow_private: bool = True, **changes: Any
) -> AsyncIterator[McpConnection]:
    server = McpServer.model_validate({"name": "shop", "url": stand_in.url, **changes})
    secrets = {name: SecretStr(value) for name, value in (headers or {}).items()}
    connection = McpConnection(server, secrets, local_client(allow_private=allow_private))
    try:
        yield connection
    finally:
        await connection.aclose()


def test_it_is_installed_here() -> None:
    assert mcp_installed()


async def test_all_pages_of_tools() -> None:
    async with mcp_stand_in() as stand_in, connected(stand_in) as connection:
        tools = await connection.tools()
        assert [tool.name for tool in tools] == [it.name for it in (WEATHER, BOOK, TAKEN, LOOPING)]
        assert [tool.read_only for tool in tools] == [True, False, False, False]
        assert tools[0].description == WEATHER.description
        assert tools[0].schema == WEATHER.inputSchema


async def test_only_the_tools_that_are_allowed() -> None:
    async with mcp_stand_in() as stand_in, connected(stand_in, tool_names=["book", "other"]) as connection:
        assert [tool.name for tool in await connection.tools()] == ["book"]


async def test_calling() -> None:
    async with mcp_stand_in() as stand_in, connected(stand_in, headers={"Authorization": "Bearer k"}) as connection:
        stand_in.key = "Bearer k"
        # Two at once are one session.
        booked, weather = await asyncio.gather(
            connection.call("book", {"seats": 2}, idempotency_key="key-1"),
            connection.call("weather.now", {"place": {"town": "Bern"}}, idempotency_key="key-2"),
        )
        assert (booked, weather) == ("booked", {"celsius": 21})
        assert sorted(stand_in.called, key=lambda it: it[0]) == [
            ("book", {"seats": 2}, {IDEMPOTENCY_KEY: "key-1"}),
            ("weather.now", {"place": {"town": "Bern"}}, {IDEMPOTENCY_KEY: "key-2"}),
        ]
        assert len({it["mcp-session-id"] for it in stand_in.headers if "mcp-session-id" in it}) == 1
    # The session was ended.
    assert "mcp-session-id" in stand_in.headers[-1]


async def test_a_tool_that_reports_an_error() -> None:
    async with mcp_stand_in() as stand_in, connected(stand_in) as connection:
        stand_in.fails = True
        with pytest.raises(ToolFailed, match="reports an error") as caught:
            await connection.call("book", {}, idempotency_key="key-1")
        assert caught.value.detail == "no table is free"
        assert len(stand_in.called) == 1


async def test_a_server_that_takes_no_key() -> None:
    async with mcp_stand_in() as stand_in, connected(stand_in, headers={"Authorization": "Bearer wrong"}) as connection:
        stand_in.key = "Bearer k"
        with pytest.raises(ToolFailed) as caught:
            await connection.tools()
        assert "wrong" not in caught.value.message + caught.value.detail


async def test_a_server_in_a_private_network() -> None:
    async with mcp_stand_in() as stand_in, connected(stand_in, allow_private=False) as connection:
        with pytest.raises(ToolFailed):
            await connection.tools()
        assert stand_in.headers == []


async def test_nobody_there() -> None:
    async with mcp_stand_in() as stand_in:
        pass
    async with connected(stand_in) as connection:
        with pytest.raises(ToolFailed):
            await connection.tools()


async def test_a_server_that_hangs_can_be_given_up() -> None:
    async with mcp_stand_in() as stand_in:
        stand_in.hangs = True
        async with connected(stand_in) as connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await connection.tools()


async def test_a_session_that_the_server_forgot_is_opened_anew() -> None:
    async with mcp_stand_in() as stand_in, connected(stand_in) as connection:
        assert await connection.call("book", {}, idempotency_key="key-1") == "booked"
        stand_in.forget_sessions()
        assert await connection.call("book", {}, idempotency_key="key-2") == "booked"
        assert [meta[IDEMPOTENCY_KEY] for _, _, meta in stand_in.called] == ["key-1", "key-2"]
