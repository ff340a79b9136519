"""Uvicorn's WebSocket, fit for calls: small messages at a steady pace in both directions.

Given to uvicorn by its public ``ws`` setting. Some things differ from the class it extends. Uvicorn stops reading the
socket at every message until the application has taken it, and starts again: two system calls a message that a call has
no use for, since its reader takes every message at once; here reading only stops when messages pile up. Ordinary
messages are read and written without the machinery for everything that a frame can be, and what one turn of the event
loop sends goes out in one system call. What is received is read into one small buffer again and again: asyncio would
make one of 256 KiB for each message, which costs more than all the rest of its way. And little may lie unsent.
"""

from __future__ import annotations

import socket
from asyncio import BufferedProtocol
from asyncio.transports import BaseTransport
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import OPEN

from runtime.calls.plain_frames import Control, PlainFrames, Rest

MOST_WAITING: Final = 64
"""Received messages that may wait for the application before reading stops: 1.3 s of a call."""

MOST_UNSENT_BYTES: Final = 8_192
"""What may lie unsent in this process and, where the system knows such a limit, in the socket: half a second of a call.
Beyond it sending waits, so that a phone system that takes nothing is noticed and gets no backlog afterwards."""

_MOST_TOGETHER: Final = 16
"""Messages of one turn of the event loop that are kept for one system call; a stalled call's look-ahead fits in."""
_READ_BYTES: Final = 16_384
"""Most that is read from the socket at once: a second of a call and more; what is longer comes in pieces."""
_ONE_BYTE_LENGTHS: Final = 126
_TWO_BYTE_LENGTHS: Final = 65_536


class CallWebSocket(WebSocketsSansIOProtocol, BufferedProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ready = False
        self._frames: PlainFrames | None = None
        self._unsent: list[bytes] = []
        self._read = memoryview(bytearray(_READ_BYTES))

    def connection_made(self, transport: BaseTransport) -> None:
        """Limit what may lie unsent."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=MOST_UNSENT_BYTES)
        connection = cast("socket.socket | None", transport.get_extra_info("socket"))
        if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT") and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MOST_UNSENT_BYTES)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to, whatever size is expected."""
        del sizehint
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self.data_received(bytes(self._read[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Read ordinary messages; leave the rest to the base class."""
        if self._frames is None:
            if self.conn.state is not OPEN or not self._ready:
                # What comes next begins a frame only when nothing but the request has come before the answer to it.
                alone = not self.handshake_initiated and data.endswith(b"\r\n\r\n")
                self._ready = alone and self.config.ws_max_size >= _TWO_BYTE_LENGTHS
                super().data_received(data)
                return
            self._frames = PlainFrames()
        for received in self._frames.receive(data):
            if isinstance(received, str):
                self._hand_on({"type": "websocket.receive", "text": received})
            elif isinstance(received, bytes):
                self._hand_on({"type": "websocket.receive", "bytes": received})
            elif isinstance(received, Control):
                super().data_received(received.frame)
            elif isinstance(received, Rest):
                self._frames = None
                self._ready = False
                super().data_received(received.data)

    def send_receive_event_to_app(self) -> None:
        """Hand on a message that the base class has read."""
        # It asks for the first message only, and starts reading again when none waits any more.
        self.read_paused = True
        super().send_receive_event_to_app()
        self._stop_reading_when_full()

    async def send(self, message: Any) -> None:
        """Write ordinary messages; leave the rest to the base class."""
        frame = _frame_of(message)
        if (
            frame is None
            or self.conn.state is not OPEN
            or not self.writable.is_set()
            or self.close_sent
            or self.disconnected
            or not self.handshake_complete
        ):
            self._write_unsent()
            await super().send(message)
            return
        if not self._unsent:
            self.loop.call_soon(self._write_unsent)
        self._unsent.append(frame)
        if len(self._unsent) >= _MOST_TOGETHER:
            self._write_unsent()

    def handle_close(self, event: Frame) -> None:
        """Answer the other side's goodbye, behind what was sent before it."""
        self._write_unsent()
        super().handle_close(event)

    def shutdown(self) -> None:
        """Say goodbye, behind what was sent before it."""
        self._write_unsent()
        super().shutdown()

    def _write_unsent(self) -> None:
        unsent = self._unsent
        if unsent:
            self._unsent = []
            if not self.close_sent and not self.transport.is_closing():
                self.transport.write(b"".join(unsent))

    def _hand_on(self, message: Any) -> None:
        if self.close_sent:
            return
        self.queue.put_nowait(message)
        self.read_paused = True
        self._stop_reading_when_full()

    def _stop_reading_when_full(self) -> None:
        if self.queue.qsize() >= MOST_WAITING:
            self.transport.pause_reading()


def _frame_of(message: Any) -> bytes | None:
    """Write a message as a frame (RFC 6455, section 5.2); None for what is none, or is too long to be ordinary."""
    if message["type"] != "websocket.send":
        return None
    payload: bytes | None = message.get("bytes")
    first = b"\x82"
    if payload is None:
        payload, first = message["text"].encode(), b"\x81"
    length = len(payload)
    if length < _ONE_BYTE_LENGTHS:
        return first + length.to_bytes(1, "big") + payload
    if length < _TWO_BYTE_LENGTHS:
        return first + b"\x7e" + length.to_bytes(2, "big") + payload
    return None
