"""A phone system that speaks AudioSocket, spelt out as bytes on a real TCP connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

from loguru import logger

from tests.pipelines.sounds import speech
from tests.runtime.calls.phones import WAIT_S

FRAME_BYTES = 320
SILENCE = b"\x10\x01\x40" + bytes(FRAME_BYTES)
HANGUP = b"\x00\x00\x00"


class AudioSocketPhone:
    """One end of a call.

    Attributes:
        heard: The audio that came, PCM at 8000 Hz.
        frames: The kind and the size of every frame that came.
        over: Set when the other side has closed.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self.heard = b""
        self.frames: list[tuple[int, int]] = []
        self.over = asyncio.Event()
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def start(self, uuid: str | UUID) -> None:
        """Say who it is, and begin the audio."""
        await self.send(b"\x01\x00\x10" + UUID(str(uuid)).bytes + SILENCE)

    async def say(self, text: str = "Hello, is anybody there?", silence_s: float = 1.0) -> None:
        """Speak and fall silent, four times as fast as people do: the audio carries its own time."""
        pcm = speech(8000, text).astype("<i2").tobytes() + bytes(round(silence_s * 50) * FRAME_BYTES)
        for at in range(0, len(pcm), FRAME_BYTES):
            with contextlib.suppress(ConnectionError):
                await self.send(b"\x10\x01\x40" + pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\x00"))
            await asyncio.sleep(0.005)

    async def until_heard(self, more: int = FRAME_BYTES) -> None:
        """Wait until more audio came than has come so far."""
        wanted = len(self.heard) + more
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.heard) >= wanted or self.over.is_set())
        assert len(self.heard) >= wanted, "closed"

    async def closed(self) -> None:
        """Wait until the other side has closed."""
        await asyncio.wait_for(self.over.wait(), WAIT_S)

    async def hang_up(self) -> None:
        """Close as Asterisk does."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()
        await asyncio.wait({self._reading})

    async def _read(self) -> None:
        try:
            while True:
                kind, high, low = await self._reader.readexactly(3)
                payload = await self._reader.readexactly(high << 8 | low)
                async with self._changed:
                    self.frames.append((kind, len(payload)))
                    self.heard += payload
                    self._changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.over.set()
            async with self._changed:
                self._changed.notify_all()


@asynccontextmanager
async def audiosocket_dial(port: int) -> AsyncIterator[AudioSocketPhone]:
    """Connect, and hang up at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    phone = AudioSocketPhone(reader, writer)
    try:
        yield phone
    finally:
        await phone.hang_up()


@contextmanager
def announced_ports() -> Iterator[list[int]]:
    """Collect the ports on which servers say that they listen for AudioSocket."""
    ports: list[int] = []

    def hear(line: str) -> None:
        if "audiosocket listening on tcp://" in line:
            ports.append(int(line.rsplit(":", 1)[1]))

    sink = logger.add(hear, format="{message}", level="INFO")
    try:
        yield ports
    finally:
        logger.remove(sink)
