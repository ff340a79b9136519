"""The messages of Plivo's audio streaming reference, as the server sees them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkPolicy, MarkReached, Started, Stopped
from adapters.media.codecs import ulaw_to_pcm
from adapters.media.plivo import PlivoProtocol
from models.errors import MediaProtocolError

STREAM = "87654321-4321-4321-4321-cba987654321"
CALL = "12345678-1234-1234-1234-123456789abc"
HEADERS = "userId=12345;sessionId=abc-xyz"
START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": 1,
    "start": {
        "callId": CALL,
        "streamId": STREAM,
        "accountId": "MAXXXXXXXXXXXXXXXXXX",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
    },
    "extra_headers": HEADERS,
}


def l16(rate_hz: int) -> dict[str, Any]:
    return {"encoding": "audio/x-l16", "sampleRate": rate_hz}


def start_with(**changes: Any) -> str:
    return json.dumps({**START, "start": {**START["start"], **changes}})


def started(**changes: Any) -> PlivoProtocol:
    protocol = PlivoProtocol()
    protocol.receive(start_with(**changes))
    return protocol


def media(**changes: Any) -> str:
    inner = {"track": "inbound", "timestamp": "1705312200000", "chunk": 41, "payload": "/38A"}
    document = {"event": "media", "sequenceNumber": 42, "streamId": STREAM, "media": {**inner, **changes}}
    return json.dumps({**document, "extra_headers": HEADERS})


def refused(protocol: PlivoProtocol, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


def test_a_documented_call() -> None:
    protocol = PlivoProtocol()
    parameters = {"userId": "12345", "sessionId": "abc-xyz"}
    assert protocol.receive(json.dumps(START)) == [Started(STREAM, CALL, "MAXXXXXXXXXXXXXXXXXX", 8000, parameters)]
    assert protocol.receive(media()) == [AudioReceived(ulaw_to_pcm(b"\xff\x7f\x00"), timestamp_ms=0)]
    assert protocol.receive(media(timestamp="1705312200040", chunk=43)) == [
        AudioReceived(ulaw_to_pcm(b"\xff\x7f\x00"), timestamp_ms=40)
    ]
    own = {"sequenceNumber": 50, "streamId": STREAM}
    dtmf = {"event": "dtmf", **own, "dtmf": {"track": "inbound", "digit": "5", "timestamp": "1705312200100"}}
    assert protocol.receive(json.dumps(dtmf)) == [DtmfReceived("5")]
    played = {"event": "playedStream", **own, "name": "greeting"}
    assert protocol.receive(json.dumps(played)) == [MarkReached("greeting")]
    assert protocol.receive(json.dumps({"event": "clearedAudio", **own})) == []


def test_what_is_sent() -> None:
    protocol = started()
    [play] = protocol.send_audio(b"\x00\x00" * 160)
    assert json.loads(play) == {
        "event": "playAudio",
        "media": {
            "contentType": "audio/x-mulaw",
            "sampleRate": 8000,
            "payload": base64.b64encode(b"\xff" * 160).decode(),
        },
    }
    [mark] = protocol.send_mark('a "label"')
    assert json.loads(mark) == {"event": "checkpoint", "streamId": STREAM, "name": 'a "label"'}
    [clear] = protocol.send_clear()
    assert json.loads(clear) == {"event": "clearAudio", "streamId": STREAM}
    [digits] = protocol.send_dtmf("12#")
    assert json.loads(digits) == {"event": "sendDTMF", "dtmf": "12#"}
    assert protocol.send_hangup() == []


@pytest.mark.parametrize("rate", [8000, 16000, "16000"])
def test_linear_audio_is_little_endian_both_ways(rate: int | str) -> None:
    protocol = started(mediaFormat={"encoding": "audio/x-l16", "sampleRate": rate})
    assert protocol.sample_rate_hz == int(rate)
    pcm = b"\x01\x00\xff\x7f"
    payload = base64.b64encode(pcm).decode()
    assert protocol.receive(media(payload=payload)) == [AudioReceived(pcm, 0)]
    [play] = protocol.send_audio(pcm)
    assert json.loads(play)["media"] == {"contentType": "audio/x-l16", "sampleRate": int(rate), "payload": payload}
    for spelling in (media(payload="AQ=="), media(payload="AQ==", track="inbound").replace(": ", ":  ")):
        assert not refused(protocol, spelling)


def test_the_numbers_come_as_extra_headers() -> None:
    [event] = PlivoProtocol().receive(json.dumps({**START, "extra_headers": "from=15551230001,to=100"}))
    assert isinstance(event, Started)
    assert (event.from_, event.to) == ("15551230001", "100")


@pytest.mark.parametrize(
    "start",
    [
        start_with(mediaFormat=l16(24000)),
        start_with(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 16000}),
        start_with(mediaFormat={"encoding": "audio/x-alaw", "sampleRate": 8000}),
        start_with(mediaFormat={"encoding": ["audio/x-l16"], "sampleRate": 8000}),
        start_with(mediaFormat=None),
        start_with(mediaFormat="audio/x-l16"),
        start_with(streamId=""),
        start_with(streamId=5),
        start_with(callId={}),
        json.dumps({**START, "streamId": "another"}),
        json.dumps({**START, "extra_headers": []}),
        json.dumps({"event": "start"}),
    ],
)
def test_a_wrong_start_is_fatal(start: str) -> None:
    protocol = PlivoProtocol()
    assert refused(protocol, start)
    assert not refused(protocol, json.dumps(START))
    assert protocol.send_audio(b"\x00\x00") == []


def test_the_rates_are_named() -> None:
    with pytest.raises(MediaProtocolError, match="8000 or 16000"):
        PlivoProtocol().receive(start_with(mediaFormat=l16(24000)))


def test_what_the_document_does_not_list_and_its_examples_have() -> None:
    protocol = PlivoProtocol()
    assert protocol.receive('{"event":"connected"}') == []
    protocol.receive(json.dumps(START))
    assert protocol.receive('{"event":"stop"}') == [Stopped()]
    assert not refused(protocol, media())


def test_only_what_was_played_comes_back() -> None:
    assert PlivoProtocol.capabilities.marks is MarkPolicy.PLAYED_ONLY


@pytest.mark.parametrize("event", ["media", "dtmf", "playedStream", "clearedAudio", "stop"])
def test_messages_for_another_stream_are_dropped(event: str) -> None:
    protocol = started()
    content = {"media": {"payload": "/38A"}, "dtmf": {"digit": "5"}, "name": "m"}
    for other in ("another", None, 5):
        assert not refused(protocol, json.dumps({"event": event, "streamId": other, **content}))
    protocol.receive(json.dumps({"event": event, **content}))


def test_other_tracks_are_not_the_caller() -> None:
    assert started().receive(media(track="outbound")) == []
    assert started().receive(media(payload="")) == []
    for payload in (None, 5, "a", "/3 8A", "/38A\n", "_38A", "é38A", "/38A\\"):
        assert not refused(started(), media(payload=payload))


@pytest.mark.parametrize("timestamp", [None, "-5", True, "²", "9" * 16, []])
def test_audio_survives_a_broken_timestamp(timestamp: object) -> None:
    protocol = started()
    [audio] = protocol.receive(media(timestamp=timestamp))
    assert isinstance(audio, AudioReceived)
    assert audio.timestamp_ms is None


def test_a_clock_that_is_set_back_does_not_count_below_the_beginning() -> None:
    protocol = started()
    protocol.receive(media())
    [audio] = protocol.receive(media(timestamp="1705312199000"))
    assert audio == AudioReceived(ulaw_to_pcm(b"\xff\x7f\x00"), 0)


def test_what_it_recognises() -> None:
    signed = Handshake(url="wss://h/", path="/", headers={"x-plivo-signature-v3": "x"})
    assert PlivoProtocol.matches_handshake(signed)
    assert not PlivoProtocol.matches_handshake(Handshake(url="wss://h/", path="/"))
    assert PlivoProtocol.matches_message(json.dumps(START))
    for other in (
        '{"event":"start","start":{"streamSid":"MZ1"}}',
        '{"event":"start","start":{"stream_sid":"MZ1"}}',
        '{"event":"start","stream_id":"1","start":{"call_control_id":"v3:x"}}',
        '{"event":"start","sample_rate":8000}',
        '{"event":"start","start":[]}',
        media(),
        b"{}",
    ):
        assert not PlivoProtocol.matches_message(other)


# The usual way of writing audio has a way of its own through the protocol; white space at the end closes it.

PIECES = {
    "event": st.sampled_from(['"media"', '"media"', '"media"', '"dtmf"', "5"]),
    "sequenceNumber": st.sampled_from(["42", "42", "0", "042", '"42"', "9" * 16, "4.5"]),
    "streamId": st.sampled_from([f'"{STREAM}"', f'"{STREAM}"', '""', '"another"', "null", '"\\u0038"', '"a\x01"']),
    "track": st.sampled_from(['"inbound"', '"inbound"', '"outbound"', "null"]),
    "timestamp": st.sampled_from(['"1705312200000"', '"0020"', "20", '"' + "1" * 16 + '"', '"²"', "null"]),
    "chunk": st.sampled_from(["41", "41", "0", "07", '"2"', "-2"]),
    "payload": st.one_of(
        st.sampled_from(
            ['""', '"/38"', '"/3=8"', '"/38A\\n"', '"_38A"', '"é38A"', '"/w=="', '"\\/38A"', '"/38A\\"', "5"]
        ),
        st.binary(min_size=1, max_size=40).map(lambda audio: '"' + base64.b64encode(audio).decode() + '"'),
    ),
    "extra_headers": st.sampled_from(
        ['"{}"', '"{}"', '"a=b"', '"{\\"a\\":\\"b\\"}"', '"\\u0041"', '"\\x"', '"\\"', "{}"]
    ),
}
OUTER = st.sampled_from(
    [
        ("event", "sequenceNumber", "streamId", "media", "extra_headers"),
        ("sequenceNumber", "streamId", "event", "media", "extra_headers"),
        ("event", "sequenceNumber", "streamId", "media"),
        ("sequenceNumber", "streamId", "media", "extra_headers"),
        ("event", "sequenceNumber", "streamId", "event", "media"),
        ("event", "sequenceNumber", "streamId", "media", "extra_headers", "streamId"),
        ("media", "event", "streamId"),
    ]
)
INNER = st.sampled_from(
    [
        ("track", "timestamp", "chunk", "payload"),
        ("track", "timestamp", "chunk", "payload"),
        ("track", "timestamp", "chunk", "payload", "payload"),
        ("track", "chunk", "timestamp", "payload"),
        ("payload",),
    ]
)


@st.composite
def media_messages(draw: st.DrawFn) -> str:
    comma, colon = draw(st.sampled_from([",", ", ", ",  "])), draw(st.sampled_from([":", ": ", " :"]))
    inner = [f'"{key}"{colon}{draw(PIECES[key])}' for key in draw(INNER)]
    parts = [
        f'"{key}"{colon}' + ("{" + comma.join(inner) + "}" if key == "media" else draw(PIECES[key]))
        for key in draw(OUTER)
    ]
    return "{" + comma.join(parts) + draw(st.sampled_from(["}", "}", "}", "}}", ""]))


def outcome(protocol: PlivoProtocol, message: str) -> object:
    try:
        return protocol.receive(message)
    except MediaProtocolError as error:
        return error.message, error.fatal


@settings(max_examples=400)
@given(
    media_messages(), st.sampled_from(["start", "none", "stopped"]), st.sampled_from(["audio/x-mulaw", "audio/x-l16"])
)
def test_the_short_way_and_the_long_way_say_the_same(message: str, phase: str, encoding: str) -> None:
    outcomes = []
    for spelling in (message, message + " "):
        protocol = PlivoProtocol()
        if phase != "none":
            protocol.receive(start_with(mediaFormat={"encoding": encoding, "sampleRate": 8000}))
        if phase == "stopped":
            protocol.receive('{"event":"stop"}')
        outcomes.append(outcome(protocol, spelling))
    assert outcomes[0] == outcomes[1]


def test_a_message_that_is_too_long_has_no_short_way() -> None:
    assert not refused(started(), media(payload="////" * 16_384))
