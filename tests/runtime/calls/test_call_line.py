from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.media.plain import PlainProtocol
from adapters.media.twilio import TwilioProtocol
from models.errors import MediaProtocolError
from runtime.calls.call_line import CallLine
from runtime.calls.call_socket import CallSocket
from tests.runtime.calls.phones import start_message


class Sent:
    """A WebSocket that takes everything."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def accept(self, subprotocol: str | None = None) -> None: ...

    async def receive(self) -> Any: ...

    async def send_text(self, data: str) -> None:
        self.messages.append(data)

    async def send_bytes(self, data: bytes) -> None:
        self.messages.append(data)

    async def close(self, code: int = 1000, reason: str | None = None) -> None: ...


def plain(rate_hz: int = 8000) -> tuple[CallSocket, Sent]:
    sent, protocol = Sent(), PlainProtocol()
    socket = CallSocket(sent, on_lost=lambda: None)
    socket.speak(protocol)
    protocol.receive(f'{{"event": "start", "call_id": "c", "sample_rate": {rate_hz}}}')
    return socket, sent


def twilio() -> CallSocket:
    protocol = TwilioProtocol()

    protocol.receive(json.dumps(start_message()))
    socket = CallSocket(Sent(), on_lost=lambda: None)
    socket.speak(protocol)
    return socket


async def test_audio_goes_through_the_socket_of_the_moment_and_nowhere_without_one() -> None:
    line = CallLine()
    (first, heard_first), (second, heard_second) = plain(), plain()
    line.connect(first)
    assert (line.sample_rate_hz, line.frame_ms) == (8000, 20)
    await line.play(b"\1\0")
    line.disconnect()
    await line.play(b"\2\0")
    await line.mark("m")
    await line.clear()
    assert (line.sample_rate_hz, line.frame_ms) == (8000, 20), "the pipeline still runs at this rate"
    line.connect(second)
    await line.play(b"\3\0")
    await line.mark("m")
    await line.clear()
    assert heard_first.messages == [b"\1\0"]
    assert heard_second.messages == [b"\3\0", '{"event": "mark", "name": "m"}', '{"event": "clear"}']


def test_another_rate_or_protocol_does_not_fit() -> None:
    line = CallLine()
    line.connect(plain()[0])
    assert line.fits(plain()[0])
    assert not line.fits(plain(16000)[0])
    assert not line.fits(twilio())


def test_before_the_first_socket_nothing_is_known() -> None:
    with pytest.raises(MediaProtocolError):
        _ = CallLine().sample_rate_hz


async def test_what_the_phone_system_can_do_is_that_of_its_protocol() -> None:
    line = CallLine()
    with pytest.raises(MediaProtocolError):
        _ = line.look_ahead_ms
    socket, _ = plain()
    line.connect(socket)
    assert (line.look_ahead_ms, line.echoes_marks, line.has_room) == (200, True, True)
    socket.has_room = False
    assert not line.has_room
    line.disconnect()
    assert line.has_room, "what is played goes nowhere"
