from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from adapters.media.clients.base import CallLeg, Clear, Dtmf, Mark, PlayAudio
from adapters.media.clients.plivo import EPOCH_MS, PlivoClient
from adapters.media.codecs import ulaw_to_pcm
from adapters.media.plivo import L16, ULAW
from models.errors import InvalidField, MediaProtocolError

LEG = CallLeg("S1", "C1", "MA1", from_="15551230001", to="100", parameters={"plan": "gold"})
WIDE = CallLeg("S1", "C1", "MA1", sample_rate_hz=16000)


def documents(messages: list[str | bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def play(**changes: Any) -> str:
    media = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": "/38A", **changes}
    return json.dumps({"event": "playAudio", "media": media})


def test_a_call_as_plivo_sends_it() -> None:
    client = PlivoClient(LEG)
    start, first, second, dtmf, played, cleared = documents(
        [
            *client.opening(),
            *client.send_audio(bytes(640)),
            *client.send_dtmf("5"),
            *client.send_mark_reached("m"),
            *client.send_cleared(),
        ]
    )
    assert start == {
        "event": "start",
        "sequenceNumber": 1,
        "start": {
            "callId": "C1",
            "streamId": "S1",
            "accountId": "MA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        },
        "extra_headers": "from=15551230001;to=100;plan=gold",
    }
    silence = base64.b64encode(b"\xff" * 160).decode()
    assert first["media"] == {"track": "inbound", "timestamp": str(EPOCH_MS), "chunk": 0, "payload": silence}
    assert second["media"] == {"track": "inbound", "timestamp": str(EPOCH_MS + 20), "chunk": 1, "payload": silence}
    assert dtmf["dtmf"] == {"track": "inbound", "digit": "5", "timestamp": str(EPOCH_MS + 40)}
    assert (played["event"], played["name"]) == ("playedStream", "m")
    assert cleared == {"event": "clearedAudio", "sequenceNumber": 6, "streamId": "S1"}
    assert [first["sequenceNumber"], second["sequenceNumber"]] == [2, 3]


@pytest.mark.parametrize(
    ("client", "frame_bytes", "silence"),
    [
        (PlivoClient(LEG), 160, b"\xff"),
        (PlivoClient(LEG, encoding=L16), 320, b"\0"),
        (PlivoClient(WIDE), 640, b"\0"),
    ],
    ids=["mulaw", "l16", "l16-wide"],
)
def test_audio_leaves_in_whole_frames_and_the_last_is_filled_up(
    client: PlivoClient, frame_bytes: int, silence: bytes
) -> None:
    assert client.send_audio(b"\x00\x10") == []
    [rest] = documents(client.send_stop("bye"))
    payload = base64.b64decode(rest["media"]["payload"])
    assert len(payload) == frame_bytes
    assert payload.endswith(silence * (frame_bytes - 2))
    assert client.send_stop() == []


def test_what_it_hears() -> None:
    client = PlivoClient(LEG)
    assert client.receive(play()) == [PlayAudio(ulaw_to_pcm(b"\xff\x7f\x00"))]
    assert client.receive('{"event":"checkpoint","streamId":"S1","name":"m"}') == [Mark("m")]
    assert client.receive('{"event":"clearAudio","streamId":"S1"}') == [Clear()]
    assert client.receive('{"event":"sendDTMF","dtmf":"12#"}') == [Dtmf("12#")]
    wide = play(contentType="audio/x-l16", sampleRate=16000, payload="AQD/fw==")
    assert PlivoClient(WIDE).receive(wide) == [PlayAudio(b"\x01\x00\xff\x7f")]


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x00",
        '{"event":"clearAudio"}',
        '{"event":"checkpoint","streamId":"S2","name":"m"}',
        '{"event":"checkpoint","streamId":"S1"}',
        '{"event":"sendDTMF","dtmf":"x"}',
        '{"event":"stop","streamId":"S1"}',
        play(contentType="audio/x-l16"),
        play(sampleRate=16000),
        play(payload="a"),
        play(payload=""),
        '{"event":"playAudio"}',
    ],
)
def test_what_plivo_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        PlivoClient(LEG).receive(message)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(MediaProtocolError):
        PlivoClient(WIDE).receive(play(contentType="audio/x-l16", sampleRate=16000, payload="AQ=="))


def test_formats_that_plivo_does_not_have() -> None:
    for leg, encoding in ((WIDE, ULAW), (CallLeg("S", "C", sample_rate_hz=24000), None)):
        with pytest.raises(InvalidField) as caught:
            PlivoClient(leg, encoding=encoding)
        assert caught.value.field == "sample_rate_hz"


@pytest.mark.parametrize("parameters", [{"a": "b;c"}, {"a=b": "c"}, {"a": ""}, {"a": "x" * 512}])
def test_parameters_that_extra_headers_cannot_carry(parameters: dict[str, str]) -> None:
    with pytest.raises(InvalidField) as caught:
        PlivoClient(CallLeg("S", "C", parameters=parameters))
    assert caught.value.field == "parameters"
