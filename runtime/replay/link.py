"""One WebSocket of the harness: websockets' sans-I/O client on a bare asyncio transport.

A harness writes and reads fifty messages a second on each of hundreds of sockets. On a bare transport a message costs
one call each way: no task, no future and no lock for each of them. Ordinary messages are read and written by
`runtime.replay.frames`; the handshake, the close and whatever else a frame can be are left to websockets.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from adapters.media.base import Message
from runtime.replay.frames import Control, Rest, ServerFrames, client_frame

_HIGH_WATER_BYTES: Final = 32_768
"""What the far end may leave unread before `Listener.paused`, beside the kernel's own buffers, bytes."""

_READ_BYTES: Final = 16_384
"""What is read at once, bytes. asyncio's own reading allocates 256 KiB each time."""

_HEAD_END: Final = b"\r\n\r\n"


class Listener(Protocol):
    """Who owns a `Link`. All calls come from the event loop."""

    def received(self, message: Message) -> None:
        """Take one whole message."""

    def paused(self) -> None:
        """Stop writing: the far end does not read."""

    def resumed(self) -> None:
        """Go on writing."""

    def closed(self, code: int | None, reason: str) -> None:
        """Note that the far end closed, or that the connection broke (no code). Not called after `Link.hang_up`."""


class CallLink(Protocol):
    """What a call needs of its connection."""

    def listen(self, listener: Listener) -> None:
        """Hand over what comes, what has come already first."""

    def send(self, messages: Sequence[Message]) -> None:
        """Write messages; nothing once either side has closed."""

    async def hang_up(self, timeout_s: float) -> None:
        """Close in order; cut the connection off when the far end takes too long."""


class Link(asyncio.BufferedProtocol):
    """One connection, from the upgrade request to the closed socket. Made by `open_link`."""

    def __init__(self, uri: WebSocketURI, headers: Mapping[str, str], subprotocol: str | None) -> None:
        """Prepare the upgrade request; nothing is sent yet.

        Args:
            uri: Where to.
            headers: Extra headers of the request.
            subprotocol: What to offer, or None.
        """
        loop = asyncio.get_running_loop()
        self._peer = ClientProtocol(uri, subprotocols=[Subprotocol(subprotocol)] if subprotocol else None)
        self._headers = headers
        self._upgraded: asyncio.Future[None] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._listener: Listener | None = None
        self._early: list[Message] = []
        self._parts: list[bytes] = []
        self._text = False
        self._told = False
        self._received = memoryview(bytearray(_READ_BYTES))
        self._head_tail: bytes | None = b""  # the last bytes of the answer's head so far; None once it is over
        self._frames: ServerFrames | None = None  # reads while nothing has come that only websockets reads

    async def upgrade(self) -> None:
        """Wait until the far end has accepted the WebSocket.

        Raises:
            InvalidHandshake: It did not.
            EOFError: It left without an answer.
        """
        await self._upgraded

    def listen(self, listener: Listener) -> None:
        """Hand over what comes, what has come already first."""
        self._listener = listener
        for message in self._early:
            listener.received(message)
        self._early.clear()
        self._tell_if_closed()

    def send(self, messages: Sequence[Message]) -> None:
        """Write messages, one frame each; nothing once either side has closed."""
        if not messages:
            return
        transport = self._transport
        if transport is None or transport.is_closing() or self._peer.state is not State.OPEN:
            return
        # Whole messages leave the protocol's state as it is, so they need not pass through it.
        transport.write(client_frame(messages[0]) if len(messages) == 1 else b"".join(map(client_frame, messages)))

    async def hang_up(self, timeout_s: float) -> None:
        """Close in order; cut the connection off when the far end takes too long.

        Args:
            timeout_s: Longest wait for the far end, seconds.
        """
        self._told = True
        if self._peer.state is State.OPEN:
            self._peer.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()
        await asyncio.wait([self._gone], timeout=timeout_s)
        self.abort()
        await self._gone

    def abort(self) -> None:
        """Cut the connection off."""
        self._told = True
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the upgrade request; called by asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        transport.set_write_buffer_limits(_HIGH_WATER_BYTES)
        request = self._peer.connect()
        request.headers.update(self._headers)
        self._peer.send_request(request)
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to put what comes; called by asyncio."""
        del sizehint
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came; called by asyncio."""
        data = self._received[:nbytes].tobytes()
        if self._frames:
            self._read_frames(self._frames, data)
        elif self._head_tail is None:
            self._read_all(data)
        else:
            self._read_head(self._head_tail, data)

    def eof_received(self) -> None:
        """Note that the far end writes nothing more; called by asyncio."""
        self._peer.receive_eof()
        for event in self._peer.events_received():
            if isinstance(event, Response):  # a body without a length ends here
                self._judge(answered=True)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone; called by asyncio."""
        del exc
        self._peer.receive_eof()
        self._judge(answered=False)
        if not self._gone.done():
            self._gone.set_result(None)
        self._tell_if_closed(lost=True)

    def pause_writing(self) -> None:
        """Pass on back-pressure; called by asyncio."""
        if self._listener:
            self._listener.paused()

    def resume_writing(self) -> None:
        """Pass on that it is over; called by asyncio."""
        if self._listener:
            self._listener.resumed()

    def _read_head(self, tail: bytes, data: bytes) -> None:
        """Read the answer to the upgrade request, and what follows it from the first byte of a frame on."""
        found = (tail + data).find(_HEAD_END)
        if found < 0:
            self._head_tail = (tail + data)[1 - len(_HEAD_END) :]
            self._read_all(data)
            return
        end = found + len(_HEAD_END) - len(tail)
        self._head_tail = None
        self._read_all(data[:end])
        if self._peer.state is State.OPEN:
            self._frames = ServerFrames()
            self._read_frames(self._frames, data[end:])
        elif data[end:]:
            self._read_all(data[end:])

    def _read_frames(self, frames: ServerFrames, data: bytes) -> None:
        for received in frames.receive(data):
            if isinstance(received, Rest):
                self._frames = None
                self._read_all(received.data)
            elif isinstance(received, Control):
                self._read_all(received.frame)
            else:
                self._hand_over(received)

    def _read_all(self, data: bytes) -> None:
        peer = self._peer
        peer.receive_data(data)
        events = peer.events_received()
        self._flush()
        for event in events:
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Response):
                self._judge(answered=True)
        self._tell_if_closed()

    def _judge(self, *, answered: bool) -> None:
        if self._upgraded.done():
            return
        error = self._peer.handshake_exc
        if error is None and not answered:
            error = EOFError("connection lost")
        if error:
            self._upgraded.set_exception(error)
        else:  # whatever its state is by now: the far end may have closed right behind its answer
            self._upgraded.set_result(None)

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                if frame.opcode is not Opcode.CONT:
                    self._text = frame.opcode is Opcode.TEXT
                if frame.fin and not self._parts:
                    self._deliver(bytes(frame.data))
                    return
                self._parts.append(bytes(frame.data))
                if frame.fin:
                    whole = b"".join(self._parts)
                    self._parts.clear()
                    self._deliver(whole)
            case _:
                pass

    def _deliver(self, data: bytes) -> None:
        message: Message = data
        if self._text:
            try:
                message = data.decode()
            except UnicodeDecodeError:
                self._peer.fail(CloseCode.INVALID_DATA)
                self._flush()
                return
        self._hand_over(message)

    def _hand_over(self, message: Message) -> None:
        if self._listener:
            self._listener.received(message)
        else:
            self._early.append(message)

    def _tell_if_closed(self, *, lost: bool = False) -> None:
        if self._told or self._listener is None:
            return
        if lost or self._gone.done() or self._peer.state is not State.OPEN:
            self._told = True
            close = self._peer.close_rcvd
            self._listener.closed(close.code if close else None, close.reason if close else "")

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            self._peer.data_to_send()
            return
        for data in self._peer.data_to_send():
            if data:
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()


async def open_link(
    url: str, *, headers: Mapping[str, str], subprotocol: str | None, tls: ssl.SSLContext | None, timeout_s: float
) -> Link:
    """Connect and upgrade.

    Args:
        url: ``ws://`` or ``wss://``.
        headers: Extra headers of the upgrade request.
        subprotocol: WebSocket subprotocol to offer, or None.
        tls: Context for ``wss://``; None for the default one.
        timeout_s: Longest time for all of it, seconds.

    Raises:
        InvalidURI: Not a WebSocket URL.
        InvalidStatus: An HTTP answer instead of the WebSocket.
        InvalidHandshake: An answer that is none.
        OSError: No connection.
        EOFError: The far end left without an answer.
        TimeoutError: It took too long.
    """
    uri = parse_uri(url)
    loop = asyncio.get_running_loop()
    context = (tls or ssl.create_default_context()) if uri.secure else None
    link: Link | None = None
    try:
        async with asyncio.timeout(timeout_s):
            transport, link = await loop.create_connection(
                lambda: Link(uri, headers, subprotocol),
                uri.host,
                uri.port,
                ssl=context,
                server_hostname=uri.host if context else None,
            )
            connection = transport.get_extra_info("socket")
            if connection is not None:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await link.upgrade()
    except BaseException:
        if link is not None:
            link.abort()
        raise
    return link
