"""The messages of https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming, as received."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkReached, Started, Stopped
from adapters.media.codecs import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from adapters.media.encodings import ENCODINGS
from adapters.media.registry import choose
from adapters.media.telnyx import WINDOW, TelnyxProtocol
from models.errors import MediaProtocolError

STREAM = "32DE0DEA-53CB-4B21-89A4-9E1819C043BC"
START: dict[str, Any] = {
    "event": "start",
    "sequence_number": "1",
    "stream_id": STREAM,
    "start": {
        "user_id": "3E6F995F",
        "call_control_id": "v2:T02llQ",
        "call_session_id": "ff55a038",
        "from": "+13122010094",
        "to": "+13122123456",
        "tags": ["TAG1", "TAG2"],
        "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
        "custom_parameters": {"customer_id": "customer_123"},
        "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
    },
}
FRAME = b"\x00\x10" * 160


def _start_with(**changes: Any) -> str:
    return json.dumps({**START, "start": {**START["start"], **changes}})


def _handshake(**query: str) -> Handshake:
    return Handshake(url="wss://h/", path="/", query=query)


def _format(encoding: object, sample_rate: object = 8000, channels: object = 1) -> dict[str, Any]:
    return {"media_format": {"encoding": encoding, "sample_rate": sample_rate, "channels": channels}}


def _started(asked: str = "", **changes: Any) -> TelnyxProtocol:
    protocol = TelnyxProtocol(asked)
    protocol.receive(_start_with(**changes))
    return protocol


def _media(chunk: object, payload: bytes | str = b"\xff\x7f\x00", track: str = "inbound") -> str:
    coded = payload if isinstance(payload, str) else base64.b64encode(payload).decode()
    media = {"track": track, "chunk": chunk, "timestamp": "5", "payload": coded}
    return json.dumps({"event": "media", "sequence_number": "4", "stream_id": STREAM, "media": media})


def _heard(protocol: TelnyxProtocol, chunks: list[int]) -> list[int]:
    """Which chunks come out, told by their one byte."""
    events = [event for chunk in chunks for event in protocol.receive(_media(str(chunk), bytes([chunk])))]
    return [pcm_to_ulaw(event.pcm)[0] for event in events if isinstance(event, AudioReceived)]


def _refused(protocol: TelnyxProtocol, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


def test_a_documented_call() -> None:
    protocol = TelnyxProtocol()
    assert protocol.receive('{"event":"connected","version":"1.0.0"}') == []
    [started] = protocol.receive(json.dumps(START))
    assert started == Started(
        stream_id=STREAM,
        call_id="v2:T02llQ",
        account_id="3E6F995F",
        sample_rate_hz=8000,
        parameters={
            "call_session_id": "ff55a038",
            "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
            "customer_id": "customer_123",
        },
        from_="+13122010094",
        to="+13122123456",
    )
    assert protocol.receive(_media("2")) == [AudioReceived(ulaw_to_pcm(b"\xff\x7f\x00"), timestamp_ms=5)]
    dtmf = {"event": "dtmf", "stream_id": STREAM, "sequence_number": "5", "dtmf": {"digit": "1"}}
    assert protocol.receive(json.dumps(dtmf)) == [DtmfReceived("1")]
    mark = {"event": "mark", "stream_id": STREAM, "sequence_number": "6", "mark": {"name": "m"}}
    assert protocol.receive(json.dumps(mark)) == [MarkReached("m")]
    stop = {"event": "stop", "stream_id": STREAM, "sequence_number": "7", "stop": {"user_id": "3E6F995F"}}
    assert protocol.receive(json.dumps(stop)) == [Stopped()]


def test_what_is_sent_bears_no_stream_id() -> None:
    protocol = _started()
    [media] = protocol.send_audio(FRAME)
    payload = base64.b64encode(pcm_to_ulaw(FRAME)).decode()
    assert json.loads(media) == {"event": "media", "media": {"payload": payload}}
    [mark] = protocol.send_mark('a "mark"')
    assert json.loads(mark) == {"event": "mark", "mark": {"name": 'a "mark"'}}
    assert protocol.send_clear() == ['{"event":"clear"}']


@pytest.mark.parametrize(
    ("told", "rate_hz"),
    [
        (("PCMU", 8000), 8000),
        (("pcma", "8000"), 8000),
        (("L16", 8000), 8000),
        (("L16", 16000), 16000),
        (("G722", 8000), 16000),
        (("G722", 16000), 16000),
        (("OPUS", 8000), 16000),
        (("OPUS", 16000), 16000),
        (("OPUS", 48000), 16000),
    ],
)
def test_formats(told: tuple[str, object], rate_hz: int) -> None:
    assert _started(**_format(*told)).sample_rate_hz == rate_hz


@pytest.mark.parametrize(("encoding", "rate_hz"), [("PCMU", 8000), ("L16", 16000), ("G722", 16000), ("OPUS", 16000)])
def test_a_format_without_a_rate_has_its_usual_one(encoding: str, rate_hz: int) -> None:
    assert _started(media_format={"encoding": encoding}).sample_rate_hz == rate_hz
    assert _started(media_format=None).sample_rate_hz == 8000


@pytest.mark.parametrize(
    ("media_format", "words"),
    [
        (_format("L16", 24000), "8000 or 16000 Hz"),
        (_format("PCMU", 16000), "8000 or 16000 Hz"),
        (_format("L16", "x"), "8000 or 16000 Hz"),
        (_format("OPUS", 44100), "8000 or 16000 Hz"),
        (_format("AMR-WB", 16000), "PCMU, PCMA, G722, L16 or OPUS"),
        (_format(5), "PCMU, PCMA, G722, L16 or OPUS"),
        (_format("PCMU", 8000, 2), "one channel"),
        ({"media_format": []}, "object"),
    ],
)
def test_other_formats_are_fatal(media_format: dict[str, Any], words: str) -> None:
    protocol = TelnyxProtocol()
    with pytest.raises(MediaProtocolError, match=words) as caught:
        protocol.receive(_start_with(**media_format))
    assert caught.value.fatal
    assert protocol.send_audio(FRAME) == []


@pytest.mark.parametrize(
    ("told", "asked", "expected"),
    [
        ("PCMU", "", "PCMU"),
        ("PCMA", "", "PCMU"),
        ("PCMA", "PCMA", "PCMA"),
        ("PCMU", "l16", "L16"),
        ("L16", "", "L16"),
        ("OPUS", "PCMU", "PCMU"),
        ("OPUS", "", "OPUS"),
        ("G722", "", "G722"),
        ("G722", "L16", "L16"),
    ],
)
@pytest.mark.parametrize("by_query", [True, False])
def test_each_direction_has_its_codec(told: str, asked: str, expected: str, by_query: bool) -> None:
    rate_hz = 16000 if told == "L16" else 8000
    protocol = TelnyxProtocol.begin(_handshake(bidirectional_codec=asked) if by_query else _handshake())
    custom = {} if by_query or not asked else {"bidirectional_codec": asked}
    protocol.receive(_start_with(custom_parameters=custom, **_format(told, rate_hz)))
    frame = b"\x00\x10" * (protocol.sample_rate_hz // 50)
    [sent] = protocol.send_audio(frame)
    payload = base64.b64decode(json.loads(sent)["media"]["payload"])
    assert payload == ENCODINGS[expected].encoder(protocol.sample_rate_hz)(frame)


@pytest.mark.parametrize(("told", "asked"), [("G722", "PCMU"), ("PCMU", "G722"), ("PCMU", "AMR-WB"), ("PCMU", "x")])
def test_codecs_that_do_not_fit_together_are_fatal(told: str, asked: str) -> None:
    assert _refused(TelnyxProtocol(asked), _start_with(**_format(told)))


def test_a_call_of_another_continent_is_heard_in_alaw_and_answered_in_ulaw() -> None:
    protocol = _started(**_format("PCMA"))
    assert protocol.receive(_media("1", pcm_to_alaw(FRAME))) == [AudioReceived(alaw_to_pcm(pcm_to_alaw(FRAME)), 5)]
    [sent] = protocol.send_audio(FRAME)
    assert base64.b64decode(json.loads(sent)["media"]["payload"]) == pcm_to_ulaw(FRAME)


def test_chunks_are_put_into_order() -> None:
    protocol = _started()
    assert _heard(protocol, [1, 3, 2, 4]) == [1, 2, 3, 4]
    assert _heard(protocol, [4, 2, 7, 6, 6, 5]) == [5, 6, 7]


def test_a_missing_chunk_holds_up_no_more_than_the_window() -> None:
    protocol = _started()
    behind = list(range(3, 3 + WINDOW))
    assert _heard(protocol, [1, *behind]) == [1]
    assert _heard(protocol, [3 + WINDOW]) == [*behind, 3 + WINDOW]
    assert _heard(protocol, [2, 4 + WINDOW]) == [4 + WINDOW]


def test_what_is_still_held_comes_before_the_stop() -> None:
    protocol = _started()
    assert _heard(protocol, [1, 4, 3]) == [1]
    events = protocol.receive('{"event":"stop"}')
    assert events == [*(AudioReceived(ulaw_to_pcm(bytes([chunk])), 5) for chunk in (3, 4)), Stopped()]


@pytest.mark.parametrize("chunk", [None, "x", -1, [], True, "9" * 16])
def test_audio_without_a_number_is_heard_at_once(chunk: object) -> None:
    protocol = _started()
    assert _heard(protocol, [1, 3]) == [1]
    assert len(protocol.receive(_media(chunk))) == 1
    assert _heard(protocol, [2]) == [2, 3]


def test_other_tracks_do_not_count() -> None:
    protocol = _started()
    assert _heard(protocol, [1]) == [1]
    assert protocol.receive(_media("2", track="outbound")) == []
    assert _heard(protocol, [2]) == [2]


def test_broken_audio_that_had_to_wait_costs_only_itself() -> None:
    protocol = _started(**_format("L16", 16000))
    assert protocol.receive(_media("1", b"\x01\x00")) == [AudioReceived(b"\x01\x00", 5)]
    assert protocol.receive(_media("3", b"odd")) == protocol.receive(_media("4", b"\x04\x00")) == []
    heard = protocol.receive(_media("2", b"\x02\x00"))
    assert heard == [AudioReceived(b"\x02\x00", 5), AudioReceived(b"\x04\x00", 5)]
    assert not _refused(protocol, _media("5", b"odd"))
    assert protocol.receive(_media("6", b"\x06\x00")) == [AudioReceived(b"\x06\x00", 5)]


def test_opus_packets() -> None:
    protocol = _started(**_format("OPUS", 48000))
    encode = ENCODINGS["OPUS"].encoder(16000)
    [audio] = protocol.receive(_media("1", encode(b"\x00\x10" * 320)))
    assert isinstance(audio, AudioReceived)
    assert len(audio.pcm) == 640
    assert not _refused(protocol, _media("2", b"\xff"))
    assert protocol.receive(_media("3", b"")) == []


def test_the_last_frame_is_filled_with_silence() -> None:
    sent = _started().send_audio(FRAME + b"\x00\x10")
    payloads = [base64.b64decode(json.loads(message)["media"]["payload"]) for message in sent]
    assert payloads == [pcm_to_ulaw(FRAME), pcm_to_ulaw(b"\x00\x10") + b"\xff" * 159]


def test_an_error_of_telnyx_is_reported_and_ends_nothing() -> None:
    error = {"event": "error", "stream_id": STREAM, "error": {"code": 100004, "title": "invalid_media"}}
    protocol = TelnyxProtocol()
    assert not _refused(protocol, json.dumps(error))
    protocol.receive(json.dumps(START))
    assert not _refused(protocol, json.dumps(error))
    assert len(protocol.receive(_media("1"))) == 1


@pytest.mark.parametrize(
    "start",
    [
        json.dumps({**START, "stream_id": ""}),
        json.dumps({**START, "stream_id": 5}),
        json.dumps({"event": "start", "start": START["start"]}),
        json.dumps({**START, "start": []}),
        _start_with(call_control_id={}),
        _start_with(custom_parameters="x"),
        _start_with(custom_parameters=[{"value": "no name"}]),
        _start_with(custom_parameters=["x"]),
    ],
)
def test_a_wrong_start_is_fatal(start: str) -> None:
    assert _refused(TelnyxProtocol(), start)


def test_custom_parameters_as_call_control_takes_them() -> None:
    custom = [{"name": "plan", "value": "gold"}, {"name": "client_state", "value": "mine"}]
    [started] = TelnyxProtocol().receive(_start_with(custom_parameters=custom, call_session_id=None))
    assert isinstance(started, Started)
    assert started.parameters == {"plan": "gold", "client_state": "mine"}


@pytest.mark.parametrize("event", ["media", "dtmf", "mark", "stop"])
def test_messages_for_another_stream_are_dropped(event: str) -> None:
    protocol = _started()
    content = {"payload": "/38A", "digit": "1", "name": "m"}
    assert not _refused(protocol, json.dumps({"event": event, "stream_id": "other", event: content}))
    assert len(protocol.receive(json.dumps({"event": event, event: content}))) == 1


def test_what_it_recognises() -> None:
    token = Handshake(url="wss://h/", path="/", headers={"x-telnyx-streaming-auth-token": "x"})
    assert choose(token) is TelnyxProtocol
    assert choose(_handshake(), json.dumps(START)) is TelnyxProtocol
    for other in ('{"event":"start","start":{"stream_sid":"x","call_sid":"y"}}', '{"event":"start"}', b"{}", "x"):
        assert not TelnyxProtocol.matches_message(other)


# Two usual spellings of audio have a way of their own through the protocol; white space between two keys closes it.

PIECES = {
    "event": st.sampled_from(['"media"', '"media"', '"media"', '"mark"', "5"]),
    "sequence_number": st.sampled_from(['"4"', '"4"', "4", '"x"', '"' + "9" * 16 + '"']),
    "stream_id": st.sampled_from([f'"{STREAM}"', f'"{STREAM}"', '"other"', "null", '"\\u004d"', '"a\x01"']),
    "track": st.sampled_from(['"inbound"', '"inbound"', '"outbound"', "null"]),
    "chunk": st.sampled_from(['"2"', '"1"', '"3"', "2", '"-2"', '"²"', '"' + "1" * 16 + '"']),
    "timestamp": st.sampled_from(['"20"', '"0020"', "20", '"²"', "null"]),
    "payload": st.one_of(
        st.sampled_from(['""', '"/38"', '"/3=8"', '"/38A\\n"', '"_38A"', '"é38A"', '"/w=="', '"/38A="', "5"]),
        st.binary(min_size=1, max_size=40).map(lambda coded: '"' + base64.b64encode(coded).decode() + '"'),
    ),
}
OUTER = st.sampled_from(
    [
        ("event", "sequence_number", "stream_id", "media"),
        ("event", "media", "sequence_number", "stream_id"),
        ("event", "sequence_number", "stream_id", "media", "stream_id"),
        ("event", "sequence_number", "stream_id", "media", "sequence_number", "stream_id"),
        ("event", "media"),
        ("event", "media", "stream_id"),
        ("stream_id", "media", "event"),
        ("event", "event", "media"),
    ]
)
INNER = st.sampled_from(
    [
        ("track", "chunk", "timestamp", "payload"),
        ("chunk", "payload", "timestamp", "track"),
        ("chunk", "payload", "timestamp", "track", "payload"),
        ("track", "chunk", "timestamp", "payload", "payload"),
        ("chunk", "payload", "timestamp"),
        ("payload",),
    ]
)


@st.composite
def media_messages(draw: st.DrawFn) -> tuple[str, str]:
    """A media message, and the same with white space that changes nothing but the way it takes."""
    comma, colon = draw(st.sampled_from([",", ", ", ",  "])), draw(st.sampled_from([":", ": ", " :"]))
    inner = [f'"{key}"{colon}{draw(PIECES[key])}' for key in draw(INNER)]
    parts = [
        f'"{key}"{colon}' + ("{" + comma.join(inner) + "}" if key == "media" else draw(PIECES[key]))
        for key in draw(OUTER)
    ]
    end = draw(st.sampled_from(["}", "}", "}", "}}", "", "} "]))
    return "{" + comma.join(parts) + end, "{\t" + comma.join(parts) + end


def _outcome(protocol: TelnyxProtocol, message: str) -> object:
    try:
        return protocol.receive(message)
    except MediaProtocolError as error:
        return error.message, error.fatal


@settings(max_examples=300)
@given(st.lists(media_messages(), min_size=1, max_size=3), st.sampled_from(["start", "none", "stopped"]))
def test_the_short_way_and_the_long_way_say_the_same(messages: list[tuple[str, str]], phase: str) -> None:
    outcomes = []
    for way in (0, 1):
        protocol = TelnyxProtocol()
        if phase != "none":
            protocol.receive(json.dumps(START))
        if phase == "stopped":
            protocol.receive('{"event":"stop"}')
        outcomes.append([_outcome(protocol, message[way]) for message in messages])
    assert outcomes[0] == outcomes[1]


def test_a_message_that_is_too_long_has_no_short_way() -> None:
    assert not _refused(_started(), _media("1", "////" * 16_384).replace(": ", ":"))
