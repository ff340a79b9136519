"""Faults that a stand-in injects, and the gate through which every message of a response or session passes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

_READING_S = 0.1
"""How long a client has to read what was sent before its connection breaks, seconds."""


@dataclass
class Faults:
    """What goes wrong. Every field may be changed at any time; running responses and sessions obey at once.

    "Messages" are WebSocket messages, server-sent events, or chunks of a streamed body; they are counted per response
    or per WebSocket connection, from 0.

    Attributes:
        delay_s: Wait before the response's status line or before the WebSocket upgrade is answered, seconds.
        chunk_delay_s: Wait before each message, seconds.
        stall_after: Once this many messages were sent, send nothing more but keep the connection open.
        drop_after: Once this many messages were sent, reset the TCP connection instead of sending the next one.
        close_after: Once this many messages were sent, close the connection in good order instead of sending the next.
        garbage_after: Send malformed content once, in place of the message with this index; the rest follows as usual.
        status: Answer every request with this HTTP error in the vendor's own format; a WebSocket is refused with it.
        retry_after_s: ``Retry-After`` of such an error, whole seconds; left out when None.
        first: Only the first so many requests to an endpoint fail; None for all. Needs the log.
        answer: Answer every request with this content type and this body, as a gateway in between may; with status 200
            unless `status` says otherwise.
    """

    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    stall_after: int | None = None
    drop_after: int | None = None
    close_after: int | None = None
    garbage_after: int | None = None
    status: int | None = None
    retry_after_s: int | None = None
    first: int | None = None
    answer: tuple[str, bytes] | None = None


class Verdict(Enum):
    """What is to become of one message."""

    SEND = auto()
    GARBAGE = auto()
    SWALLOW = auto()


class Gate:
    """Decides the fate of each message of one response or session.

    Args:
        faults: Returns the faults in force now.
        transport: The connection to reset.
    """

    def __init__(self, faults: Callable[[], Faults], transport: asyncio.BaseTransport | None) -> None:
        self._faults = faults
        self._transport = transport
        self.passed = 0

    async def next(self) -> Verdict:
        """Wait and decide for the next message.

        Raises:
            ConnectionResetError: The connection was dropped on purpose.
        """
        faults = self._faults()
        if faults.chunk_delay_s > 0:
            await asyncio.sleep(faults.chunk_delay_s)
            faults = self._faults()
        index = self.passed
        breaks = [after for after in (faults.drop_after, faults.close_after) if after is not None and index >= after]
        if breaks and index:
            # A reset takes away what the client's system has received and the client has not read yet.
            await asyncio.sleep(_READING_S)
        if faults.drop_after is not None and index >= faults.drop_after:
            reset(self._transport)
            raise ConnectionResetError
        if faults.close_after is not None and index >= faults.close_after:
            if self._transport is not None:
                self._transport.close()
            raise ConnectionResetError
        if faults.stall_after is not None and index >= faults.stall_after:
            return Verdict.SWALLOW
        self.passed += 1
        return Verdict.GARBAGE if faults.garbage_after == index else Verdict.SEND


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End a TCP connection with a reset (RST), as a crashed peer does, and not with an orderly FIN."""
    if not isinstance(transport, asyncio.Transport):
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
