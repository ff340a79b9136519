from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from adapters.media.clients.base import CallLeg, Clear, Mark, PlayAudio
from adapters.media.clients.telnyx import TelnyxClient
from adapters.media.codecs import pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from models.errors import InvalidField, MediaProtocolError

LEG = CallLeg("S1", "v2:C1", "U1", from_="+15551230001", to="100", parameters={"plan": "gold"})
FRAME = b"\x00\x10" * 160


def _documents(messages: list[str | bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def _media(payload: bytes) -> str:
    return json.dumps({"event": "media", "media": {"payload": base64.b64encode(payload).decode()}})


def test_a_call_as_telnyx_sends_it() -> None:
    client = TelnyxClient(LEG)
    sent = _documents(
        [
            *client.opening(),
            *client.send_audio(FRAME),
            *client.send_dtmf("5"),
            *client.send_mark_reached("m"),
            *client.send_audio(b"\x00\x10"),
            *client.send_stop("ignored"),
        ]
    )
    payload = base64.b64encode(pcm_to_ulaw(FRAME)).decode()
    assert sent[0] == {"event": "connected", "version": "1.0.0"}
    assert sent[1]["start"]["media_format"] == {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    assert sent[1]["start"]["custom_parameters"] == {"plan": "gold"}
    assert sent[2]["media"] == {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": payload}
    assert sent[3]["dtmf"] == {"digit": "5"}
    assert sent[4]["mark"] == {"name": "m"}
    assert (sent[5]["media"]["chunk"], sent[5]["media"]["timestamp"]) == ("2", "20")
    assert sent[6]["stop"] == {"user_id": "U1", "call_control_id": "v2:C1"}
    assert [document["sequence_number"] for document in sent[1:]] == [str(number) for number in range(1, 7)]
    assert {document["stream_id"] for document in sent[1:]} == {"S1"}


def test_directions_may_differ() -> None:
    client = TelnyxClient(LEG, codec="PCMA", heard="PCMU")
    [sent] = _documents(client.send_audio(FRAME))
    assert base64.b64decode(sent["media"]["payload"]) == pcm_to_alaw(FRAME)
    assert client.receive(_media(pcm_to_ulaw(FRAME))) == [PlayAudio(ulaw_to_pcm(pcm_to_ulaw(FRAME)))]


def test_wide_band_is_l16_unless_told_otherwise() -> None:
    start = _documents(TelnyxClient(CallLeg("S1", "C1", sample_rate_hz=16000)).opening())[1]["start"]
    assert start["media_format"] == {"encoding": "L16", "sample_rate": 16000, "channels": 1}
    with pytest.raises(InvalidField):
        TelnyxClient(LEG, codec="G722")
    with pytest.raises(InvalidField):
        TelnyxClient(LEG, heard="G722")


def test_what_it_hears() -> None:
    client = TelnyxClient(LEG)
    assert client.receive(_media(b"\xff" * 160)) == [PlayAudio(bytes(320))]
    assert client.receive(_media(b"\xff" * 8000)) == [PlayAudio(bytes(16000))]
    assert client.receive('{"event":"mark","mark":{"name":"m"}}') == [Mark("m")]
    assert client.receive('{"event":"clear"}') == [Clear()]


@pytest.mark.parametrize(
    "message",
    [
        b"\x00",
        _media(b"\xff" * 159),
        _media(b""),
        '{"event":"media"}',
        '{"event":"media","media":{"payload":"a"}}',
        '{"event":"mark"}',
        '{"event":"dtmf","dtmf":{"digit":"1"}}',
    ],
)
def test_what_telnyx_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        TelnyxClient(LEG).receive(message)
