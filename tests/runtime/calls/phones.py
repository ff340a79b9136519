"""A phone system that nobody of this project wrote: Twilio's protocol spelt out as JSON, on a real WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.pipelines.sounds import speech
from tests.standins.audio import encode

STREAM = "MZ0123456789abcdef0123456789abcdef"
CALL = "CA0123456789abcdef0123456789abcdef"
FRAME_BYTES = 160
SILENCE = b"\xff" * FRAME_BYTES
WAIT_S = 10.0
"""Longest wait for anything that must happen, seconds: a bound for a hung test, not a measure of speed."""


def start_message(**changes: Any) -> dict[str, Any]:
    """The ``start`` as Twilio documents it."""
    return {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": STREAM,
        "start": {
            "accountSid": "AC0123456789abcdef0123456789abcdef",
            "streamSid": STREAM,
            "callSid": CALL,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
            **changes,
        },
    }


def media_message(ulaw: bytes, stream: str = STREAM) -> dict[str, Any]:
    return {
        "event": "media",
        "sequenceNumber": "2",
        "streamSid": stream,
        "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": b64encode(ulaw).decode()},
    }


class Phone:
    """One end of a call.

    Args:
        socket: The connection, accepted.

    Attributes:
        heard: The audio that came, µ-law at 8000 Hz.
        arrived: When each piece of it came, on the loop's clock, and how many bytes there were then.
        messages: Every message that came, parsed.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard = b""
        self.arrived: list[tuple[float, int]] = []
        self.messages: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def send(self, *messages: Mapping[str, Any] | str | bytes) -> None:
        """Send messages; mappings as JSON."""
        for message in messages:
            await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def start(self, **changes: Any) -> None:
        """Begin the stream, with changes to what `start_message` says of it."""
        await self.send({"event": "connected", "protocol": "Call", "version": "1.0.0"}, start_message(**changes))

    async def say(self, text: str = "Hello, is anybody there?", silence_s: float = 1.0) -> None:
        """Speak and fall silent, four times as fast as people do: the audio carries its own time.

        Whoever is hung up on stops.
        """
        ulaw = encode(speech(8000, text).tobytes(), "mulaw") + SILENCE * round(silence_s * 50)
        for at in range(0, len(ulaw), FRAME_BYTES):
            try:
                await self.send(media_message(ulaw[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\xff")))
            except ConnectionClosed:
                return
            await asyncio.sleep(0.005)

    async def stay_silent(self) -> None:
        """Send silence in real time for ever, as a phone system does while its caller listens."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.send(media_message(SILENCE * 5))
                await asyncio.sleep(0.1)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition on what came holds; fail when the socket closes first."""

        def met_or_over() -> bool:
            return bool(condition()) or self._reading.done()

        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(met_or_over)
        assert condition(), f"closed with {self.socket.close_code}"

    async def until_heard(self, more: int = FRAME_BYTES) -> None:
        """Wait until more audio came than has come so far."""
        wanted = len(self.heard) + more
        await self.until(lambda: len(self.heard) >= wanted)

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait until the socket is closed; returns the close code and reason."""
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait({self._reading})
        return self.socket.close_code, self.socket.close_reason

    def of(self, event: str) -> list[dict[str, Any]]:
        """The messages of one kind."""
        return [message for message in self.messages if message["event"] == event]

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                await self._take(json.loads(text))
        finally:
            async with self._changed:
                self._changed.notify_all()

    async def _take(self, message: dict[str, Any]) -> None:
        assert message["streamSid"] == STREAM
        async with self._changed:
            self.messages.append(message)
            if message["event"] == "media":
                self.heard += b64decode(message["media"]["payload"])
                self.arrived.append((asyncio.get_running_loop().time(), len(self.heard)))
            self._changed.notify_all()
        if message["event"] == "mark":
            with contextlib.suppress(ConnectionClosed):
                await self.send({"event": "mark", "streamSid": STREAM, "mark": message["mark"]})

    async def hang_up(self) -> None:
        """Close the socket as a phone system does."""
        await self.socket.close()
        await asyncio.wait({self._reading})


@asynccontextmanager
async def dial(url: str, headers: Mapping[str, str] | None = None, **options: Any) -> AsyncIterator[Phone]:
    """Connect, and hang up at the end.

    Raises:
        InvalidStatus: The server refused.
    """
    socket = await connect(
        url, additional_headers=headers, proxy=None, compression=None, ping_interval=None, max_size=None, **options
    )
    phone = Phone(socket)
    try:
        yield phone
    finally:
        await phone.hang_up()
        if phone._reading.exception() is not None and not isinstance(phone._reading.exception(), ConnectionClosed):
            phone._reading.result()


async def refused(url: str, headers: Mapping[str, str] | None = None, **options: Any) -> tuple[int, dict[str, Any]]:
    """Dial what must be refused before the upgrade; returns the HTTP status and the problem document."""
    try:
        async with dial(url, headers, **options):
            pass
    except InvalidStatus as error:
        response = error.response
        assert response.headers["Content-Type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(response.body)
        assert document["status"] == response.status_code
        return response.status_code, document
    raise AssertionError("the connection was accepted")
