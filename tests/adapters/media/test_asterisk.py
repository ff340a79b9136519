"""The messages of https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/, as the application sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.media.asterisk import CODECS, MAX_MARKS, AsteriskProtocol
from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    FlowControl,
    Handshake,
    MarkReached,
    MediaEvent,
    Message,
    Reply,
    Started,
)
from adapters.media.codecs import ulaw_to_pcm
from models.errors import MediaProtocolError

# What Asterisk 22.10 sent to a media WebSocket that it had dialled (pbx facts, B8).
QUERY = {"session": "1761245643.0", "from": "+15551230001", "to": "100"}
DIALLED = Handshake(
    url="ws://127.0.0.1/media?session=1761245643.0&from=%2B15551230001&to=100",
    path="/media",
    query=QUERY,
    headers={"connection": "Upgrade", "host": "127.0.0.1", "sec-websocket-version": "13", "upgrade": "websocket"},
    subprotocols=["media"],
)
START: dict[str, Any] = {
    "event": "MEDIA_START",
    "connection_id": "media_connection1",
    "channel": "WebSocket/media_connection1/0x5140001a0040",
    "channel_id": "1761245643.1",
    "format": "ulaw",
    "optimal_frame_size": 160,
    "ptime": 20,
    "channel_variables": {"DIALEDPEERNUMBER": "media_connection1/c(ulaw)", "plan": "gold"},
}
PLAIN_START = (
    "MEDIA_START connection_id:media_connection1 channel:WebSocket/media_connection1/0x5140001a0040 "
    "channel_id:1761245643.1 format:ulaw optimal_frame_size:160 ptime:20"
)


def start(**changes: Any) -> str:
    return json.dumps({**START, **changes})


def started(message: str = "", handshake: Handshake = DIALLED) -> AsteriskProtocol:
    protocol = AsteriskProtocol.begin(handshake)
    protocol.receive(message or start())
    return protocol


def refused(protocol: AsteriskProtocol, message: Message) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


def test_a_call_with_json() -> None:
    protocol = AsteriskProtocol.begin(DIALLED)
    parameters = {
        "channel": "WebSocket/media_connection1/0x5140001a0040",
        "DIALEDPEERNUMBER": "media_connection1/c(ulaw)",
        "plan": "gold",
    }
    assert protocol.receive(start()) == [
        Started("media_connection1", "1761245643.1", "", 8000, parameters, "+15551230001", "100"),
        Reply(('{"command": "ANSWER"}',)),
    ]
    assert protocol.receive(b"\xff\x7f\x00") == [AudioReceived(ulaw_to_pcm(b"\xff\x7f\x00"))]
    channel = {"channel_id": "1761245643.1"}
    events: list[tuple[dict[str, Any], list[MediaEvent]]] = [
        ({"event": "DTMF_END", "digit": "#"}, [DtmfReceived("#")]),
        ({"event": "MEDIA_MARK_PROCESSED", "correlation_id": "m1"}, [MarkReached("m1")]),
        ({"event": "MEDIA_XOFF"}, [FlowControl(paused=True)]),
        ({"event": "MEDIA_XON"}, [FlowControl(paused=False)]),
        ({"event": "QUEUE_DRAINED"}, []),
        ({"event": "MEDIA_BUFFERING_COMPLETED", "correlation_id": ""}, []),
        ({"event": "STATUS", "queue_length": 43, "xon_level": 800, "media_paused": False}, []),
    ]
    for document, expected in events:
        assert protocol.receive(json.dumps({**document, **channel})) == expected
    assert protocol.send_mark("m1") == ['{"command": "MARK_MEDIA", "correlation_id": "m1"}']
    assert protocol.send_clear() == ['{"command": "FLUSH_MEDIA"}']
    assert protocol.send_hangup() == ['{"command": "HANGUP"}']
    assert protocol.send_dtmf("1") == []


def test_a_call_with_plain_text() -> None:
    protocol = AsteriskProtocol.begin(DIALLED)
    first, answer = protocol.receive(PLAIN_START)
    assert isinstance(first, Started)
    assert (first.stream_id, first.call_id, first.from_, first.to) == (
        "media_connection1",
        "1761245643.1",
        "+15551230001",
        "100",
    )
    assert answer == Reply(("ANSWER",))
    for message, expected in (
        ("DTMF_END digit:5 channel_id:1761245643.1", [DtmfReceived("5")]),
        ("MEDIA_MARK_PROCESSED m1", [MarkReached("m1")]),
        ("MEDIA_XOFF", [FlowControl(paused=True)]),
        ("MEDIA_XON", [FlowControl(paused=False)]),
        ("QUEUE_DRAINED", []),
        ("STATUS channel_id:1.1 queue_length:43 xon_level:800 queue_full:false", []),
    ):
        assert protocol.receive(message) == expected
    assert protocol.send_mark("m1") == ["MARK_MEDIA m1"]
    assert protocol.send_clear() == ["FLUSH_MEDIA"]
    assert protocol.send_hangup() == ["HANGUP"]


def test_what_the_url_says_is_known_beside_the_channels_variables() -> None:
    handshake = Handshake(url="", path="", query={"plan": "silver", "lang": "de", "protocol": "asterisk", "to": "7"})
    [first, _] = AsteriskProtocol.begin(handshake).receive(start(channel_variables={"plan": "gold", "from": "+44"}))
    assert isinstance(first, Started)
    assert first.parameters == {"channel": START["channel"], "plan": "silver", "lang": "de", "from": "+44"}
    assert (first.from_, first.to) == ("+44", "7")


def test_before_22_7_the_channel_has_no_id() -> None:
    [first, _] = AsteriskProtocol().receive(PLAIN_START.replace("channel_id:1761245643.1 ", ""))
    assert isinstance(first, Started)
    assert first.call_id == START["channel"]


@pytest.mark.parametrize("codec", list(CODECS))
def test_every_codec(codec: str) -> None:
    kind = CODECS[codec]
    protocol = started(start(format=codec, optimal_frame_size=kind.frame_bytes))
    assert protocol.sample_rate_hz == kind.sample_rate_hz
    frame = b"\x00\x10" * (kind.sample_rate_hz // 50)
    [sent] = protocol.send_audio(frame)
    assert sent == kind.encode(frame)
    assert len(sent) == kind.frame_bytes == {"slin": 320, "slin16": 640}.get(codec, 160)
    # What is beyond a whole frame would be thrown away.
    assert [len(message) for message in protocol.send_audio(frame + b"\x00\x10")] == [kind.frame_bytes] * 2
    assert isinstance(sent, bytes)
    assert protocol.receive(sent) == [AudioReceived(kind.decode(sent))]


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "opus"},
        {"format": "slin48"},
        {"format": None},
        {"format": ["ulaw"]},
        {"optimal_frame_size": 159},
        {"optimal_frame_size": 0},
        {"optimal_frame_size": True},
        {"optimal_frame_size": "x"},
        {"optimal_frame_size": "9" * 5000},
        {"connection_id": ""},
        {"connection_id": 5},
        {"channel_variables": []},
        {"channel_variables": {"a": []}},
        {"channel": {}},
    ],
)
def test_a_wrong_start_is_fatal(wrong: dict[str, Any]) -> None:
    protocol = AsteriskProtocol()
    assert refused(protocol, start(**wrong))
    assert not refused(protocol, start())
    assert protocol.send_audio(bytes(320)) == []


def test_the_refusal_of_a_codec_names_those_that_are_taken() -> None:
    with pytest.raises(MediaProtocolError, match=r"ulaw, alaw or slin \(8000 Hz\), or slin16 \(16000 Hz\)"):
        AsteriskProtocol().receive(start(format="g722"))


@pytest.mark.parametrize("optimal", [160, 80, "80", None])
def test_frames_of_which_20_ms_is_a_multiple(optimal: object) -> None:
    fields = dict(START)
    if optimal is None:
        del fields["optimal_frame_size"]
    else:
        fields["optimal_frame_size"] = optimal
    assert started(json.dumps(fields)).send_audio(bytes(320)) == [b"\xff" * 160]


def test_audio_before_the_start_waits_for_it() -> None:
    protocol = AsteriskProtocol()
    for _ in range(3):
        assert protocol.receive(b"\x7f" * 160) == []
    events = protocol.receive(start())
    assert [type(event) for event in events] == [Started, Reply, AudioReceived, AudioReceived, AudioReceived]
    # A flood of it is bounded, and what does not fit the codec is worth nothing.
    protocol = AsteriskProtocol()
    for _ in range(1000):
        assert protocol.receive(bytes(639)) == []
    assert protocol.receive(bytes(2)) == []
    assert len(protocol.receive(start(format="slin16", optimal_frame_size=640))) <= 3
    protocol = AsteriskProtocol()
    for _ in range(1000):
        protocol.receive(bytes(160))
    heard = [event for event in protocol.receive(start()) if isinstance(event, AudioReceived)]
    assert sum(len(event.pcm) for event in heard) == 50 * 320


def test_half_samples_and_long_messages_are_dropped() -> None:
    protocol = started(start(format="slin", optimal_frame_size=320))
    for message in (b"\x00", bytes(321), bytes(65_536)):
        assert not refused(protocol, message)
    assert protocol.receive(b"") == []
    assert protocol.receive(bytes(320)) != []


@pytest.mark.parametrize("message", ["ERROR channel_id:1 error_text:x", '{"event":"ERROR","error_text":"x"}', "NEWS"])
def test_what_asterisk_complains_of_does_not_end_the_stream(message: str) -> None:
    protocol = started()
    assert not refused(protocol, message)
    assert protocol.receive(b"\xff") != []


@pytest.mark.parametrize("digit", ["", "12", "x", None, 5])
def test_a_key_that_is_none(digit: object) -> None:
    assert not refused(started(), json.dumps({"event": "DTMF_END", "digit": digit}))


def test_a_long_name_travels_as_a_short_one() -> None:
    protocol = started()
    long = "a name with spaces and 'x'" + "x" * 990
    [first], [second] = protocol.send_mark(long), protocol.send_mark("ключ")
    assert isinstance(first, str)
    assert max(len(first), len(second)) < 128
    ids = [json.loads(message)["correlation_id"] for message in (first, second)]
    assert len(set(ids)) == 2
    reached = {"event": "MEDIA_MARK_PROCESSED", "correlation_id": ids[1]}
    assert protocol.receive(json.dumps(reached)) == [MarkReached("ключ")]
    # Twice is not ours any more: what it stood for is forgotten.
    assert protocol.receive(json.dumps(reached)) == [MarkReached(ids[1])]
    for number in range(3 * MAX_MARKS):
        protocol.send_mark(f"mark {number}")
    assert len(protocol._marks) == MAX_MARKS
    assert protocol.receive(json.dumps({**reached, "correlation_id": ids[0]})) == [MarkReached(ids[0])]


@pytest.mark.parametrize("size", [1, 47, 48, 49, 200, 1024])
@pytest.mark.parametrize("message", [start(), PLAIN_START], ids=["json", "plain"])
def test_no_command_is_too_long_for_asterisk(size: int, message: str) -> None:
    [sent] = started(message).send_mark("x" * size)
    assert len(sent) <= 128


def test_what_it_recognises() -> None:
    assert AsteriskProtocol.matches_handshake(DIALLED)
    assert not AsteriskProtocol.matches_handshake(Handshake(url="", path="", query=QUERY))
    for message in (start(), PLAIN_START):
        assert AsteriskProtocol.matches_message(message)
    for other in ('{"event":"start"}', "MEDIA_STARTED", "{", b"MEDIA_START ", "x" * 70_000):
        assert not AsteriskProtocol.matches_message(other)
