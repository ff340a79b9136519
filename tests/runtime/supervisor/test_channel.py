from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.supervisor.channel import Channel, Message


class End:
    """One end, and what came over it."""

    def __init__(self, end: socket.socket) -> None:
        self.raw = end
        self.messages: list[Message] = []
        self.sockets: list[socket.socket] = []
        self.lost = 0
        self._changed = asyncio.Event()
        self.channel = Channel(end, self._receive, self._lose)

    def _receive(self, message: Message, carried: socket.socket | None) -> None:
        self.messages.append(message)
        if carried is not None:
            self.sockets.append(carried)
        self._changed.set()

    def _lose(self) -> None:
        self.lost += 1
        self._changed.set()

    async def got(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.messages) < count:
                self._changed.clear()
                await self._changed.wait()

    async def was_lost(self) -> None:
        async with asyncio.timeout(20):
            while not self.lost:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def line() -> AsyncIterator[tuple[End, End]]:
    first, second = (End(it) for it in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
    try:
        yield first, second
    finally:
        for end in (first, second):
            end.channel.close()
            for it in end.sockets:
                it.close()


async def test_messages_arrive_whole_and_in_order() -> None:
    async with line() as (first, second):
        long = "é" * 300_000
        for number in range(500):
            first.channel.send({"is": "n", "number": number, "text": long if number == 250 else "\n"})
        second.channel.send({"is": "back"})
        await second.got(500)
        await first.got(1)
        assert [it["number"] for it in second.messages] == list(range(500))
        assert second.messages[250]["text"] == long
        assert first.messages == [{"is": "back"}]


async def test_every_message_gets_the_socket_that_was_sent_with_it() -> None:
    async with line() as (first, second):
        near = []
        for number in range(200):
            ours, theirs = socket.socketpair()
            near.append(ours)
            if number % 3 == 0:
                first.channel.send({"is": "talk", "number": number})
            first.channel.send({"is": "carries", "number": number}, theirs)
            # What is sent stays the sender's; once it has left, the other side has its own.
            if number < 50:
                await second.got(len(second.messages) + 1)
            near.append(theirs)
        await second.got(200 + 67)
        numbers = [it["number"] for it in second.messages if it["is"] == "carries"]
        assert numbers == list(range(200))
        for number, carried in zip(numbers, second.sockets, strict=True):
            near[2 * number].sendall(number.to_bytes(2, "big"))
            assert carried.recv(2) == number.to_bytes(2, "big")
            assert not carried.get_inheritable()
        for it in near:
            it.close()


async def test_the_end_of_the_other_side_is_told_once_behind_what_it_said() -> None:
    async with line() as (first, second):
        first.channel.send({"is": "last"})
        first.channel.close()
        await second.was_lost()
        assert second.messages == [{"is": "last"}]
        assert second.lost == 1
        assert not second.channel.is_open
        # Neither fails, and nobody hears it.
        second.channel.send({"is": "too late"})
        first.channel.send({"is": "too late"})
        second.channel.close()
        assert (first.lost, second.lost) == (0, 1)


async def test_what_the_dead_left_behind_is_read_at_once() -> None:
    async with line() as (first, second):
        for number in range(5000):
            first.channel.send({"is": "n", "number": number})
        first.channel.close()
        assert second.messages == []
        second.channel.read_rest()
        assert [it["number"] for it in second.messages] == list(range(len(second.messages)))
        assert second.messages
        assert second.lost == 1


async def test_sockets_that_nobody_asked_for_are_closed() -> None:
    async with line() as (first, second):
        ours, theirs = socket.socketpair()
        # Half a message: the socket has come, what it is for has not.
        socket.send_fds(first.raw, [b'{"is": "carries", '], [theirs.fileno()])
        theirs.close()
        second.channel.read_rest()
        first.channel.close()
        await second.was_lost()
        assert ours.recv(1) == b""
        ours.close()
        assert second.sockets == []


async def test_who_does_not_read_stops_nobody() -> None:
    async with line() as (first, second):
        asyncio.get_running_loop().remove_reader(second.raw)
        text = "x" * 10_000
        for _ in range(1000):
            first.channel.send({"is": "much", "text": text})
        assert os.fstat(first.raw.fileno())
        asyncio.get_running_loop().add_reader(second.raw, second.channel.read_rest)
        await second.got(1000)
