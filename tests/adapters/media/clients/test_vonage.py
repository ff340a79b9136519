from __future__ import annotations

import json

import pytest

from adapters.media.clients.base import CallLeg, Clear, Mark, PlayAudio
from adapters.media.clients.vonage import VonageClient
from models.errors import MediaProtocolError

LEG = CallLeg("", "C1", sample_rate_hz=16000, from_="+15551230001", to="100", parameters={"plan": "gold", "event": "x"})


def test_a_call_as_vonage_sends_it() -> None:
    client = VonageClient(LEG)
    [connected] = client.opening()
    assert json.loads(connected) == {
        "event": "websocket:connected",
        "content-type": "audio/l16;rate=16000",
        "uuid": "C1",
        "from": "+15551230001",
        "to": "100",
        "plan": "gold",
    }
    [dtmf] = client.send_dtmf("5")
    assert json.loads(dtmf) == {"event": "websocket:dtmf", "digit": "5", "duration": 260}
    [notify] = client.send_mark_reached("m")
    assert json.loads(notify) == {"event": "websocket:notify", "payload": {"name": "m"}}
    assert client.send_cleared() == ['{"event": "websocket:cleared"}']


def test_audio_leaves_in_whole_frames_and_the_last_is_filled_up() -> None:
    client = VonageClient(LEG)
    frame = b"\x01\x02" * 320
    assert client.send_audio(frame + b"\x01\x02") == [frame]
    assert client.send_stop("bye") == [b"\x01\x02" + bytes(638)]
    assert client.send_stop() == []


def test_what_it_hears() -> None:
    client = VonageClient(LEG)
    assert client.receive(bytes(640)) == [PlayAudio(bytes(640))]
    assert client.receive('{"action":"clear"}') == [Clear()]
    assert client.receive('{"action":"notify","payload":{"name":"m"}}') == [Mark("m")]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        bytes(320),
        bytes(638),
        bytes(1280),
        "clear",
        '{"action":"notify"}',
        '{"action":"notify","payload":{}}',
        '{"action":"hangup"}',
        '{"event":"clear"}',
    ],
)
def test_what_vonage_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        VonageClient(LEG).receive(message)
