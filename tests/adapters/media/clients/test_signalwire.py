from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from adapters.media.clients.base import CallLeg, Clear, Dtmf, Mark, PlayAudio
from adapters.media.clients.signalwire import SignalWireClient
from models.errors import MediaProtocolError

LEG = CallLeg("7d56cc11", "76ac3c36", "b08dacad", sample_rate_hz=16000)


def _documents(messages: list[str | bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def test_a_call_as_signalwire_sends_it() -> None:
    client = SignalWireClient(LEG)
    frame = b"\x01\x02" * 320
    sent = _documents(
        [
            *client.opening(),
            *client.send_audio(frame),
            *client.send_dtmf("5"),
            *client.send_mark_reached("m"),
            *client.send_audio(b"\x01\x02"),
            *client.send_stop(),
        ]
    )
    assert sent[0] == {"event": "connected", "protocol": "Call", "version": "0.2.0"}
    assert sent[1]["start"]["mediaFormat"] == {"encoding": "audio/x-L16", "sampleRate": 16000, "channels": 1}
    media = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": base64.b64encode(frame).decode()}
    assert sent[2] == {"event": "media", "sequenceNumber": "2", "media": media}
    assert sent[3]["dtmf"] == {"digit": "5", "duration": 100}
    assert sent[4] == {"event": "mark", "streamSid": "7d56cc11", "mark": {"name": "m"}}
    assert base64.b64decode(sent[5]["media"]["payload"]) == b"\x01\x02" + bytes(638)
    assert sent[6] == {"event": "stop", "sequenceNumber": "5"}


def test_what_it_hears() -> None:
    client = SignalWireClient(LEG)
    assert client.receive('{"event":"media","streamSid":"7d56cc11","media":{"payload":"AQI="}}') == [
        PlayAudio(b"\x01\x02")
    ]
    assert client.receive('{"event":"mark","streamSid":"7d56cc11","mark":{"name":"dtmf"}}') == [Mark("dtmf")]
    assert client.receive('{"event":"clear","streamSid":"7d56cc11"}') == [Clear()]
    assert client.receive('{"event":"dtmf","streamSid":"7d56cc11","dtmf":{"digit":"5"}}') == [Dtmf("5")]


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x00",
        '{"event":"dtmf","streamSid":"other","dtmf":{"digit":"5"}}',
        '{"event":"dtmf","streamSid":"7d56cc11","dtmf":{"digit":"55"}}',
        '{"event":"dtmf","streamSid":"7d56cc11"}',
        '{"event":"media","streamSid":"7d56cc11","media":{"payload":"AA=="}}',
    ],
)
def test_what_it_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        SignalWireClient(LEG).receive(message)
