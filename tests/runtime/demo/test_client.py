from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from models.errors import InvalidField, Unavailable
from runtime.demo.client import Api
from tests.runtime.serving import KEY, an_ai, serving


@asynccontextmanager
async def client(url: str, key: str = KEY) -> AsyncIterator[Api]:
    api = Api(url, key)
    try:
        yield api
    finally:
        await api.aclose()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A server that gives every request the same answer and hangs up."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


async def test_it_creates_and_reads(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, client(server.url) as api:
        ai = await api.post("/v1.0/ais", an_ai())
        assert await api.get(f"/v1.0/ais/{ai['id']}") == ai
        aicall = await api.post("/v1.0/aicalls", {"assistance_id": ai["id"]})
        assert (await api.get("/v1.0/aimessages", aicall_id=aicall["id"]))["result"] == []


async def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, client(server.url) as api:
        with pytest.raises(InvalidField) as caught:
            await api.post("/v1.0/ais", an_ai(tts_type="nobody"))
        assert caught.value.field == "tts_type"


async def test_any_other_refusal_is_unavailable(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, client(server.url, "wrong") as api:
        with pytest.raises(Unavailable, match="refused a request"):
            await api.get("/v1.0/ais")
        with pytest.raises(Unavailable, match="refused the stream"):
            await anext(api.events())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 500 Oh\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]",
        b"HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{",
        b"",
    ],
)
async def test_no_proper_answer_is_unavailable(answer: bytes) -> None:
    async with answering(answer) as url, client(url) as api:
        with pytest.raises(Unavailable):
            await api.get("/v1.0/ais")


async def test_events_come_as_they_happen_until_the_server_stops(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, client(server.url) as api, aclosing(api.events()) as events:
        aicall = await server.new_aicall()
        first = await anext(events)
        assert (first["type"], first["aicall_id"], first["sequence"]) == ("aicall_status_initiating", aicall["id"], 1)
        later = asyncio.create_task(anext(events))
        await server.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
        assert (await later)["type"] == "aicall_status_terminating"
        assert (await anext(events))["type"] == "aicall_status_terminated"
        server.services.closing.set()
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_a_stream_that_breaks_off_is_unavailable() -> None:
    answer = b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\ndata: {"a": 1}\n\n\r\n7\r\n'
    async with answering(answer) as url, client(url) as api, aclosing(api.events()) as events:
        assert await anext(events) == {"a": 1}
        with pytest.raises(Unavailable, match="broke off"):
            await anext(events)
