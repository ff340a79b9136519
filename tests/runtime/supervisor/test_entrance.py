"""The worker's side of the port: a real server that gets connections which somebody else accepted."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from bench.quiet_call import QuietCall
from runtime.server import running_server
from runtime.services import Services
from runtime.supervisor.entrance import Entrance
from runtime.supervisor.placement import Load
from tests.runtime.calls.audiosocket_phones import audiosocket_dial
from tests.runtime.serving import KEY, _models, an_ai, settings_in

WAIT_S = 60.0


class Door:
    """Accepts connections on a port and hands them to a server in this process.

    Attributes:
        entrance: Where they go in.
        services: What the server serves with.
        changes: How often the entrance said that its load may have changed.
    """

    def __init__(self, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.entrance = Entrance(self.url, self._change, self._scrape)
        self.services: Services
        self.changes = 0

    def _change(self) -> None:
        self.changes += 1

    async def _scrape(self) -> bytes:
        return b"all of them\n"

    def client(self, **changes: Any) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=WAIT_S, trust_env=False, **changes)

    async def until(self, **expected: float) -> None:
        """Wait until the load is as expected."""
        await self.no_longer(
            lambda: any(getattr(self.entrance.load(), name) != value for name, value in expected.items())
        )

    async def no_longer(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while condition():  # noqa: ASYNC110 - what it looks at belongs to the HTTP server
                await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(folder: Path, **changes: Any) -> AsyncIterator[Door]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        door = Door(listener)
        assert door.entrance.load() == Load()
        settings = settings_in(folder, **changes)
        async with running_server(settings, inference=_models(), entrance=door.entrance) as (url, services):
            assert url == door.url
            door.services = services

            async def accept() -> None:
                while True:
                    connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                    door.entrance.admit(connection)

            accepting = asyncio.create_task(accept())
            try:
                yield door
            finally:
                accepting.cancel()
                await asyncio.wait({accepting})


async def test_requests_and_calls_are_served(tmp_path: Path) -> None:
    async with opened(tmp_path, max_calls=2) as door, door.client() as http:
        ai = (await http.post("/v1.0/ais", json=an_ai())).json()
        # One connection, kept open, is one connection.
        assert door.entrance.load() == Load(calls=0, free=2, undecided=0, received=1)
        urls = [(await http.post("/v1.0/aicalls", json={"assistance_id": ai["id"]})).json()["media_url"] for _ in "123"]
        assert urls[0].startswith(door.url.replace("http", "ws"))
        assert (await http.get("/metrics")).text == "all of them\n"
        changes = door.changes
        async with QuietCall(urls[0]) as first, QuietCall(urls[1]) as second:
            await door.until(calls=2, free=0, undecided=0, received=3)
            with pytest.raises(InvalidStatus) as refused:
                async with QuietCall(urls[2]):
                    pass
            assert refused.value.response.status_code == 503
            await first.hang_up()
            await door.until(calls=1, free=1)
            await second.hang_up()
        await door.until(calls=0, free=2)
        assert door.changes > changes


async def test_a_connection_that_asks_for_nothing_may_become_a_call_for_a_while(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
        await door.until(undecided=1, received=1, free=math.inf)
        assert door.entrance.has_undecided
        # Not for ever: somebody may just keep it open.
        await door.until(undecided=0, received=1)
        assert door.entrance.has_requests
        writer.close()
        await writer.wait_closed()
        await door.no_longer(lambda: door.entrance.has_requests)


async def test_who_finds_no_room_is_sent_to_look_elsewhere(tmp_path: Path) -> None:
    async with opened(tmp_path, max_calls=1) as door, door.client() as http:
        assert "connection" not in (await http.get("/readyz")).headers
        with door.services.capacity.place():
            assert door.entrance.load().free == 0
            full = await http.get("/readyz")
            assert (full.status_code, full.headers["connection"]) == (503, "close")
            # Where another process has room, nobody need come back later.
            door.entrance.room_elsewhere = True
            assert (await http.get("/readyz")).status_code == 200
            ai = (await http.post("/v1.0/ais", json=an_ai())).json()
            made = await http.post("/v1.0/aicalls", json={"assistance_id": ai["id"]})
            assert made.status_code == 201
            # But a call that has come here cannot go there.
            with pytest.raises(InvalidStatus):
                async with QuietCall(made.json()["media_url"]):
                    pass


async def test_who_asks_a_server_that_retires_is_served_and_sent_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as door, door.client() as http:
        assert (await http.get("/healthz")).status_code == 200
        door.entrance.retire()
        last = await http.get("/v1.0/ais")
        assert (last.status_code, last.headers["connection"]) == (200, "close")
        await door.no_longer(lambda: door.entrance.has_requests)


async def test_what_comes_when_it_is_closed_is_let_go(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        door.entrance.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
        async with asyncio.timeout(WAIT_S):
            assert await reader.read() == b""
        assert door.entrance.load().received == 1
        assert not door.entrance.has_requests
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_connection_on_another_port_than_that_of_http_is_audiosockets(tmp_path: Path) -> None:
    async with opened(tmp_path, max_calls=2, audiosocket_port=0) as door, door.client() as http:
        ai = (await http.post("/v1.0/ais", json=an_ai())).json()
        aicall = (await http.post("/v1.0/aicalls", json={"assistance_id": ai["id"]})).json()
        with socket.create_server(("127.0.0.1", 0)) as other:
            other.setblocking(False)
            async with audiosocket_dial(other.getsockname()[1]) as phone:
                connection, _ = await asyncio.get_running_loop().sock_accept(other)
                door.entrance.admit(connection)
                assert door.entrance.has_requests
                await door.until(undecided=1)
                await phone.start(aicall["audiosocket_uuid"])
                await door.until(calls=1, free=1, undecided=0)
                changes = door.changes
            await door.until(calls=0, free=2)
            await door.no_longer(lambda: door.changes == changes)
            # One that says nothing of use.
            async with audiosocket_dial(other.getsockname()[1]) as phone:
                connection, _ = await asyncio.get_running_loop().sock_accept(other)
                door.entrance.admit(connection)
                await phone.send(b"\x00\x00\x00")
                await phone.closed()
                await door.until(undecided=0, calls=0)
