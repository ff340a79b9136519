"""The harness's AudioSocket connection, against a plain TCP server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.media.audiosocket import HANGUP, frame
from adapters.media.base import Message
from models.errors import InvalidField
from runtime.replay.tcp_link import TcpLink, open_tcp_link, uuid_of

UUID_TEXT = "40325ec2-5efd-4bd3-805f-53576e581d13"
AUDIO = frame(0x10, bytes(320))


class Ear:
    """What a connection tells its owner."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.closes: list[int | None] = []
        self.paused_times = self.resumed_times = 0
        self._changed = asyncio.Event()

    def received(self, message: Message) -> None:
        self.messages.append(message)
        self._changed.set()

    def paused(self) -> None:
        self.paused_times += 1
        self._changed.set()

    def resumed(self) -> None:
        self.resumed_times += 1
        self._changed.set()

    def closed(self, code: int | None, reason: str) -> None:
        self.closes.append(code)
        self._changed.set()

    async def until_changed(self) -> None:
        async with asyncio.timeout(20):
            await self._changed.wait()
        self._changed.clear()


class Peer:
    """The far end."""

    def __init__(self) -> None:
        self.made: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[TcpLink, asyncio.StreamReader, asyncio.StreamWriter]]:
    peer = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.made.put((reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = await open_tcp_link(f"tcp://127.0.0.1:{port}/{UUID_TEXT}", timeout_s=20)
    reader, writer = await peer.made.get()
    try:
        yield link, reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        await link.hang_up(20)
        server.close()
        await server.wait_closed()


def test_a_url_names_host_port_and_uuid() -> None:
    assert str(uuid_of(f"tcp://127.0.0.1:9019/{UUID_TEXT}")) == UUID_TEXT
    for wrong in (
        "",
        "ws://h/x",
        f"tcp://h/{UUID_TEXT}",
        "tcp://h:1/",
        "tcp://h:1/nothing",
        f"tcp://h:99999/{UUID_TEXT}",
    ):
        with pytest.raises(InvalidField) as caught:
            uuid_of(wrong)
        assert caught.value.field == "url"


async def test_frames_go_out_and_come_in_whole() -> None:
    async with connected() as (link, reader, writer):
        writer.write(AUDIO[:100])
        await writer.drain()
        ear = Ear()
        link.listen(ear)
        writer.write(AUDIO[100:] + AUDIO)
        while len(ear.messages) < 2:
            await ear.until_changed()
        assert ear.messages == [AUDIO, AUDIO]
        link.send([AUDIO, frame(HANGUP)])
        link.send([])
        async with asyncio.timeout(20):
            assert await reader.readexactly(len(AUDIO) + 3) == AUDIO + frame(HANGUP)


async def test_what_came_before_somebody_listened_is_kept() -> None:
    async with connected() as (link, reader, writer):
        writer.write(AUDIO)
        link.send([AUDIO])
        await reader.readexactly(len(AUDIO))
        ear = Ear()
        async with asyncio.timeout(20):
            while not ear.messages:
                await asyncio.sleep(0.01)
                link.listen(ear)
        assert ear.messages == [AUDIO]


async def test_a_far_end_that_closes_is_told_of_once() -> None:
    async with connected() as (link, _, writer):
        ear = Ear()
        link.listen(ear)
        writer.close()
        await ear.until_changed()
        await link.hang_up(20)
        assert ear.closes == [1000]
        link.send([AUDIO])


async def test_a_connection_that_breaks() -> None:
    async with connected() as (link, _, writer):
        ear = Ear()
        link.listen(ear)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        writer.transport.abort()
        await ear.until_changed()
        assert ear.closes in ([None], [1000])


async def test_a_far_end_that_does_not_read_is_told_of() -> None:
    async with connected() as (link, reader, _):
        ear = Ear()
        link.listen(ear)
        while not ear.paused_times:
            link.send([AUDIO] * 1000)
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while not ear.resumed_times:
                await reader.read(1 << 20)
        link.abort()
        assert ear.closes == []
