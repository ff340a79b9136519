"""The gate through which every message passes."""

import asyncio

import pytest

from tests.standins.faults import Faults, Gate, Verdict


async def pass_through(faults, count):
    gate = Gate(lambda: faults, None)
    return [await gate.next() for _ in range(count)]


async def test_without_faults_everything_passes():
    assert await pass_through(Faults(), 3) == [Verdict.SEND] * 3


async def test_a_stall_swallows_from_its_message_on():
    assert await pass_through(Faults(stall_after=1), 3) == [Verdict.SEND, Verdict.SWALLOW, Verdict.SWALLOW]


async def test_garbage_takes_the_place_of_one_message():
    assert await pass_through(Faults(garbage_after=1), 3) == [Verdict.SEND, Verdict.GARBAGE, Verdict.SEND]


async def test_a_drop_raises_and_beats_a_stall():
    gate = Gate(lambda: Faults(drop_after=1, stall_after=1), None)
    assert await gate.next() is Verdict.SEND
    with pytest.raises(ConnectionResetError):
        await gate.next()


async def test_faults_set_during_a_wait_are_obeyed():
    current = Faults(chunk_delay_s=0.01)
    gate = Gate(lambda: current, None)
    waiting = asyncio.create_task(gate.next())
    await asyncio.sleep(0)
    current = Faults(stall_after=0)
    assert await waiting is Verdict.SWALLOW


async def test_a_close_is_in_good_order():
    ended = asyncio.Event()

    async def serve(reader, writer):
        gate = Gate(lambda: Faults(close_after=1), writer.transport)
        for _ in range(2):
            try:
                await gate.next()
            except ConnectionResetError:
                ended.set()
                return
            writer.write(b"word")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await asyncio.wait_for(reader.read(), 5) == b"word"
        assert ended.is_set()
        writer.close()
        await writer.wait_closed()
