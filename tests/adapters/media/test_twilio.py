"""The messages of https://www.twilio.com/docs/voice/media-streams/websocket-messages, as the server sees them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkReached, Started, Stopped
from adapters.media.codecs import ulaw_to_pcm
from adapters.media.twilio import TwilioProtocol
from models.errors import MediaProtocolError

SID = "MZ18ad3ab5a668481ce02b83e7395059f0"
START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": "AC1",
        "streamSid": SID,
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"FirstName": "Jane", "from": "+15551230001", "to": "100"},
    },
    "streamSid": SID,
}
BROKEN_TIMESTAMPS: list[object] = [None, "-5", -1, True, "2.5", "²", "9" * 5000, []]
CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}


def _started() -> TwilioProtocol:
    protocol = TwilioProtocol()
    protocol.receive(json.dumps(CONNECTED))
    protocol.receive(json.dumps(START))
    return protocol


def _start_with(**changes: Any) -> str:
    return json.dumps({**START, "start": {**START["start"], **changes}})


def _media(**changes: Any) -> str:
    media = {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": "/38A"}
    return json.dumps({"event": "media", "sequenceNumber": "4", "media": {**media, **changes}, "streamSid": SID})


def _refused(protocol: TwilioProtocol, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


def test_a_documented_call() -> None:
    protocol = TwilioProtocol()
    assert protocol.receive(json.dumps(CONNECTED)) == []
    parameters = {"FirstName": "Jane", "from": "+15551230001", "to": "100"}
    started = Started(SID, "CA1", "AC1", 8000, parameters, "+15551230001", "100")
    assert protocol.receive(json.dumps(START)) == [started]
    assert protocol.receive(_media()) == [AudioReceived(ulaw_to_pcm(b"\xff\x7f\x00"), timestamp_ms=20)]
    dtmf = {"event": "dtmf", "streamSid": SID, "sequenceNumber": "5", "dtmf": {"track": "inbound_track", "digit": "1"}}
    assert protocol.receive(json.dumps(dtmf)) == [DtmfReceived("1")]
    mark = {"event": "mark", "sequenceNumber": "6", "streamSid": SID, "mark": {"name": "my label"}}
    assert protocol.receive(json.dumps(mark)) == [MarkReached("my label")]
    stop = {"event": "stop", "sequenceNumber": "7", "streamSid": SID, "stop": {"accountSid": "AC1", "callSid": "CA1"}}
    assert protocol.receive(json.dumps(stop)) == [Stopped()]


def test_what_is_sent() -> None:
    protocol = _started()
    [media] = protocol.send_audio(b"\x00\x00" * 160)
    assert json.loads(media) == {
        "event": "media",
        "streamSid": SID,
        "media": {"payload": base64.b64encode(b"\xff" * 160).decode()},
    }
    [mark] = protocol.send_mark('a "label"')
    assert json.loads(mark) == {"event": "mark", "streamSid": SID, "mark": {"name": 'a "label"'}}
    [clear] = protocol.send_clear()
    assert json.loads(clear) == {"event": "clear", "streamSid": SID}
    assert protocol.send_dtmf("1") == protocol.send_hangup() == []


def test_a_stream_id_is_escaped() -> None:
    protocol = TwilioProtocol()
    odd = 'a"\\é'
    protocol.receive(json.dumps({"event": "start", "start": {"streamSid": odd}}))
    for [message] in (protocol.send_audio(b"\x00\x00"), protocol.send_mark("m"), protocol.send_clear()):
        assert json.loads(message)["streamSid"] == odd


@pytest.mark.parametrize(
    "start",
    [
        {"event": "start", "start": {"streamSid": SID}},
        {"event": "start", "streamSid": SID, "start": {"customParameters": None, "mediaFormat": None}},
        {"event": "start", "streamSid": SID, "start": {"mediaFormat": {"sampleRate": "8000"}}},
    ],
)
def test_sparse_starts_are_taken(start: dict[str, Any]) -> None:
    assert TwilioProtocol().receive(json.dumps(start)) == [Started(SID, "", "", 8000)]


def test_numbers_beside_the_call_id_win_over_parameters() -> None:
    [started] = TwilioProtocol().receive(_start_with(**{"from": "+1", "to": "2"}))
    assert isinstance(started, Started)
    assert (started.from_, started.to) == ("+1", "2")


@pytest.mark.parametrize(
    "start",
    [
        _start_with(mediaFormat={"encoding": "audio/x-l16", "sampleRate": 8000, "channels": 1}),
        _start_with(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1}),
        _start_with(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2}),
        _start_with(mediaFormat=[]),
        _start_with(streamSid="MZother"),
        _start_with(streamSid=""),
        _start_with(streamSid=5),
        _start_with(callSid={}),
        _start_with(customParameters=[]),
        json.dumps({"event": "start"}),
        json.dumps({"event": "start", "streamSid": SID, "start": []}),
    ],
)
def test_a_wrong_start_is_fatal(start: str) -> None:
    protocol = TwilioProtocol()
    assert _refused(protocol, start)
    assert not _refused(protocol, json.dumps(START))
    assert protocol.send_audio(b"\x00\x00") == []


@pytest.mark.parametrize("payload", [None, 5, "", "a", "/38", "/3 8A", "/38A\n", "_38A", "é38A"])
def test_payloads_that_are_not_strict_base64(payload: object) -> None:
    protocol = _started()
    if payload == "":
        assert protocol.receive(_media(payload=payload)) == []
    else:
        assert not _refused(protocol, _media(payload=payload))
    assert protocol.receive(_media()) != []


@pytest.mark.parametrize("event", ["media", "dtmf", "mark", "stop"])
def test_messages_for_another_stream_are_dropped(event: str) -> None:
    protocol = _started()
    content = {"payload": "/38A", "digit": "1", "name": "m"}
    assert not _refused(protocol, json.dumps({"event": event, "streamSid": "MZother", event: content}))
    assert not _refused(protocol, json.dumps({"event": event, "streamSid": None, event: content}))
    assert len(protocol.receive(json.dumps({"event": event, event: content}))) == 1


def test_other_tracks_are_not_the_caller() -> None:
    protocol = _started()
    assert protocol.receive(_media(track="outbound")) == []
    assert not _refused(protocol, json.dumps({"event": "media", "streamSid": SID, "media": "x"}))


@pytest.mark.parametrize(
    ("timestamp", "timestamp_ms"),
    [
        ("0", 0),
        ("3600000", 3_600_000),
        (40, 40),
        *((broken, None) for broken in BROKEN_TIMESTAMPS),
    ],
)
def test_audio_survives_a_broken_timestamp(timestamp: object, timestamp_ms: int | None) -> None:
    [audio] = _started().receive(_media(timestamp=timestamp))
    assert isinstance(audio, AudioReceived)
    assert audio.timestamp_ms == timestamp_ms


def test_binary_is_dropped_in_every_phase() -> None:
    assert not _refused(TwilioProtocol(), b"\xff" * 160)
    protocol = _started()
    assert not _refused(protocol, b"\xff" * 160)
    assert protocol.receive(_media()) != []


def test_an_oversized_message_is_dropped() -> None:
    protocol = _started()
    fits = _media(payload="////" * 16_000)
    [audio] = protocol.receive(fits)
    assert isinstance(audio, AudioReceived)
    assert len(audio.pcm) == 2 * 48_000
    assert not _refused(protocol, _media(payload="////" * 16_384))
    assert protocol.receive(_media()) != []


def test_connected_comes_first_and_once() -> None:
    protocol = TwilioProtocol()
    protocol.receive(json.dumps(CONNECTED))
    assert not _refused(protocol, json.dumps(CONNECTED))
    protocol.receive(json.dumps(START))
    assert not _refused(protocol, json.dumps(CONNECTED))


def test_what_it_recognises() -> None:
    signed = Handshake(url="wss://h/", path="/", headers={"x-twilio-signature": "x"})
    assert TwilioProtocol.matches_handshake(signed)
    assert not TwilioProtocol.matches_handshake(Handshake(url="wss://h/", path="/"))
    assert TwilioProtocol.matches_message(json.dumps(START))
    plivo = {"event": "start", "start": {"streamId": "x", "callId": "y"}}
    for other in (
        json.dumps(plivo),
        '{"event":"start","sample_rate":8000}',
        "x",
        b"{}",
        '{"event":"start","start":[]}',
    ):
        assert not TwilioProtocol.matches_message(other)


# The usual way of writing audio has a way of its own through the protocol; white space between two keys closes it.

PIECES = {
    "event": st.sampled_from(['"media"', '"media"', '"media"', '"mark"', '"dtmf"', "5"]),
    "sequenceNumber": st.sampled_from(['"4"', '"4"', "4", '"x"', '"' + "9" * 16 + '"', "null"]),
    "streamSid": st.sampled_from([f'"{SID}"', f'"{SID}"', '""', '"MZother"', "null", '"\\u004d"', '"a\x01"']),
    "track": st.sampled_from(['"inbound"', '"inbound"', '"outbound"', "null", "7"]),
    "chunk": st.sampled_from(['"2"', '"2"', "2", '"-2"', '"²"']),
    "timestamp": st.sampled_from(['"20"', '"0020"', "20", '"' + "1" * 16 + '"', '"²"', '"-5"', "null", "[]"]),
    "payload": st.one_of(
        st.sampled_from(['""', '"/38"', '"/3=8"', '"/38A\\n"', '"_38A"', '"é38A"', '"===="', '"/w=="', '"/38A="', "5"]),
        st.binary(min_size=1, max_size=40).map(lambda ulaw: '"' + base64.b64encode(ulaw).decode() + '"'),
    ),
}
OUTER = st.sampled_from(
    [
        ("event", "sequenceNumber", "media", "streamSid"),
        ("event", "sequenceNumber", "streamSid", "media"),
        ("event", "sequenceNumber", "streamSid", "media", "streamSid"),
        ("event", "sequenceNumber", "media"),
        ("event", "media", "streamSid"),
        ("streamSid", "media", "event"),
        ("event", "event", "sequenceNumber", "media"),
    ]
)
INNER = st.sampled_from(
    [
        ("track", "chunk", "timestamp", "payload"),
        ("track", "chunk", "timestamp", "payload"),
        ("track", "chunk", "timestamp", "payload", "payload"),
        ("payload",),
        ("payload", "track"),
    ]
)


@st.composite
def media_messages(draw: st.DrawFn) -> tuple[str, str]:
    """A media message, and the same with white space that changes nothing but the way it takes."""
    comma, colon = draw(st.sampled_from([",", ", ", ",  "])), draw(st.sampled_from([":", ": ", " :"]))
    inner = [f'"{key}"{colon}{draw(PIECES[key])}' for key in draw(INNER)]
    keys = draw(OUTER)
    parts = [
        f'"{key}"{colon}' + ("{" + comma.join(inner) + "}" if key == "media" else draw(PIECES[key])) for key in keys
    ]
    end = draw(st.sampled_from(["}", "}", "}", "}}", "", "} "]))
    return "{" + comma.join(parts) + end, "{\t" + comma.join(parts) + end


def _outcome(protocol: TwilioProtocol, message: str) -> object:
    try:
        return protocol.receive(message)
    except MediaProtocolError as error:
        return error.message, error.fatal


@settings(max_examples=400)
@given(media_messages(), st.sampled_from(["start", "none", "stopped"]), st.sampled_from([SID, "a\x01"]))
def test_the_short_way_and_the_long_way_say_the_same(messages: tuple[str, str], phase: str, sid: str) -> None:
    outcomes = []
    for message in messages:
        protocol = TwilioProtocol()
        if phase != "none":
            protocol.receive(json.dumps({"event": "start", "start": {"streamSid": sid}}))
        if phase == "stopped":
            protocol.receive('{"event":"stop"}')
        outcomes.append(_outcome(protocol, message))
    assert outcomes[0] == outcomes[1]


def test_a_message_that_is_too_long_has_no_short_way() -> None:
    protocol = _started()
    assert not _refused(protocol, _media(payload="////" * 16_384).replace(": ", ":"))


@pytest.mark.parametrize(("before", "behind", "taken"), [(SID, "MZother", False), ("MZother", SID, True)])
def test_of_two_stream_ids_the_last_counts_as_in_json(before: str, behind: str, taken: bool) -> None:
    media = '"media":{"track":"inbound","chunk":"2","timestamp":"20","payload":"/38A"}'
    message = f'{{"event":"media","sequenceNumber":"4","streamSid":"{before}",{media},"streamSid":"{behind}"}}'
    if taken:
        assert len(_started().receive(message)) == 1
    else:
        assert not _refused(_started(), message)
