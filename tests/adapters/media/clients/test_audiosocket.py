from __future__ import annotations

from uuid import UUID

import pytest

from adapters.media.base import Message
from adapters.media.clients.audiosocket import AudioSocketClient
from adapters.media.clients.base import CallLeg, Hangup, PlayAudio
from models.errors import InvalidField, MediaProtocolError

ID = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
LEG = CallLeg("", "")


def test_what_is_sent() -> None:
    client = AudioSocketClient(LEG, ID)
    assert client.opening() == [b"\x01\x00\x10" + ID.bytes, b"\x10\x01\x40" + bytes(320)]
    assert client.send_audio(b"\x01\x00" * 100) == []
    assert client.send_audio(b"\x01\x00" * 60) == [b"\x10\x01\x40" + b"\x01\x00" * 160]
    assert client.send_dtmf("*") == [b"\x03\x00\x01*"]
    client.send_audio(b"\x01\x00")
    assert client.send_stop("bye") == [b"\x10\x01\x40\x01\x00" + bytes(318), b"\x00\x00\x00"]
    assert AudioSocketClient(CallLeg("", "", sample_rate_hz=16000)).opening()[1] == b"\x12\x02\x80" + bytes(640)
    assert AudioSocketClient(CallLeg("a", "")).opening() != AudioSocketClient(CallLeg("b", "")).opening()


def test_a_rate_that_is_not_carried() -> None:
    with pytest.raises(InvalidField):
        AudioSocketClient(CallLeg("", "", sample_rate_hz=24000))


def test_what_is_heard() -> None:
    client = AudioSocketClient(LEG, ID)
    assert client.receive(b"\x10\x00\x02ab") == [PlayAudio(b"ab")]
    assert client.receive(b"\x00\x00\x00") == [Hangup()]


REFUSED: list[Message] = [
    b"",
    b"\x10\x00",
    # Asterisk takes an empty frame for a broken connection.
    b"\x10\x00\x00",
    b"\x10\x00\x01a",
    b"\x10\x00\x03ab",
    b"\x12\x00\x02ab",
    b"\x03\x00\x015",
    b"\x00\x00\x01x",
    "text",
]


@pytest.mark.parametrize("message", REFUSED)
def test_what_asterisk_does_not_take(message: Message) -> None:
    with pytest.raises(MediaProtocolError):
        AudioSocketClient(LEG, ID).receive(message)
