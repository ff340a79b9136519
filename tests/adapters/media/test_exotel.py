"""The messages of https://developer.exotel.com/docs/agentstream/websocket-protocol, as the server sees them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkReached, Started, Stopped
from adapters.media.exotel import ExotelProtocol
from models.errors import MediaProtocolError

START: dict[str, Any] = {
    "event": "start",
    "sequence_number": "1",
    "stream_sid": "MZ1",
    "start": {
        "stream_sid": "MZ1",
        "call_sid": "CA1",
        "account_sid": "AC1",
        "from": "+919876543210",
        "to": "+918047491899",
        "custom_parameters": {"key1": "value1"},
        "media_format": {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"},
    },
}
OWN = {"sequence_number": "3", "stream_sid": "MZ1"}


def start_with(**changes: Any) -> str:
    return json.dumps({**START, "start": {**START["start"], **changes}})


def started(rate: str = "8000") -> ExotelProtocol:
    protocol = ExotelProtocol()
    protocol.receive('{"event":"connected"}')
    protocol.receive(start_with(media_format={"sample_rate": rate}))
    return protocol


def refused(protocol: ExotelProtocol, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


def test_a_documented_call() -> None:
    protocol = ExotelProtocol()
    assert protocol.receive('{"event":"connected"}') == []
    assert protocol.receive(json.dumps(START)) == [
        Started("MZ1", "CA1", "AC1", 8000, {"key1": "value1"}, "+919876543210", "+918047491899")
    ]
    media = {"event": "media", **OWN, "media": {"chunk": "2", "timestamp": "200", "payload": "AQD/fw=="}}
    assert protocol.receive(json.dumps(media)) == [AudioReceived(b"\x01\x00\xff\x7f", 200)]
    dtmf = {"event": "dtmf", **OWN, "dtmf": {"digit": "5", "duration": "100"}}
    assert protocol.receive(json.dumps(dtmf)) == [DtmfReceived("5")]
    mark = {"event": "mark", **OWN, "mark": {"name": "end"}}
    assert protocol.receive(json.dumps(mark)) == [MarkReached("end")]
    stop = {"event": "stop", **OWN, "stop": {"call_sid": "CA1", "account_sid": "AC1", "reason": "callended"}}
    assert protocol.receive(json.dumps(stop)) == [Stopped("callended")]


def test_what_is_sent() -> None:
    protocol = started()
    pcm = b"\x01\x00" * 1600
    [media] = protocol.send_audio(pcm)
    assert json.loads(media) == {
        "event": "media",
        "stream_sid": "MZ1",
        "media": {"payload": base64.b64encode(pcm).decode()},
    }
    [mark] = protocol.send_mark('a "label"')
    assert json.loads(mark) == {"event": "mark", "stream_sid": "MZ1", "mark": {"name": 'a "label"'}}
    [clear] = protocol.send_clear()
    assert json.loads(clear) == {"event": "clear", "stream_sid": "MZ1"}
    assert protocol.send_dtmf("1") == protocol.send_hangup() == []


@pytest.mark.parametrize(("rate", "frame_bytes"), [("8000", 3_200), ("16000", 6_400)])
def test_every_message_has_a_size_that_plays_without_gaps(rate: str, frame_bytes: int) -> None:
    protocol = started(rate)
    sent = protocol.send_audio(b"\x01\x00" * (frame_bytes // 2 + 1))
    payloads = [base64.b64decode(json.loads(message)["media"]["payload"]) for message in sent]
    assert [len(payload) for payload in payloads] == [frame_bytes, frame_bytes]
    assert payloads[1] == b"\x01\x00" + bytes(frame_bytes - 2)


def test_the_rate_of_the_url_counts_where_the_start_has_none() -> None:
    for query, rate_hz in (({"sample-rate": "16000"}, 16000), ({}, 8000)):
        protocol = ExotelProtocol.begin(Handshake(url="wss://h/", path="/", query=query))
        protocol.receive(start_with(media_format=None))
        assert protocol.sample_rate_hz == rate_hz
    protocol = ExotelProtocol.begin(Handshake(url="wss://h/", path="/", query={"sample-rate": "16000"}))
    protocol.receive(json.dumps(START))
    assert protocol.sample_rate_hz == 8000


@pytest.mark.parametrize(
    "start",
    [
        start_with(media_format={"sample_rate": "24000"}),
        start_with(media_format={"sample_rate": 24000}),
        start_with(media_format={"sample_rate": [8000]}),
        start_with(media_format={"encoding": "audio/x-mulaw", "sample_rate": "8000"}),
        start_with(media_format=[]),
        start_with(stream_sid="another"),
        start_with(stream_sid=""),
        start_with(call_sid=5),
        start_with(custom_parameters=[]),
        json.dumps({"event": "start"}),
    ],
)
def test_a_wrong_start_is_fatal(start: str) -> None:
    protocol = ExotelProtocol()
    assert refused(protocol, start)
    assert not refused(protocol, json.dumps(START))
    assert protocol.send_audio(b"\0\0") == []


def test_the_rates_are_named() -> None:
    with pytest.raises(MediaProtocolError, match="8000 or 16000"):
        ExotelProtocol().receive(start_with(media_format={"sample_rate": "24000"}))


@pytest.mark.parametrize("payload", [None, 5, "a", "AQ==", "AQD/ fw=", "_QD/"])
def test_payloads_that_are_not_whole_samples_in_strict_base64(payload: object) -> None:
    protocol = started()
    assert not refused(protocol, json.dumps({"event": "media", **OWN, "media": {"payload": payload}}))
    assert protocol.receive(json.dumps({"event": "media", **OWN, "media": {"payload": ""}})) == []


@pytest.mark.parametrize("stop", [None, [], {"reason": 5}, {"reason": "x" * 1025}])
def test_a_stop_counts_whatever_its_reason(stop: object) -> None:
    assert started().receive(json.dumps({"event": "stop", "stop": stop})) == [Stopped()]


def test_messages_for_another_stream_are_dropped() -> None:
    protocol = started()
    for event in ("media", "mark", "dtmf", "stop"):
        content = {"payload": "AQD/fw==", "name": "m", "digit": "5"}
        assert not refused(protocol, json.dumps({"event": event, "stream_sid": "MZ2", event: content}))
        assert len(protocol.receive(json.dumps({"event": event, event: content}))) == 1


def test_what_it_recognises() -> None:
    assert not ExotelProtocol.matches_handshake(Handshake(url="wss://h/", path="/"))
    assert ExotelProtocol.matches_message(json.dumps(START))
    for other in (
        '{"event":"start","start":{"streamSid":"MZ1"}}',
        '{"event":"start","start":{"streamId":"1","callId":"2"}}',
        '{"event":"start","stream_id":"1","start":{"call_control_id":"v3:x"}}',
        '{"event":"start","start":[]}',
        '{"event":"connected"}',
        b"{}",
    ):
        assert not ExotelProtocol.matches_message(other)
