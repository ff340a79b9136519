"""One connection of a phone system to a call: from the upgrade to its end. A call may have several, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from adapters.media.base import Handshake, MediaEvent, MediaProtocol, Reply, Started
from adapters.media.registry import choose
from models.aicall import EndReason
from models.errors import MediaProtocolError
from runtime.calls.call_socket import CallSocket, Socket


class Attachment:
    """One connection.

    Args:
        handshake: The upgrade request.
        protocol: What it speaks, or None when the first message has to show it.
        socket: The WebSocket, not yet accepted.
        start_timeout_s: Longest wait for the beginning of the stream, seconds.

    Attributes:
        handshake: The upgrade request.
        socket: The socket, behind its protocol.
        broken: Done when nothing can be sent any more or nothing comes; its result is what that is for the call.
        over: Set when the connection is of no more use to the call.
    """

    def __init__(
        self, handshake: Handshake, protocol: type[MediaProtocol] | None, socket: Socket, start_timeout_s: float
    ) -> None:
        self.handshake = handshake
        self.broken: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self.socket = CallSocket(socket, on_lost=lambda: self.break_off(EndReason.HANGUP))
        self._chosen = protocol
        self._start_timeout_s = start_timeout_s

    def break_off(self, reason: EndReason) -> None:
        """Give the connection up. The first reason counts."""
        if not self.broken.done():
            self.broken.set_result(reason)

    async def open(self) -> tuple[Started, list[MediaEvent]]:
        """Answer the upgrade request and read until the stream begins.

        Returns:
            The beginning, and what came with it in the same message.

        Raises:
            MediaProtocolError: It does not begin in time, or not as its protocol allows.
            Disconnected: The phone system closed the socket first.
        """
        offered, protocol = self.handshake.subprotocols, self._chosen
        # A client must fail a connection on which it is given a subprotocol that it did not offer (RFC 6455, 4.1).
        await self.socket.accept(protocol.subprotocol if protocol and protocol.subprotocol in offered else None)
        try:
            async with asyncio.timeout(self._start_timeout_s), aclosing(self._events()) as messages:
                async for events in messages:
                    for index, event in enumerate(events):
                        if isinstance(event, Reply):
                            await self.socket.obey(event)
                        elif isinstance(event, Started):
                            self.socket.started = True
                            return event, events[index + 1 :]
        except TimeoutError:
            raise MediaProtocolError("the stream did not start in time", fatal=True) from None
        raise MediaProtocolError("the stream ended before it started", fatal=True)

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye and close. Bounded; never raises."""
        await self.socket.close(code, reason)
        self.over.set()

    async def _events(self) -> AsyncGenerator[list[MediaEvent], None]:
        """Yield each message's events. The first messages may show which protocol it is."""
        first = [await self.socket.receive()]
        if self._chosen is None:
            self._chosen = choose(self.handshake, first[0])
            if self._chosen is None:
                first.append(await self.socket.receive())
                self._chosen = choose(self.handshake, first[1])
            if self._chosen is None:
                raise MediaProtocolError("the first messages fit no media protocol", fatal=True)
        self.socket.speak(self._chosen.begin(self.handshake))
        for message in first:
            yield self.socket.events_of(message)
        while True:
            yield self.socket.events_of(await self.socket.receive())
