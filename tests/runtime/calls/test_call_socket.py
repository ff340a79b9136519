from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from adapters.media.base import (
    AudioReceived,
    FlowControl,
    MarkPolicy,
    MediaCapabilities,
    MediaEvent,
    MediaProtocol,
    Message,
    Reply,
    Started,
    Stopped,
)
from adapters.media.plain import PlainProtocol
from adapters.media.twilio import TwilioProtocol
from models.errors import MediaProtocolError
from runtime.calls.call_socket import SEND_TIMEOUT_S, CallSocket, Disconnected
from tests.runtime.calls.phones import SILENCE, media_message, start_message

pytestmark = pytest.mark.virtual_time

START = {"event": "start", "sample_rate": 16_000}
GONE = [RuntimeError("closed"), OSError("reset"), WebSocketDisconnect(1006)]


class Far:
    """The far end of a socket, as a server hands it over.

    Args:
        fails: What sending raises from now on.
        stuck: Whether the far end takes nothing: sending never returns.
    """

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.stuck = False
        self.sent: list[Any] = []
        self.inbox: list[dict[str, Any]] = []

    async def accept(self, subprotocol: str | None = None) -> None:
        await self._do(("accept", subprotocol))

    async def receive(self) -> Any:
        if not self.inbox:
            await asyncio.get_running_loop().create_future()
        return self.inbox.pop(0)

    async def send_text(self, data: str) -> None:
        await self._do(json.loads(data) if data[:1] in '{"1' else data)

    async def send_bytes(self, data: bytes) -> None:
        await self._do(data)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        await self._do(("close", code, reason))

    async def _do(self, what: Any) -> None:
        if self.stuck:
            await asyncio.get_running_loop().create_future()
        if self.fails is not None:
            raise self.fails
        self.sent.append(what)


class Line:
    """A socket in the middle of a call."""

    def __init__(self, protocol: MediaProtocol | None = None, *, started: bool = True) -> None:
        self.far = Far()
        self.lost = 0
        self.socket = CallSocket(self.far, self._lost)
        if protocol is not None:
            self.socket.speak(protocol)
        if started:
            start = START if isinstance(protocol, PlainProtocol) else start_message()
            [event] = self.socket.events_of(json.dumps(start))
            assert isinstance(event, Started)
            self.socket.started = True

    def _lost(self) -> None:
        self.lost += 1


async def test_an_upgrade_is_answered() -> None:
    line = Line(started=False)
    await line.socket.accept("aicall.plain.v1")
    assert line.far.sent == [("accept", "aicall.plain.v1")]


@pytest.mark.parametrize("error", GONE)
async def test_a_phone_system_that_is_gone_before_the_upgrade_has_hung_up(error: Exception) -> None:
    line = Line(started=False)
    line.far.fails = error
    with pytest.raises(Disconnected) as caught:
        await line.socket.accept(None)
    assert not caught.value.broken
    await line.socket.close(1000, "hangup")


async def test_messages_are_text_or_bytes_and_their_time_is_noted() -> None:
    line = Line(PlainProtocol())
    line.far.inbox = [
        {"type": "websocket.receive", "text": "a"},
        {"type": "websocket.receive", "bytes": None, "text": ""},
        {"type": "websocket.receive", "bytes": b"b", "text": None},
        {"type": "websocket.receive", "bytes": b""},
    ]
    received = []
    for second in range(4):
        await asyncio.sleep(1)
        received.append(await line.socket.receive())
        assert line.socket.last_received_s == pytest.approx(second + 1)
    assert received == ["a", "", b"b", b""]


@pytest.mark.parametrize(
    ("message", "code", "broken"),
    [
        ({"code": 1000}, 1000, False),
        ({"code": 1001}, 1001, False),
        ({"code": 1005}, 1005, False),
        ({"code": 1006}, 1006, False),
        ({"code": None}, 1006, False),
        ({}, 1006, False),
        ({"code": 1011}, 1011, False),
        ({"code": 1002}, 1002, True),
        ({"code": 1003}, 1003, True),
        ({"code": 1007}, 1007, True),
        ({"code": 1009}, 1009, True),
    ],
)
async def test_a_hang_up_is_told_from_a_broken_protocol(message: dict[str, Any], code: int, broken: bool) -> None:
    line = Line(TwilioProtocol())
    line.far.inbox = [{"type": "websocket.disconnect", **message}]
    before_s = line.socket.last_received_s
    with pytest.raises(Disconnected) as caught:
        await line.socket.receive()
    assert (caught.value.code, caught.value.broken) == (code, broken)
    assert str(code) in str(caught.value)
    assert line.socket.last_received_s == before_s
    # Nothing is sent to nobody any more, and nobody has to be told.
    await line.socket.play(bytes(320))
    await line.socket.close(1000, "hangup")
    assert line.far.sent == [("close", 1000, "hangup")]
    assert line.lost == 0


async def test_what_breaks_the_protocol_is_dropped_unless_it_is_fatal() -> None:
    line = Line(TwilioProtocol())
    for message in ("{", b"\x00", json.dumps({"event": "surprise"})):
        assert line.socket.events_of(message) == []
    [heard] = line.socket.events_of(json.dumps(media_message(SILENCE)))
    assert isinstance(heard, AudioReceived)
    assert line.socket.events_of('{"event":"stop"}') == [Stopped()]
    with pytest.raises(MediaProtocolError):
        Line(TwilioProtocol(), started=False).socket.events_of(json.dumps(media_message(SILENCE)))


async def test_nothing_can_be_decoded_before_the_protocol_is_known() -> None:
    with pytest.raises(MediaProtocolError) as caught:
        Line(started=False).socket.events_of("{}")
    assert caught.value.fatal


async def test_the_bots_audio_goes_out_in_the_protocols_own_messages() -> None:
    line = Line(PlainProtocol())
    assert (line.socket.sample_rate_hz, line.socket.frame_ms) == (16_000, 20)
    await line.socket.play(b"\x01\x02")
    await line.socket.mark("m1")
    await line.socket.clear()
    await line.socket.close(1000, "stop_service")
    assert line.far.sent == [
        b"\x01\x02",
        {"event": "mark", "name": "m1"},
        {"event": "clear"},
        {"event": "hangup"},
        ("close", 1000, "stop_service"),
    ]


async def test_a_goodbye_is_only_said_where_a_stream_has_begun() -> None:
    line = Line(started=False)
    await line.socket.close(1008, "media_error")
    assert line.far.sent == [("close", 1008, "media_error")]


@pytest.mark.parametrize("error", [*GONE, ZeroDivisionError()])
async def test_a_socket_that_fails_is_lost_once_and_then_left_alone(error: Exception) -> None:
    line = Line(TwilioProtocol())
    line.far.fails = error
    await line.socket.play(bytes(320))
    line.far.fails = None
    for send in (line.socket.play(bytes(320)), line.socket.mark("m1"), line.socket.clear()):
        await send
    # Whoever reads gets the time to see why.
    assert (line.lost, line.far.sent) == (0, [])
    await asyncio.sleep(1)
    assert (line.lost, line.far.sent) == (1, [])


async def test_a_phone_system_that_takes_nothing_is_lost_in_bounded_time() -> None:
    line = Line(TwilioProtocol())
    line.far.stuck = True
    await asyncio.gather(line.socket.play(bytes(320)), line.socket.mark("m1"), line.socket.clear())
    assert asyncio.get_running_loop().time() == pytest.approx(SEND_TIMEOUT_S)
    assert line.lost >= 1
    await line.socket.play(bytes(320))
    await line.socket.close(1000, "hangup")
    assert asyncio.get_running_loop().time() == pytest.approx(2 * SEND_TIMEOUT_S)


@pytest.mark.parametrize("error", GONE)
async def test_closing_what_is_closed_is_nothing(error: Exception) -> None:
    line = Line(PlainProtocol())
    line.far.fails = error
    await line.socket.close(1000, "hangup")
    await line.socket.close(1000, "hangup")


async def test_a_cancelled_sender_is_cancelled_and_the_socket_is_not_lost() -> None:
    line = Line(TwilioProtocol())
    line.far.stuck = True
    playing = asyncio.create_task(line.socket.play(bytes(320)))
    await asyncio.sleep(1)
    playing.cancel()
    await asyncio.wait({playing})
    assert playing.cancelled()
    assert line.lost == 0


class Polite(PlainProtocol):
    """A protocol that answers a goodbye, and waits for the other side's."""

    capabilities = MediaCapabilities(marks=MarkPolicy.NONE, flush=True, look_ahead_ms=60, goodbye_s=2.0)

    def receive(self, message: Message) -> list[MediaEvent]:
        return [Reply(("closed",)), Stopped()] if message == "close" else super().receive(message)

    def send_hangup(self) -> list[Message]:
        return [json.dumps("disconnect")]


async def test_what_the_protocol_has_to_answer_is_sent() -> None:
    line = Line(PlainProtocol())
    await line.socket.obey(Reply(("1", b"2")))
    assert line.far.sent == [1, b"2"]


async def test_a_full_buffer_and_room_again() -> None:
    line = Line(PlainProtocol())
    assert line.socket.has_room
    await line.socket.obey(FlowControl(paused=True))
    assert not line.socket.has_room
    await line.socket.obey(FlowControl(paused=False))
    assert line.socket.has_room


async def test_what_a_phone_system_can_do_is_known() -> None:
    plain, polite = Line(PlainProtocol()).socket, Line(Polite()).socket
    assert (plain.look_ahead_ms, plain.echoes_marks) == (200, True)
    assert (polite.look_ahead_ms, polite.echoes_marks) == (60, False)


async def test_the_other_sides_goodbye_is_awaited_and_answered() -> None:
    line = Line(Polite())
    line.far.inbox = [{"type": "websocket.receive", "bytes": SILENCE}, {"type": "websocket.receive", "text": "close"}]
    await line.socket.close(1000, "bye")
    assert line.far.sent == ["disconnect", "closed", ("close", 1000, "bye")]


@pytest.mark.parametrize("code", [1000, None])
async def test_a_goodbye_that_does_not_come_is_not_awaited_for_ever(code: int | None) -> None:
    line = Line(Polite())
    line.far.inbox = [{"type": "websocket.disconnect", "code": code}] if code else []
    began_s = asyncio.get_running_loop().time()
    await line.socket.close(1000, "bye")
    assert asyncio.get_running_loop().time() - began_s == (0 if code else 2.0)
    assert line.far.sent == ["disconnect", ("close", 1000, "bye")]
