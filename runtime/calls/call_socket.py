"""One call's socket, behind its media protocol: the socket loop, written once for every protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from loguru import logger
from starlette.websockets import WebSocketDisconnect

from adapters.media.base import FlowControl, MarkPolicy, MediaEvent, MediaProtocol, Message, Reply, Stopped
from models.errors import MediaProtocolError
from runtime.calls.bounded import within

SEND_TIMEOUT_S = 5.0
"""A phone system that takes nothing for so long is gone, seconds."""

_READER_FIRST_S = 0.5
"""How long the reader may take to see the end of a socket on which sending has failed, seconds."""

_BROKEN_CODES = frozenset({1002, 1003, 1007, 1009})
"""Close codes of a socket on which WebSocket itself was violated: bad frame, wrong type, not UTF-8, too big."""

_GOODBYE_CODES = frozenset({1000, 1005})
"""Close codes of a phone system that is done. Any other is one that went away, or a connection that broke."""


class Disconnected(Exception):
    """The phone system closed the socket.

    Attributes:
        code: WebSocket close code (RFC 6455, section 7.4).
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"the phone system closed the socket with code {code}")
        self.code = code

    @property
    def broken(self) -> bool:
        """Whether the socket was closed because one side broke the WebSocket protocol, and not by a hang-up."""
        return self.code in _BROKEN_CODES

    @property
    def hung_up(self) -> bool:
        """Whether the phone system said goodbye (RFC 6455, section 7.4.1: done, or closed without a code)."""
        return self.code in _GOODBYE_CODES


class Socket(Protocol):
    """The part of Starlette's ``WebSocket`` that is used."""

    async def accept(self, subprotocol: str | None = None) -> None: ...  # noqa: D102
    async def receive(self) -> Any: ...  # noqa: D102
    async def send_text(self, data: str) -> None: ...  # noqa: D102
    async def send_bytes(self, data: bytes) -> None: ...  # noqa: D102
    async def close(self, code: int = 1000, reason: str | None = None) -> None: ...  # noqa: D102


class CallSocket:
    """A socket and its protocol; also where the bot's audio goes (`pipelines.media.output.MediaSink`).

    Args:
        socket: The WebSocket, not yet accepted.
        on_lost: Called when it turns out that nothing can be sent any more.

    Attributes:
        started: Whether the stream has begun, so that something can be sent.
        has_room: Whether the phone system's buffer has room for more audio.
        last_received_s: When the last message came, on the event loop's clock, seconds.
    """

    def __init__(self, socket: Socket, on_lost: Callable[[], None]) -> None:
        self._socket = socket
        self._on_lost = on_lost
        self._protocol: MediaProtocol | None = None
        self._lost = False
        self.started = False
        self.has_room = True
        self.last_received_s = 0.0

    @property
    def protocol(self) -> MediaProtocol:
        """The protocol, once `speak` has set it."""
        if self._protocol is None:
            raise MediaProtocolError("the media protocol is not known yet", fatal=True)
        return self._protocol

    async def accept(self, subprotocol: str | None) -> None:
        """Answer the upgrade request.

        Args:
            subprotocol: The subprotocol to choose, one of those offered; None for none.

        Raises:
            Disconnected: The phone system is gone already.
        """
        try:
            await self._socket.accept(subprotocol)
        except (RuntimeError, OSError, WebSocketDisconnect):
            self._lost = True
            raise Disconnected(1006) from None

    def speak(self, protocol: MediaProtocol) -> None:
        """Speak this protocol from now on."""
        self._protocol = protocol

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the audio in both directions, Hz."""
        return self.protocol.sample_rate_hz

    @property
    def frame_ms(self) -> int:
        """Duration of one message's audio, milliseconds."""
        return self.protocol.capabilities.frame_ms

    @property
    def look_ahead_ms(self) -> int:
        """How much audio may lie unplayed at the phone system, milliseconds."""
        return self.protocol.capabilities.look_ahead_ms

    @property
    def echoes_marks(self) -> bool:
        """Whether marks come back."""
        return self.protocol.capabilities.marks is not MarkPolicy.NONE

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            Disconnected: There is none: the phone system closed the socket.
        """
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            self._lost = True
            raise Disconnected(message.get("code") or 1006)
        self.last_received_s = asyncio.get_running_loop().time()
        received: Message = message["bytes"] if message.get("text") is None else message["text"]
        return received

    def events_of(self, message: Message) -> list[MediaEvent]:
        """Decode a message. One that breaks the protocol without ending it is dropped.

        Raises:
            MediaProtocolError: Fatal: the stream cannot go on.
        """
        try:
            return self.protocol.receive(message)
        except MediaProtocolError as error:
            if error.fatal:
                raise
            logger.debug("media message dropped: {}", error.message)
            return []

    async def obey(self, event: Reply | FlowControl) -> None:
        """Do what the protocol asks of the socket itself."""
        if isinstance(event, Reply):
            await self._send(event.messages)
        else:
            self.has_room = not event.paused

    async def play(self, pcm: bytes) -> None:
        """Send one frame of audio."""
        await self._send(self.protocol.send_audio(pcm))

    async def mark(self, name: str) -> None:
        """Ask for an echo once everything so far was played."""
        await self._send(self.protocol.send_mark(name))

    async def clear(self) -> None:
        """Tell the phone system to drop what it has not played."""
        await self._send(self.protocol.send_clear())

    async def send_dtmf(self, digits: str) -> None:
        """Send digits to the far end, where the protocol can.

        Raises:
            InvalidField: Something beside ``0-9 * # A-D``.
        """
        await self._send(self.protocol.send_dtmf(digits))

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye in the protocol's own way and close. Bounded; never raises."""
        if self.started:
            goodbye = self.protocol.send_hangup()
            await self._send(goodbye)
            if goodbye and self.protocol.capabilities.goodbye_s:
                await self._await_goodbye(self.protocol.capabilities.goodbye_s)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._socket.close(code, reason)
        except (TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            # Closed by the other side already, or it no longer reads: either way there is nothing left to close.
            logger.debug("the media socket was gone before it was closed")

    async def _await_goodbye(self, longest_s: float) -> None:
        """Answer what still comes until the phone system has said goodbye too."""
        try:
            async with asyncio.timeout(longest_s):
                while not self._lost:
                    for event in self.events_of(await self.receive()):
                        if isinstance(event, Reply):
                            await self.obey(event)
                        elif isinstance(event, Stopped):
                            return
        except (TimeoutError, Disconnected, MediaProtocolError):
            logger.debug("the phone system left without a goodbye")

    async def _send(self, messages: Sequence[Message]) -> None:
        if self._lost:
            return
        try:
            for message in messages:
                await within(SEND_TIMEOUT_S, self._write(message))
        except TimeoutError:
            self._lost = True
            logger.debug("the phone system takes nothing any more")
            self._on_lost()
        except Exception as error:  # noqa: BLE001 - servers raise errors of their own on a dead socket
            self._lost = True
            logger.debug("the media socket is lost: {}", type(error).__name__)
            # The reader is about to learn why, and knows better what it means.
            asyncio.get_running_loop().call_later(_READER_FIRST_S, self._on_lost)

    def _write(self, message: Message) -> Coroutine[object, Any, None]:
        return self._socket.send_text(message) if isinstance(message, str) else self._socket.send_bytes(message)
