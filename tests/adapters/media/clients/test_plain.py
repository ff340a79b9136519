from __future__ import annotations

import json

import pytest

from adapters.media.clients.base import CallLeg, Clear, Dtmf, Hangup, Mark, PlayAudio
from adapters.media.clients.plain import PlainClient
from models.errors import MediaProtocolError

LEG = CallLeg("", "c-1", sample_rate_hz=16000, from_="+15551230001", to="100", parameters={"plan": "gold"})


def test_a_call_as_documented() -> None:
    client = PlainClient(LEG)
    [start] = client.opening()
    assert json.loads(start) == {
        "event": "start",
        "sample_rate": 16000,
        "call_id": "c-1",
        "from": "+15551230001",
        "to": "100",
        "parameters": {"plan": "gold"},
    }
    assert client.send_audio(b"\x01\x02") == [b"\x01\x02"]
    assert [len(message) for message in client.send_audio(bytes(65_000))] == [32_000, 32_000, 1_000]
    sent = [*client.send_dtmf("5"), *client.send_mark_reached("m"), *client.send_stop("hangup")]
    assert [json.loads(message) for message in sent] == [
        {"event": "dtmf", "digit": "5"},
        {"event": "mark", "name": "m"},
        {"event": "stop", "reason": "hangup"},
    ]


def test_what_it_hears() -> None:
    client = PlainClient(LEG)
    assert client.receive(b"\x01\x02") == [PlayAudio(b"\x01\x02")]
    assert client.receive('{"event":"mark","name":"m"}') == [Mark("m")]
    assert client.receive('{"event":"clear"}') == [Clear()]
    assert client.receive('{"event":"dtmf","digits":"12#"}') == [Dtmf("12#")]
    assert client.receive('{"event":"hangup"}') == [Hangup()]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x00",
        bytes(32_002),
        "x",
        '{"event":"start"}',
        '{"event":"mark"}',
        '{"event":"dtmf"}',
        '{"event":"dtmf","digits":""}',
        '{"event":"dtmf","digits":"1x"}',
        '{"event":"dtmf","digits":1}',
    ],
)
def test_what_it_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        PlainClient(LEG).receive(message)
