"""A caller that costs next to nothing: it hears the greeting, is silent, and hangs up when it is told to.

For measurements and tests of what happens around calls, with as many of them as there may be. It speaks the plain
protocol (``docs/protocol-plain.md``).
"""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SAMPLE_RATE_HZ: Final = 8_000

_SILENCE: Final = bytes(SAMPLE_RATE_HZ // 5 * 2)
"""200 ms of it."""

_PAUSE_S: Final = 1.0
"""Pause between two pieces of silence, seconds: the runtime only wants to see that the line is alive."""

_OPEN_TIMEOUT_S: Final = 60.0


class QuietCall:
    """One call. Dials when its context is entered, breaks off when it is left.

    Args:
        media_url: Where to.

    Attributes:
        greeted: Set when the first audio of the bot came.
        over: Set when the connection is closed.
        cut: Whether the runtime closed it before the caller hung up.
    """

    def __init__(self, media_url: str) -> None:
        self.greeted = asyncio.Event()
        self.over = asyncio.Event()
        self.cut = False
        self._url = media_url
        self._hung_up = False
        self._socket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Dial.

        Raises:
            InvalidStatus: The runtime refused the call.
            OSError: Nobody listens, or the connection broke.
        """
        self._socket = await connect(
            self._url,
            subprotocols=["aicall.plain.v1"],  # type: ignore[list-item]
            proxy=None,
            compression=None,
            open_timeout=_OPEN_TIMEOUT_S,
            # A busy machine is not a dead one.
            ping_interval=None,
        )
        await self._socket.send(json.dumps({"event": "start", "sample_rate": SAMPLE_RATE_HZ, "call_id": "quiet"}))
        self._tasks = {asyncio.create_task(self._listen(self._socket)), asyncio.create_task(self._stay(self._socket))}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Break off."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        if self._socket is not None:
            await self._socket.close()

    async def hang_up(self) -> None:
        """End the call as a caller does, and wait until the runtime has closed the connection."""
        if self._socket is None or self.over.is_set():
            return
        self._hung_up = True
        await self._socket.send(json.dumps({"event": "stop", "reason": "hangup"}))
        await self.over.wait()

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    self.greeted.set()
                elif json.loads(message)["event"] == "mark":
                    await socket.send(message)
        except ConnectionClosed:
            pass
        finally:
            self.cut = not self._hung_up
            self.over.set()

    async def _stay(self, socket: ClientConnection) -> None:
        try:
            while not self._hung_up:
                await socket.send(_SILENCE)
                await asyncio.sleep(_PAUSE_S)
        except ConnectionClosed:
            pass
