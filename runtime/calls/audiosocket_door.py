"""Where Asterisk's AudioSocket connects: a TCP port of its own, beside that of the HTTP API (pbx facts, B10).

There is no handshake: the first frame holds the UUID that opens an AIcall, an AI or a team, and whoever does not send
it in time, or a wrong one, is closed. From there on the connection is a call's socket like any other
(`runtime.calls.call_socket.Socket`), a message being one whole frame.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.transports import BaseTransport, Transport
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from loguru import logger

from adapters.media.audiosocket import AudioSocketProtocol, Framer, read_uuid
from adapters.media.base import Handshake
from models.errors import AicallError, MediaProtocolError
from runtime.calls.admission import Admitted, admit_granted, find_audiosocket_grant
from runtime.calls.close_codes import NORMAL
from runtime.calls.conduct import conduct_admitted
from runtime.services import Services

MOST_WAITING: Final = 64
"""Received frames that may wait for the call before reading stops: 1.3 s of a call."""

MOST_UNSENT_BYTES: Final = 8_192
"""What may lie unsent in this process and, where the system knows such a limit, in the socket: half a second of a call
at 8000 Hz. Beyond it sending waits, so that a phone system that takes nothing is noticed."""

_READ_BYTES: Final = 16_384
_LINGER_S: Final = 1.0
"""How long Asterisk may take to close its end after the goodbye, seconds. A socket that is closed while something lies
unread in it is reset, and the goodbye would be lost."""

_ABNORMAL: Final = 1006
_HANDSHAKE: Final = Handshake(url="audiosocket:", path="")

Message = dict[str, Any]


class AudioSocketConnection(asyncio.BufferedProtocol):
    """One connection, as a call's socket.

    What stands in for WebSocket's close codes is 1000 for every way in which Asterisk itself closes, which it does by a
    reset as often as not, and 1006 for a network that fails.

    Args:
        on_made: Called with the connection once it stands.
    """

    def __init__(self, on_made: Callable[[AudioSocketConnection], None]) -> None:
        self._on_made = on_made
        self._loop = asyncio.get_running_loop()
        self._transport: Transport | None = None
        self._framer = Framer()
        self._received: deque[Message] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._read = memoryview(bytearray(_READ_BYTES))
        self._reading = True
        self._ended = False
        self._closing = False
        self._linger: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    # What asyncio tells.

    def connection_made(self, transport: BaseTransport) -> None:
        """Limit what may lie unsent."""
        self._transport = cast("Transport", transport)
        self._transport.set_write_buffer_limits(high=MOST_UNSENT_BYTES)
        connection = cast("socket.socket | None", transport.get_extra_info("socket"))
        if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MOST_UNSENT_BYTES)
        self._on_made(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to, whatever size is expected."""
        del sizehint
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        frames = self._framer.feed(bytes(self._read[:nbytes]))
        if self._closing or not frames:
            return
        self._received.extend({"type": "websocket.receive", "bytes": frame} for frame in frames)
        if len(self._received) >= MOST_WAITING and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take it for the hang-up that it is; the transport closes by itself."""
        self._end(NORMAL)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything that waits."""
        if self._linger is not None:
            self._linger.cancel()
        self._end(NORMAL if exc is None or isinstance(exc, ConnectionError) else _ABNORMAL)
        self._writable.set()

    def pause_writing(self) -> None:
        """Let senders wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let senders go on."""
        self._writable.set()

    # What a call's socket can do.

    async def accept(self, subprotocol: str | None = None) -> None:
        """Do nothing: there is nothing to answer."""
        del subprotocol

    async def receive(self) -> Message:
        """Return the next frame, or the end, in the form of ASGI's WebSocket messages."""
        while not self._received:
            self._arrived = self._loop.create_future()
            await self._arrived
        message = self._received[0] if self._received[0]["type"] == "websocket.disconnect" else self._received.popleft()
        if not self._reading and len(self._received) < MOST_WAITING // 2 and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()
        return message

    def put_back(self, message: Message) -> None:
        """Have a received frame received again, as the next one."""
        self._received.appendleft(message)

    async def send_bytes(self, data: bytes) -> None:
        """Send a frame; waits while too much lies unsent.

        Raises:
            ConnectionError: The connection is closed.
        """
        if not self._writable.is_set():
            await self._writable.wait()
        if self._transport is None or self._transport.is_closing() or self._closing:
            raise ConnectionResetError("the connection is closed")
        self._transport.write(data)

    async def send_text(self, data: str) -> None:
        """Refuse: there is no text here.

        Raises:
            ConnectionError: Always.
        """
        del data
        raise ConnectionResetError("AudioSocket carries frames only")

    async def close(self, code: int = NORMAL, reason: str | None = None) -> None:
        """Close once everything is sent and Asterisk has closed too, or soon after."""
        del code, reason
        if self._transport is None or self._transport.is_closing() or self._closing:
            return
        self._closing = True
        self._received.clear()
        self._end(NORMAL)
        if not self._reading:
            self._transport.resume_reading()
        self._transport.write_eof()
        self._linger = self._loop.call_later(_LINGER_S, self.abort)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _end(self, code: int) -> None:
        if not self._ended:
            self._ended = True
            self._received.append({"type": "websocket.disconnect", "code": code})
            self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)


class AudioSocketDoor:
    """Lets connections in.

    Args:
        services: The process.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tasks: dict[asyncio.Task[None], AudioSocketConnection] = {}
        self._server: asyncio.Server | None = None

    async def listen(self, listener: socket.socket) -> None:
        """Let in who connects to a listening socket, and own it."""
        self._server = await asyncio.get_running_loop().create_server(self.connection, sock=listener)

    def connection(
        self, on_decided: Callable[[], None] = lambda: None, on_over: Callable[[], None] = lambda: None
    ) -> AudioSocketConnection:
        """Make the protocol of a new connection, for asyncio.

        Args:
            on_decided: Called when it has its place among the calls, or gets none.
            on_over: Called when it is of no more use.
        """

        def made(connection: AudioSocketConnection) -> None:
            work = self._serve(connection, on_decided, on_over)
            task = asyncio.get_running_loop().create_task(work, name="audiosocket")
            self._tasks[task] = connection
            task.add_done_callback(self._tasks.pop)

        return AudioSocketConnection(made)

    async def close(self) -> None:
        """Let nobody in any more, close what is still open and wait for it."""
        if self._server is not None:
            self._server.close()
        for task, connection in list(self._tasks.items()):
            task.cancel()
            connection.abort()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _serve(
        self, connection: AudioSocketConnection, on_decided: Callable[[], None], on_over: Callable[[], None]
    ) -> None:
        try:
            await self._conduct(connection, on_decided)
        except AicallError as error:
            logger.info("audiosocket connection refused: {}", error.message)
        except Exception:  # noqa: BLE001 - one connection's trouble is nobody else's
            logger.exception("an audiosocket connection broke")
        finally:
            on_decided()
            await connection.close()
            on_over()

    async def _conduct(self, connection: AudioSocketConnection, on_decided: Callable[[], None]) -> None:
        services = self._services
        try:
            async with asyncio.timeout(services.settings.start_timeout_s):
                first = await connection.receive()
        except TimeoutError:
            raise MediaProtocolError("no UUID came in time", fatal=True) from None
        if first["type"] == "websocket.disconnect":
            return
        try:
            grant = await find_audiosocket_grant(services, read_uuid(first["bytes"]))
        except AicallError as error:
            services.metrics.connection_refused(error)
            raise

        async def admit_it() -> Admitted:
            on_decided()
            return await admit_granted(services, grant, AudioSocketProtocol, owner=services.live_calls.owner)

        connection.put_back(first)
        await conduct_admitted(services, connection, _HANDSHAKE, str(grant.resource_id), admit_it)
