"""Calls over AudioSocket, through the real server on a real TCP port."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from runtime.calls.audiosocket_door import MOST_WAITING, AudioSocketConnection
from tests.runtime.calls.audiosocket_phones import FRAME_BYTES, HANGUP, SILENCE, announced_ports, audiosocket_dial
from tests.runtime.calls.offices import NEVER_RAN, assert_ended, assert_untouched, office, statuses_of, until_status
from tests.runtime.calls.phones import WAIT_S, dial
from tests.runtime.serving import Api, serving, until


@asynccontextmanager
async def desk(folder: Path, **settings: Any) -> AsyncIterator[tuple[Api, int]]:
    """A server that listens for AudioSocket, and where."""
    with announced_ports() as ports:
        async with serving(folder, audiosocket_port=0, **settings) as api:
            yield api, ports[0]


async def test_a_whole_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with announced_ports() as ports:
        async with office(tmp_path, monkeypatch, audiosocket_port=0) as at:
            aicall = await at.new_aicall()
            async with audiosocket_dial(ports[0]) as phone:
                await phone.start(aicall["audiosocket_uuid"])
                await phone.until_heard(10 * FRAME_BYTES)
                await phone.say()
                await phone.until_heard()
                assert set(phone.frames) == {(0x10, FRAME_BYTES)}
            await assert_ended(at.api, aicall, "hangup")


@pytest.mark.parametrize("way", ["frame", "close", "reset"])
async def test_every_way_of_hanging_up_is_one(tmp_path: Path, way: str) -> None:
    async with desk(tmp_path, reattach_grace_s=30) as (api, port):
        aicall = await api.new_aicall()
        async with audiosocket_dial(port) as phone:
            await phone.start(aicall["audiosocket_uuid"])
            await until_status(api, aicall, "progressing")
            if way == "frame":
                await phone.send(HANGUP)
                await phone.closed()
            elif way == "reset":
                raw: socket.socket = phone.writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                phone.writer.transport.abort()
        await assert_ended(api, aicall, "hangup")


async def test_the_end_of_a_call_is_told_and_then_closed(tmp_path: Path) -> None:
    async with desk(tmp_path) as (api, port):
        aicall = await api.new_aicall()
        async with audiosocket_dial(port) as phone:
            await phone.start(aicall["audiosocket_uuid"])
            await until_status(api, aicall, "progressing")
            await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
            await phone.closed()
            assert phone.frames[-1] == (0x00, 0)
        await assert_ended(api, aicall, "terminate")


async def test_a_stream_at_16000_hz(tmp_path: Path) -> None:
    async with desk(tmp_path) as (api, port):
        ai = await api.new_ai(parameter={"greeting": "Good morning."})
        aicall = await api.new_aicall(ai)
        async with audiosocket_dial(port) as phone:
            frame = b"\x12\x02\x80" + bytes(640)
            await phone.send(b"\x01\x00\x10" + UUID(aicall["audiosocket_uuid"]).bytes + frame)
            await phone.until_heard()
            assert phone.frames[0] == (0x12, 640)
        await assert_ended(api, aicall, "hangup")


async def test_little_lies_unplayed_at_a_phone_system_that_cannot_drop_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as (api, port):
        greeting = "Good morning, this is the front desk, and it has a great deal to say before it lets you speak."
        aicall = await api.new_aicall(await api.new_ai(parameter={"greeting": greeting, "barge_in": "off"}))
        async with audiosocket_dial(port) as phone:
            began_s = asyncio.get_running_loop().time()
            await phone.start(aicall["audiosocket_uuid"])
            for _ in range(50):
                await phone.until_heard()
                heard_ms, passed_s = len(phone.heard) / 16, asyncio.get_running_loop().time() - began_s
                # The look-ahead, and the frame that is on its way.
                assert heard_ms <= 1000 * passed_s + 60 + 20
        await assert_ended(api, aicall, "hangup")


async def test_another_rate_ends_the_call(tmp_path: Path) -> None:
    async with desk(tmp_path) as (api, port):
        aicall = await api.new_aicall()
        async with audiosocket_dial(port) as phone:
            await phone.send(b"\x01\x00\x10" + UUID(aicall["audiosocket_uuid"]).bytes + b"\x13\x03\xc0" + bytes(960))
            await phone.closed()
        await assert_ended(api, aicall, "media_error", NEVER_RAN)


async def test_the_uuid_of_an_ai_makes_an_aicall_for_every_connection(tmp_path: Path) -> None:
    async with desk(tmp_path) as (api, port):
        ai = await api.new_ai()
        old = (await api.ok("POST", f"/v1.0/ais/{ai['id']}/media_token"))["audiosocket_uuid"]
        new = (await api.ok("POST", f"/v1.0/ais/{ai['id']}/media_token"))["audiosocket_uuid"]
        async with audiosocket_dial(port) as late:
            await late.start(old)
            await late.closed()
        async with audiosocket_dial(port) as one, audiosocket_dial(port) as other:
            await one.start(new)
            await other.start(new)
            await until(lambda: len(api.services.live_calls) == 2)
        for aicall in (await api.ok("GET", "/v1.0/aicalls"))["result"]:
            await assert_ended(api, aicall, "hangup", await statuses_of(api, aicall))


async def test_an_aicall_has_one_connection_at_a_time_whichever_it_is(tmp_path: Path) -> None:
    async with desk(tmp_path) as (api, port):
        aicall = await api.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await until_status(api, aicall, "progressing")
            async with audiosocket_dial(port) as second:
                await second.start(aicall["audiosocket_uuid"])
                await second.closed()
            assert len(api.services.live_calls) == 1
        await assert_ended(api, aicall, "hangup")


NO_UUID = [
    pytest.param(b"\x01\x00\x10" + uuid4().bytes, id="unknown"),
    pytest.param(SILENCE, id="audio first"),
    pytest.param(b"\x01\x00\x0f" + bytes(15), id="short"),
    pytest.param(HANGUP, id="hang-up"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(65_536), id="HTTP"),
]


@pytest.mark.parametrize("sent", NO_UUID)
async def test_who_shows_no_uuid_of_ours_is_closed(tmp_path: Path, sent: bytes) -> None:
    async with desk(tmp_path) as (api, port):
        aicall = await api.new_aicall()
        async with audiosocket_dial(port) as phone:
            await phone.send(sent)
            await phone.closed()
            assert phone.frames == []
        await assert_untouched(api, aicall)


@pytest.mark.parametrize("sent", [b"", b"\x01", b"\x01\x00\x10" + bytes(15)])
async def test_who_takes_too_long_is_closed(tmp_path: Path, sent: bytes) -> None:
    async with desk(tmp_path, start_timeout_s=0.1) as (api, port):
        aicall = await api.new_aicall()
        async with audiosocket_dial(port) as phone:
            await phone.send(sent)
            await phone.closed()
        await assert_untouched(api, aicall)


async def test_a_uuid_without_audio_ends_the_call(tmp_path: Path) -> None:
    # The UUID itself has to come within the same time, however busy the machine is.
    async with desk(tmp_path, start_timeout_s=3) as (api, port):
        aicall = await api.new_aicall()
        async with audiosocket_dial(port) as phone:
            await phone.send(b"\x01\x00\x10" + UUID(aicall["audiosocket_uuid"]).bytes)
            await phone.closed()
        await assert_ended(api, aicall, "media_error", NEVER_RAN)


async def test_an_expired_uuid_and_a_full_server(tmp_path: Path) -> None:
    async with desk(tmp_path, max_calls=1, media_token_ttl_s=3600) as (api, port):
        taken, refused = await api.new_aicall(), await api.new_aicall()
        async with audiosocket_dial(port) as phone, audiosocket_dial(port) as second:
            await phone.start(taken["audiosocket_uuid"])
            await until_status(api, taken, "progressing")
            await second.start(refused["audiosocket_uuid"])
            await second.closed()
        await assert_ended(api, taken, "hangup")
        await assert_untouched(api, refused)
    async with desk(tmp_path, media_token_ttl_s=0.001, sweep_interval_s=3600) as (api, port):
        expired = await api.new_aicall()
        await asyncio.sleep(0.01)
        async with audiosocket_dial(port) as phone:
            await phone.start(expired["audiosocket_uuid"])
            await phone.closed()
        assert len(api.services.live_calls) == 0


async def test_a_flood_is_read_no_faster_than_it_is_taken_and_the_call_lives(tmp_path: Path) -> None:
    async with desk(tmp_path) as (api, port):
        aicall = await api.new_aicall()
        async with audiosocket_dial(port) as phone:
            await phone.start(aicall["audiosocket_uuid"])
            await until_status(api, aicall, "progressing")
            await phone.send(b"\x77\x00\x00" * 4_000 + b"\x10\xff\xff" + bytes(65_535) + b"\x10\x00\x00" + SILENCE)
            async with asyncio.timeout(WAIT_S):
                await phone.send(b"\x03\x00\x015" + SILENCE * 100 + HANGUP)
                await phone.closed()
        await assert_ended(api, aicall, "hangup")


async def test_a_server_that_stops_closes_what_is_open(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, port), audiosocket_dial(port) as phone:
        # Nobody has said who it is: it waits for the UUID.
        closing = asyncio.create_task(phone.closed())
    await closing


async def test_nothing_listens_unless_it_is_wanted(tmp_path: Path) -> None:
    with announced_ports() as ports:
        async with serving(tmp_path) as api:
            assert "audiosocket_uuid" not in await api.new_aicall()
    assert ports == []


async def test_reading_stops_while_nobody_takes_what_came() -> None:
    made: asyncio.Future[AudioSocketConnection] = asyncio.get_running_loop().create_future()
    server = await asyncio.get_running_loop().create_server(
        lambda: AudioSocketConnection(made.set_result), "127.0.0.1", 0
    )
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        connection = await made
        assert connection._transport is not None
        sent = SILENCE * 40 * MOST_WAITING
        writer.write(sent)
        await until(lambda: not connection._transport.is_reading())
        assert len(connection._received) < 3 * MOST_WAITING
        got = [(await connection.receive())["bytes"] for _ in range(40 * MOST_WAITING)]
        assert b"".join(got) == sent
        assert connection._transport.is_reading()
        writer.close()
        assert [(await connection.receive())["code"] for _ in range(2)] == [1000, 1000]
        with pytest.raises(ConnectionError):
            await connection.send_bytes(SILENCE)
        with pytest.raises(ConnectionError):
            await connection.send_text("x")
        await connection.close()


async def test_sending_waits_while_the_other_side_takes_nothing() -> None:
    made: asyncio.Future[AudioSocketConnection] = asyncio.get_running_loop().create_future()
    server = await asyncio.get_running_loop().create_server(
        lambda: AudioSocketConnection(made.set_result), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1024)
        connection = await made

        async def send_for_ever() -> None:
            while True:
                await connection.send_bytes(SILENCE)
                await asyncio.sleep(0)

        sending = asyncio.create_task(send_for_ever())
        await until(lambda: not connection._writable.is_set())
        assert not sending.done()
        await reader.readexactly(len(SILENCE))
        connection.abort()
        with pytest.raises(ConnectionError):
            await sending
        writer.close()
