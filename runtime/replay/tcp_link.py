"""One AudioSocket connection of the harness: whole frames over TCP, and no WebSocket around them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from adapters.media.audiosocket import Framer
from adapters.media.base import Message
from models.errors import InvalidField
from runtime.replay.link import Listener

SCHEME: Final = "tcp"
"""Scheme of an AudioSocket URL, ``tcp://HOST:PORT/UUID``."""

_HIGH_WATER_BYTES: Final = 32_768
_READ_BYTES: Final = 16_384


def parts_of(url: str) -> tuple[str, int, UUID]:
    """Return host, port and UUID of an AudioSocket URL.

    Raises:
        InvalidField: Field ``url``: it is not ``tcp://HOST:PORT/UUID``.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme == SCHEME and parts.hostname and parts.port:
            return parts.hostname, parts.port, UUID(parts.path.strip("/"))
    except ValueError:
        pass
    raise InvalidField("url", "must look like tcp://HOST:PORT/UUID for AudioSocket")


def uuid_of(url: str) -> UUID:
    """Return the UUID of an AudioSocket URL.

    Raises:
        InvalidField: Field ``url``: it is not ``tcp://HOST:PORT/UUID``.
    """
    return parts_of(url)[2]


class TcpLink(asyncio.BufferedProtocol):
    """One connection. Made by `open_tcp_link`; used as `runtime.replay.link.Link` is."""

    def __init__(self) -> None:
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._listener: Listener | None = None
        self._early: list[Message] = []
        self._told = False
        self._eof = False
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = memoryview(bytearray(_READ_BYTES))

    def listen(self, listener: Listener) -> None:
        """Hand over what comes, what has come already first."""
        self._listener = listener
        for message in self._early:
            listener.received(message)
        self._early.clear()
        self._tell_if_closed()

    def send(self, messages: Sequence[Message]) -> None:
        """Write frames; nothing once either side has closed."""
        transport = self._transport
        if messages and transport is not None and not transport.is_closing():
            transport.write(b"".join(message for message in messages if isinstance(message, bytes)))

    async def hang_up(self, timeout_s: float) -> None:
        """Close in order; cut the connection off when the far end takes too long.

        Args:
            timeout_s: Longest wait for the far end, seconds.
        """
        self._told = True
        if self._transport is not None and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()
        await asyncio.wait([self._gone], timeout=timeout_s)
        self.abort()
        await self._gone

    def abort(self) -> None:
        """Cut the connection off."""
        self._told = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        transport.set_write_buffer_limits(_HIGH_WATER_BYTES)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to put what comes; called by asyncio."""
        del sizehint
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came; called by asyncio."""
        for frame in self._framer.feed(bytes(self._received[:nbytes])):
            if self._listener is None:
                self._early.append(frame)
            else:
                self._listener.received(frame)

    def eof_received(self) -> None:
        """Note that the far end has closed; called by asyncio, which closes this end then."""
        self._eof = True
        self._tell_if_closed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone; called by asyncio."""
        del exc
        if not self._gone.done():
            self._gone.set_result(None)
        self._tell_if_closed()

    def pause_writing(self) -> None:
        """Pass on back-pressure; called by asyncio."""
        if self._listener is not None:
            self._listener.paused()

    def resume_writing(self) -> None:
        """Pass on that it is over; called by asyncio."""
        if self._listener is not None:
            self._listener.resumed()

    def _tell_if_closed(self) -> None:
        if self._told or self._listener is None or not (self._eof or self._gone.done()):
            return
        self._told = True
        # AudioSocket has no codes; a far end that closes in order has said a goodbye before.
        self._listener.closed(1000 if self._eof else None, "")


async def open_tcp_link(url: str, *, timeout_s: float) -> TcpLink:
    """Connect.

    Args:
        url: ``tcp://HOST:PORT/UUID``.
        timeout_s: Longest time, seconds.

    Raises:
        InvalidField: Field ``url``.
        OSError: No connection.
        TimeoutError: It took too long.
    """
    host, port, _ = parts_of(url)
    async with asyncio.timeout(timeout_s):
        transport, link = await asyncio.get_running_loop().create_connection(TcpLink, host, port)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link
