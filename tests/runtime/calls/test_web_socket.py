"""On a real server, with a client that speaks the whole of WebSocket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from runtime.calls.web_socket import MOST_WAITING, CallWebSocket

WAIT_S = 20.0
"""Deadline of a whole test, seconds."""
MAX_BYTES = 100_000


class App:
    """An application that takes messages only when a test says so.

    Attributes:
        received: What it took.
        sent: Bytes that a test had it send.
    """

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.changed = asyncio.Condition()
        self.sent = 0
        self.send: Any = None
        self.closed = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        self.send = send
        while True:
            await self.takes.wait()
            message = await receive()
            async with self.changed:
                self.received.append(message)
                self.changed.notify_all()
            if message["type"] == "websocket.disconnect":
                self.closed.set()
                return

    async def count(self, number: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.received) >= number)

    def messages(self) -> list[str | bytes]:
        return [
            entry["text"] if entry.get("text") is not None else entry["bytes"]
            for entry in self.received
            if entry["type"] == "websocket.receive"
        ]


@asynccontextmanager
async def served(max_bytes: int = MAX_BYTES, ws: type[CallWebSocket] = CallWebSocket) -> AsyncIterator[tuple[App, int]]:
    app = App()
    config = uvicorn.Config(
        app,
        ws=ws,
        ws_per_message_deflate=False,
        ws_max_size=max_bytes,
        lifespan="off",
        log_config=None,
        ws_ping_interval=0.05,
        ws_ping_timeout=WAIT_S,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(WAIT_S):
                yield app, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def connected(max_bytes: int = MAX_BYTES, **options: Any) -> AsyncIterator[tuple[App, ClientConnection]]:
    async with (
        served(max_bytes) as (app, port),
        connect(f"ws://127.0.0.1:{port}/", compression=None, **options) as client,
    ):
        yield app, client


MESSAGES: list[str | bytes] = ["", b"", "ä€🎧", b"\x00" * 320, "x" * 350, b"y" * 70_000, "z" * 65_535, "one", b"two"]


async def test_messages_of_every_kind_in_both_directions() -> None:
    async with connected() as (app, client):
        for message in MESSAGES:
            await client.send(message)
        await app.count(len(MESSAGES))
        assert app.messages() == MESSAGES
        for message in MESSAGES:
            kind = "text" if isinstance(message, str) else "bytes"
            await app.send({"type": "websocket.send", kind: message})
        assert [await client.recv() for _ in MESSAGES] == MESSAGES


async def test_what_comes_is_read_into_a_small_buffer() -> None:
    reads: list[int] = []

    class Counted(CallWebSocket):
        def buffer_updated(self, nbytes: int) -> None:
            reads.append(nbytes)
            super().buffer_updated(nbytes)

    async with served(ws=Counted) as (app, port), connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
        await client.send("x" * 90_000)
        await app.count(1)
        assert app.messages() == ["x" * 90_000]
        # Only the request itself was read before this class had the connection.
        assert sum(reads) >= 90_000
        assert max(reads) <= 16_384


async def test_fragments_between_messages() -> None:
    async with connected() as (app, client):
        await client.send("one")
        await client.send(["t", "w", "o"])
        await client.send("three")
        await app.count(3)
        assert app.messages() == ["one", "two", "three"]


async def test_pings_both_ways() -> None:
    async with connected() as (app, client):
        await client.send("one")
        await (await client.ping())
        # The server asks every 50 ms; the answers to it come between the messages.
        for number in range(10):
            await client.send(str(number))
            await asyncio.sleep(0.02)
        await app.count(11)
        assert app.messages() == ["one", *map(str, range(10))]


@pytest.mark.parametrize("first", ["whole", ["in ", "pieces"]], ids=["short way", "long way"])
async def test_a_flood_is_held_back_and_nothing_is_lost(first: str | list[str]) -> None:
    async with connected() as (app, client):
        await client.send(first)
        await app.count(1)
        app.takes.clear()
        flood = [f"{number} " + "x" * 10_000 for number in range(3_000)]
        progress: list[str] = []
        sending = asyncio.create_task(send_all(client, ["wakes the app", *flood], progress))
        # 30 MB do not fit into the sockets' buffers, so the sender can only finish if somebody piles them up.
        before = -1
        while before != len(progress):
            before = len(progress)
            await asyncio.sleep(0.3)
        assert not sending.done()
        app.takes.set()
        await sending
        await app.count(3_002)
        assert app.messages() == ["".join(first), "wakes the app", *flood]


async def send_all(client: ClientConnection, messages: list[str], progress: list[str]) -> None:
    for message in messages:
        await client.send(message)
        progress.append(message)


@pytest.mark.parametrize("first", ["whole", ["in ", "pieces"]], ids=["short way", "long way"])
async def test_messages_within_the_limit_are_taken_from_the_socket_at_once(first: str | list[str]) -> None:
    """Before the application has asked for them; that is what saves the system calls."""
    async with served() as (app, port):
        app.takes.clear()
        async with connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
            await client.send(first)
            for number in range(MOST_WAITING - 2):
                await client.send(str(number))
            # The server reads on: it sees this ping behind them.
            await (await client.ping())
            app.takes.set()
            await app.count(MOST_WAITING - 1)


async def test_a_client_that_takes_nothing_gets_no_backlog() -> None:
    async with served() as (app, port):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", port))
        request = (
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await loop.sock_sendall(raw, request)
        assert (await loop.sock_recv(raw, 4_096)).startswith(b"HTTP/1.1 101")
        sending = asyncio.create_task(send_frames(app))
        await asyncio.wait({sending}, timeout=0.5)
        assert not sending.done()
        assert 0 < app.sent < 100_000
        raw.close()
        await asyncio.wait({sending})
        await app.closed.wait()


async def send_frames(app: App) -> None:
    """Without a pause, so that only the connection can stop it."""
    while app.sent < 2_000_000:
        await app.send({"type": "websocket.send", "bytes": bytes(320)})
        app.sent += 320


async def test_what_was_sent_before_the_goodbye_arrives_before_it() -> None:
    async with connected() as (app, client):
        for number in range(5):
            await app.send({"type": "websocket.send", "text": str(number)})
        await app.send({"type": "websocket.close", "code": 1000, "reason": ""})
        assert [message async for message in client] == ["0", "1", "2", "3", "4"]


async def test_long_and_short_messages_stay_in_order() -> None:
    async with connected() as (app, client):
        for message in ("short", "x" * 70_000, "short again"):
            await app.send({"type": "websocket.send", "text": message})
        assert [await client.recv() for _ in range(3)] == ["short", "x" * 70_000, "short again"]


@pytest.mark.parametrize("before", ["", "one"])
async def test_the_client_closes(before: str) -> None:
    async with connected() as (app, client):
        if before:
            await client.send(before)
        await client.close(1000, "bye")
        await app.closed.wait()
        assert app.received[-1]["code"] == 1000
        with pytest.raises(OSError):
            await app.send({"type": "websocket.send", "text": "late"})


async def test_the_application_closes() -> None:
    async with connected() as (app, client):
        await client.send("one")
        await app.count(1)
        await app.send({"type": "websocket.close", "code": 1001, "reason": "drain"})
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "drain")
        with pytest.raises((RuntimeError, OSError)):
            await app.send({"type": "websocket.send", "text": "late"})


@pytest.mark.parametrize("max_bytes", [1_000, MAX_BYTES])
async def test_a_message_that_is_too_long_ends_the_connection(max_bytes: int) -> None:
    async with connected(max_bytes) as (app, client):
        await client.send("x" * 1_000)
        await app.count(1)
        await client.send("x" * (max_bytes + 1))
        await app.closed.wait()
        assert app.received[-1]["code"] == 1009


async def test_text_that_is_none_ends_the_connection() -> None:
    async with connected() as (app, client):
        await client.send("one")
        await client.send(b"\xff\xfe", text=True)
        await app.closed.wait()
        assert app.received[-1]["code"] == 1007
        assert app.messages() == ["one"]
