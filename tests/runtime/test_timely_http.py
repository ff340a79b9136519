"""Requests whose head does not come: on real sockets, with a limit that a test can wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from runtime.calls.web_socket import CallWebSocket
from runtime.timely_http import TimelyHttp

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
WAIT_S = 20.0


class Quick(TimelyHttp):
    head_timeout_s = 0.5


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer requests with a word, and keep WebSockets open until the other side closes."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def dialled() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(app, http=Quick, ws=CallWebSocket, log_config=None, lifespan="off", timeout_keep_alive=60)
    state = ServerState()
    config.load()

    def connected() -> Quick:
        return Quick(config=config, server_state=state, app_state={})

    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()
        await server.wait_closed()
        while state.tasks:
            await asyncio.wait(state.tasks)


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other side closes, or resets, in time."""
    async with asyncio.timeout(WAIT_S):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


@pytest.mark.parametrize("begun", [b"", REQUEST[:5], UPGRADE[:-2]], ids=["nothing", "a request", "an upgrade"])
async def test_a_head_that_does_not_come_is_not_waited_for_for_ever(begun: bytes) -> None:
    async with dialled() as (reader, writer):
        writer.write(begun)
        assert await closed(reader)


async def test_nor_one_that_comes_byte_by_byte() -> None:
    async with dialled() as (reader, writer):
        waiting = asyncio.create_task(closed(reader))
        for byte in REQUEST * 50:
            if waiting.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)
        assert await waiting


async def test_a_connection_serves_one_request_after_another_and_may_rest_between_them() -> None:
    async with dialled() as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST)
            async with asyncio.timeout(WAIT_S):
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            # Longer than a head may take.
            await asyncio.sleep(2 * Quick.head_timeout_s)
        writer.write(REQUEST[:9])
        assert await closed(reader)


async def test_a_websocket_stays() -> None:
    async with dialled() as (reader, writer):
        writer.write(UPGRADE)
        async with asyncio.timeout(WAIT_S):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2 * Quick.head_timeout_s):
                await reader.read()
