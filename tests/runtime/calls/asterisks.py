"""An Asterisk that waits to be dialled: its media WebSocket spelt out, on a real server socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.runtime.calls.phones import WAIT_S

FRAME = b"\xff" * 160


class WaitingAsterisk:
    """``ws://127.0.0.1:PORT/media/{id}``.

    Attributes:
        port: Where it listens.
        dialled: The paths that were dialled, refused ones too.
        offered: What each connection offered as subprotocols.
        commands: The commands that came.
        heard: The audio that came, µ-law.
        close_codes: How each connection ended.
        mute: Whether nothing is sent.
    """

    def __init__(self, *ids: str) -> None:
        self._ids = ids
        self.mute = False
        self.port = 0
        self.dialled: list[str] = []
        self.offered: list[str | None] = []
        self.commands: list[str] = []
        self.heard = b""
        self.close_codes: list[int | None] = []
        self.connections: list[ServerConnection] = []
        self._changed = asyncio.Condition()

    def url(self, id: str) -> str:  # noqa: A002
        return f"ws://127.0.0.1:{self.port}/media/{id}"

    async def until_heard(self, more: int = 160) -> None:
        wanted = len(self.heard) + more
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.heard) >= wanted)

    async def until_closed(self) -> None:
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: self.close_codes)

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.dialled.append(request.path)
        self.offered.append(request.headers.get("Sec-WebSocket-Protocol"))
        if request.path == "/media/moved":
            response = connection.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = self.url(self._ids[0])
            return response
        if request.path.removeprefix("/media/") not in self._ids:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such channel\n")
        return None

    async def talk(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        start: dict[str, Any] = {
            "event": "MEDIA_START",
            "connection_id": "c1",
            "channel": "WebSocket/INCOMING/0x1",
            "channel_id": "1761245643.1",
            "format": "ulaw",
            "optimal_frame_size": 160,
            "ptime": 20,
            "channel_variables": {},
        }
        with contextlib.suppress(ConnectionClosed):
            if not self.mute:
                await connection.send(json.dumps(start))
                await connection.send(FRAME)
            async for message in connection:
                async with self._changed:
                    if isinstance(message, bytes):
                        assert len(message) % 160 == 0
                        self.heard += message
                    else:
                        assert len(message) <= 128
                        self.commands.append(json.loads(message)["command"])
                        if self.commands[-1] == "HANGUP":
                            await connection.close()
                    self._changed.notify_all()
        async with self._changed:
            self.close_codes.append(connection.close_code)
            self._changed.notify_all()


@asynccontextmanager
async def waiting_asterisk(*ids: str) -> AsyncIterator[WaitingAsterisk]:
    """Run one that waits for these connections while the context lasts."""
    asterisk = WaitingAsterisk(*ids)
    async with serve(
        asterisk.talk,
        "127.0.0.1",
        0,
        process_request=asterisk.refuse,
        subprotocols=[Subprotocol("media")],
        ping_interval=None,
        compression=None,
    ) as server:
        asterisk.port = next(iter(server.sockets)).getsockname()[1]
        yield asterisk
