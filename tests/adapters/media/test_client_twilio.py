from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from adapters.media.client_base import CallLeg, Clear, Mark, PlayAudio
from adapters.media.client_twilio import TwilioClient
from adapters.media.codecs import ulaw_to_pcm
from models.errors import MediaProtocolError

LEG = CallLeg("MZ1", "CA1", "AC1", from_="+15551230001", to="100", parameters={"plan": "gold", "to": "200"})
SILENCE = base64.b64encode(b"\xff" * 160).decode()


def _documents(messages: list[str | bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def test_a_call_as_twilio_sends_it() -> None:
    client = TwilioClient(LEG)
    frame = b"\x00\x00" * 160
    sent = _documents(
        [
            *client.opening(),
            *client.send_audio(frame * 2),
            *client.send_dtmf("5"),
            *client.send_mark_reached("m"),
            *client.send_audio(frame),
            *client.send_stop("ignored"),
        ]
    )
    media = [document["media"] for document in sent if document["event"] == "media"]
    assert sent[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert sent[1] == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": "MZ1",
        "start": {
            "accountSid": "AC1",
            "streamSid": "MZ1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"from": "+15551230001", "plan": "gold", "to": "200"},
        },
    }
    assert media == [
        {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": SILENCE},
        {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": SILENCE},
        {"track": "inbound", "chunk": "3", "timestamp": "40", "payload": SILENCE},
    ]
    assert sent[4]["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert sent[5]["mark"] == {"name": "m"}
    assert sent[7]["stop"] == {"accountSid": "AC1", "callSid": "CA1"}
    assert [document["sequenceNumber"] for document in sent[1:]] == [str(number) for number in range(1, 8)]
    assert {document["streamSid"] for document in sent[1:]} == {"MZ1"}


def test_audio_leaves_in_whole_frames_and_the_last_is_filled_up() -> None:
    client = TwilioClient(LEG)
    assert client.send_audio(b"\x00\x10" * 159) == []
    [first] = _documents(client.send_audio(b"\x00\x10" * 2))
    assert len(base64.b64decode(first["media"]["payload"])) == 160
    rest, stop = _documents(client.send_stop())
    assert base64.b64decode(rest["media"]["payload"])[1:] == b"\xff" * 159
    assert stop["event"] == "stop"
    assert [document["event"] for document in _documents(client.send_stop())] == ["stop"]


def test_what_it_hears() -> None:
    client = TwilioClient(LEG)
    media = {"event": "media", "streamSid": "MZ1", "media": {"payload": "/38A"}}
    assert client.receive(json.dumps(media)) == [PlayAudio(ulaw_to_pcm(b"\xff\x7f\x00"))]
    assert client.receive('{"event":"mark","streamSid":"MZ1","mark":{"name":"m"}}') == [Mark("m")]
    assert client.receive('{"event":"clear","streamSid":"MZ1"}') == [Clear()]


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x00",
        '{"event":"clear"}',
        '{"event":"clear","streamSid":"MZ2"}',
        '{"event":"hangup","streamSid":"MZ1"}',
        '{"event":"mark","streamSid":"MZ1"}',
        '{"event":"media","streamSid":"MZ1","media":{"payload":"a"}}',
        '{"event":"media","streamSid":"MZ1"}',
    ],
)
def test_what_twilio_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        TwilioClient(LEG).receive(message)
