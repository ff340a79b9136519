from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from adapters.media.clients.base import CallLeg, Clear, Mark, PlayAudio
from adapters.media.clients.exotel import ExotelClient
from models.errors import MediaProtocolError

LEG = CallLeg("MZ1", "CA1", "AC1", from_="+15551230001", to="100", parameters={"plan": "gold"})


def documents(messages: list[str | bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def media(size: int, stream: str = "MZ1") -> str:
    payload = base64.b64encode(bytes(size)).decode()
    return json.dumps({"event": "media", "stream_sid": stream, "media": {"payload": payload}})


def test_a_call_as_exotel_sends_it() -> None:
    client = ExotelClient(LEG)
    frame = b"\x01\x00" * 800
    connected, start, first, second, dtmf, mark, stop = documents(
        [
            *client.opening(),
            *client.send_audio(frame * 2),
            *client.send_dtmf("5"),
            *client.send_mark_reached("m"),
            *client.send_stop("ignored"),
        ]
    )
    assert connected == {"event": "connected"}
    assert start == {
        "event": "start",
        "sequence_number": "1",
        "stream_sid": "MZ1",
        "start": {
            "stream_sid": "MZ1",
            "call_sid": "CA1",
            "account_sid": "AC1",
            "from": "+15551230001",
            "to": "100",
            "custom_parameters": {"plan": "gold"},
            "media_format": {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"},
        },
    }
    payload = base64.b64encode(frame).decode()
    assert first["media"] == {"chunk": "1", "timestamp": "0", "payload": payload}
    assert second["media"] == {"chunk": "2", "timestamp": "100", "payload": payload}
    assert dtmf["dtmf"] == {"digit": "5", "duration": "100"}
    assert mark["mark"] == {"name": "m"}
    assert stop["stop"] == {"call_sid": "CA1", "account_sid": "AC1", "reason": "callended"}
    assert stop["sequence_number"] == "6"


def test_audio_leaves_in_whole_frames_and_the_last_is_filled_up() -> None:
    client = ExotelClient(LEG)
    assert client.send_audio(b"\x01\x02") == []
    rest, stop = documents(client.send_stop())
    assert base64.b64decode(rest["media"]["payload"]) == b"\x01\x02" + bytes(1598)
    assert stop["event"] == "stop"
    assert len(client.send_stop()) == 1


def test_what_it_hears() -> None:
    client = ExotelClient(LEG)
    for size in (3_200, 3_520, 32_000):
        assert client.receive(media(size)) == [PlayAudio(bytes(size))]
    assert client.receive('{"event":"mark","stream_sid":"MZ1","mark":{"name":"m"}}') == [Mark("m")]
    assert client.receive('{"event":"clear","stream_sid":"MZ1"}') == [Clear()]
    assert client.send_cleared() == []


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x00",
        media(0),
        media(2_880),
        media(3_202),
        media(4_096),
        media(100_160),
        media(3_200, "MZ2"),
        '{"event":"clear"}',
        '{"event":"mark","stream_sid":"MZ1"}',
        '{"event":"media","stream_sid":"MZ1"}',
        '{"event":"hangup","stream_sid":"MZ1"}',
    ],
    ids=lambda message: str(message[:60]) + str(len(message)),
)
def test_what_exotel_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        ExotelClient(LEG).receive(message)
