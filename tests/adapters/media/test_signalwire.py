"""The messages of https://signalwire.com/docs/compatibility-api/cxml/reference/voice/stream, as received."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkReached, Started, Stopped
from adapters.media.codecs import ulaw_to_pcm
from adapters.media.registry import choose
from adapters.media.signalwire import SignalWireProtocol
from adapters.media.twilio import TwilioProtocol
from models.errors import InvalidField, MediaProtocolError

BARE = Handshake(url="wss://h/", path="/")
SID = "7d56cc11-536d-4a45-b4fb-ed3d55be843b"
L16_16K = {"encoding": "audio/x-L16", "sampleRate": 16000, "channels": 1}
START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "streamSid": SID,
        "accountSid": "b08dacad-2f6c-4de1-93d6-cc732e0c69c5",
        "callSid": "76ac3c36-56da-4a3e-a0d6-b5f8df6da9ad",
        "tracks": ["inbound"],
        "customParameters": {},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}


def _start_with(**changes: Any) -> str:
    return json.dumps({**START, "start": {**START["start"], **changes}})


def _media(payload: str) -> str:
    media = {"track": "inbound", "chunk": "1", "timestamp": "40", "payload": payload}
    return json.dumps({"event": "media", "sequenceNumber": "42", "media": media})


def _started(**changes: Any) -> SignalWireProtocol:
    protocol = SignalWireProtocol()
    protocol.receive(_start_with(**changes))
    return protocol


def test_a_documented_call() -> None:
    protocol = SignalWireProtocol()
    assert protocol.receive('{"event":"connected","protocol":"Call","version":"0.2.0"}') == []
    [started] = protocol.receive(json.dumps(START))
    start = START["start"]
    assert started == Started(SID, start["callSid"], start["accountSid"], 8000)
    assert protocol.receive(_media("/38A")) == [AudioReceived(ulaw_to_pcm(b"\xff\x7f\x00"), timestamp_ms=40)]
    dtmf = {"event": "dtmf", "sequenceNumber": "123", "streamSid": SID, "dtmf": {"digit": "5", "duration": 2000}}
    assert protocol.receive(json.dumps(dtmf)) == [DtmfReceived("5")]
    mark = {"event": "mark", "streamSid": SID, "mark": {"name": "my-custom-mark"}}
    assert protocol.receive(json.dumps(mark)) == [MarkReached("my-custom-mark")]
    assert protocol.receive('{"event":"stop","sequenceNumber":"999"}') == [Stopped()]


def test_wide_band_audio_is_bare_pcm() -> None:
    protocol = _started(mediaFormat=L16_16K)
    assert protocol.sample_rate_hz == 16000
    pcm = bytes(range(256)) * 2 + b"\x10\x20" * 64
    payload = base64.b64encode(pcm).decode()
    assert protocol.receive(_media(payload)) == [AudioReceived(pcm, timestamp_ms=40)]
    [sent] = protocol.send_audio(pcm)
    assert json.loads(sent) == {"event": "media", "streamSid": SID, "media": {"payload": payload}}
    assert len(protocol.send_audio(bytes(2 * 16000 + 2))) == 2


@pytest.mark.parametrize("space", [" ", "\t"], ids=["usual spelling", "parsed"])
def test_half_a_sample_is_dropped(space: str) -> None:
    protocol = _started(mediaFormat=L16_16K)
    message = _media(base64.b64encode(b"\x00" * 3).decode())
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(space.join(message.split(" ")))
    assert not caught.value.fatal
    assert protocol.receive(_media("AAA=")) == [AudioReceived(b"\x00\x00", timestamp_ms=40)]


@pytest.mark.parametrize(
    "media_format",
    [
        {"encoding": "audio/x-L16", "sampleRate": 24000, "channels": 1},
        {"encoding": "audio/x-L16", "sampleRate": 8000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1},
        {"encoding": "audio/x-L16", "sampleRate": 16000, "channels": 2},
        {"encoding": "audio/x-L16", "sampleRate": None, "channels": 1},
        {"encoding": ["audio/x-L16"], "sampleRate": 16000},
    ],
)
def test_other_formats_are_fatal_and_the_error_names_the_rates(media_format: dict[str, Any]) -> None:
    with pytest.raises(MediaProtocolError, match=r"8000.*16000") as caught:
        SignalWireProtocol().receive(_start_with(mediaFormat=media_format))
    assert caught.value.fatal


def test_digits_go_one_a_message() -> None:
    assert [json.loads(message) for message in _started().send_dtmf("5#")] == [
        {"event": "dtmf", "streamSid": SID, "dtmf": {"digit": digit}} for digit in "5#"
    ]
    assert SignalWireProtocol().send_dtmf("5") == []
    with pytest.raises(InvalidField):
        _started().send_dtmf("5x")


def test_what_it_recognises() -> None:
    assert choose(BARE, json.dumps(START)) is SignalWireProtocol
    assert choose(BARE, _start_with(accountSid="AC1", mediaFormat=L16_16K)) is SignalWireProtocol
    assert choose(BARE, _start_with(accountSid="AC" + "0" * 32)) is TwilioProtocol
    assert not SignalWireProtocol.matches_handshake(Handshake(url="wss://h/", path="/", headers={"authorization": "x"}))
    for start in ({"accountSid": 5}, {"accountSid": None, "mediaFormat": []}, {"mediaFormat": {"encoding": 5}}):
        assert not SignalWireProtocol.matches_message(_start_with(**{"accountSid": "x", **start}))
