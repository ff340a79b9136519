from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkReached, Started, Stopped
from adapters.media.plain import PlainProtocol
from models.errors import MediaProtocolError

START: dict[str, Any] = {
    "event": "start",
    "sample_rate": 16000,
    "call_id": "c-1",
    "from": "+15551230001",
    "to": "100",
    "parameters": {"plan": "gold", "tries": 3},
}
WRONG_RATES: list[object] = [None, 0, 24000, 44100, "16000", 16000.0, True, []]


def _started(sample_rate_hz: int = 16000) -> PlainProtocol:
    protocol = PlainProtocol()
    protocol.receive(json.dumps({**START, "sample_rate": sample_rate_hz}))
    return protocol


def _refused(protocol: PlainProtocol, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


def test_a_documented_call() -> None:
    protocol = PlainProtocol()
    assert protocol.sample_rate_hz == 0
    parameters = {"plan": "gold", "tries": "3"}
    assert protocol.receive(json.dumps(START)) == [Started("c-1", "c-1", "", 16000, parameters, "+15551230001", "100")]
    assert protocol.sample_rate_hz == 16000
    assert protocol.receive(b"\x01\x02" * 320) == [AudioReceived(b"\x01\x02" * 320)]
    assert protocol.receive('{"event":"dtmf","digit":"5"}') == [DtmfReceived("5")]
    assert protocol.receive('{"event":"mark","name":"m1"}') == [MarkReached("m1")]
    assert protocol.receive('{"event":"stop","reason":"hangup"}') == [Stopped("hangup")]


def test_what_is_sent() -> None:
    protocol = _started()
    assert protocol.send_audio(b"\x01\x02") == [b"\x01\x02"]
    sent = [*protocol.send_mark("m1"), *protocol.send_clear(), *protocol.send_dtmf("12#"), *protocol.send_hangup()]
    assert [json.loads(message) for message in sent] == [
        {"event": "mark", "name": "m1"},
        {"event": "clear"},
        {"event": "dtmf", "digits": "12#"},
        {"event": "hangup"},
    ]


def test_only_the_rate_is_required_and_unknown_keys_are_ignored() -> None:
    protocol = PlainProtocol()
    assert protocol.receive('{"event":"start","sample_rate":8000,"colour":1}') == [Started("", "", "", 8000)]
    assert protocol.receive('{"event":"stop"}') == [Stopped("")]


@pytest.mark.parametrize(
    "change",
    [
        *({"sample_rate": rate} for rate in WRONG_RATES),
        {"call_id": 5},
        {"from": []},
        {"to": "x" * 1025},
        {"parameters": []},
        {"parameters": {"a": None}},
    ],
)
def test_a_wrong_start_is_fatal(change: dict[str, Any]) -> None:
    protocol = PlainProtocol()
    assert _refused(protocol, json.dumps({**START, **change}))
    assert not _refused(protocol, json.dumps(START))
    assert protocol.send_audio(b"\x00\x00") == []


@pytest.mark.parametrize("sample_rate_hz", [8000, 16000])
def test_audio_is_whole_samples_and_a_second_at_most(sample_rate_hz: int) -> None:
    protocol = _started(sample_rate_hz)
    second = b"\x01\x02" * sample_rate_hz
    assert protocol.receive(second) == [AudioReceived(second)]
    assert not _refused(protocol, second + b"\x01\x02")
    assert not _refused(protocol, b"\x01\x02\x03")
    assert protocol.receive(b"") == []
    assert protocol.receive(second) == [AudioReceived(second)]


@pytest.mark.parametrize(
    "early", [b"\x00\x00", b"", '{"event":"dtmf","digit":"5"}', '{"event":"mark","name":"m"}', '{"event":"stop"}']
)
def test_start_comes_first(early: str | bytes) -> None:
    assert _refused(PlainProtocol(), early)


@pytest.mark.parametrize("reason", [5, [], "x" * 1025, "\ud800", None])
def test_a_stop_counts_whatever_its_reason(reason: object) -> None:
    assert _started().receive(json.dumps({"event": "stop", "reason": reason})) == [Stopped("")]


def test_connected_is_not_a_verb_of_it() -> None:
    protocol = PlainProtocol()
    assert not _refused(protocol, '{"event":"connected"}')
    assert protocol.receive(json.dumps(START)) != []


def test_what_it_recognises() -> None:
    offered = Handshake(url="ws://h/", path="/", subprotocols=["chat", "aicall.plain.v1"])
    assert PlainProtocol.matches_handshake(offered)
    assert not PlainProtocol.matches_handshake(Handshake(url="ws://h/", path="/", subprotocols=["chat"]))
    assert PlainProtocol.matches_message(json.dumps(START))
    for other in ('{"event":"start","start":{"streamSid":"x"}}', '{"event":"connected"}', "x", b"\x00\x00"):
        assert not PlainProtocol.matches_message(other)
