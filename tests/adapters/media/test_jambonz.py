from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkReached, Started
from adapters.media.jambonz import JambonzProtocol
from models.errors import MediaProtocolError

# As documented: the verb's rate and mix, what jambonz says of every call, the application's own metadata.
ATTRIBUTES: dict[str, Any] = {
    "sampleRate": 16000,
    "mixType": "mono",
    "callSid": "4a7bbbaa-8e1c-4ddf-a6a7-2d5a2a3b0f6c",
    "direction": "inbound",
    "from": "+15551230001",
    "to": "100",
    "callId": "f0414693-bdb6-1239-6185-06d91d68c9b0",
    "sbcCallid": "f0414693",
    "sipStatus": 200,
    "callStatus": "in-progress",
    "callerId": "Jane",
    "accountSid": "fef61e75-cec3-496c-a7bc-8368e4d02a04",
    "applicationSid": "0e0681b0-d49f-4fb8-b973-b5a3c6758de1",
    "customerData": {"tier": "gold", "direction": "ours", "deep": {}},
    "sip": {"headers": {}},
}


def _started() -> JambonzProtocol:
    protocol = JambonzProtocol()
    protocol.receive(json.dumps(ATTRIBUTES))
    return protocol


def _fatal(protocol: JambonzProtocol, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


def test_a_documented_call() -> None:
    protocol = JambonzProtocol()
    [started] = protocol.receive(json.dumps(ATTRIBUTES))
    assert isinstance(started, Started)
    assert (started.stream_id, started.call_id) == (ATTRIBUTES["callSid"], ATTRIBUTES["callSid"])
    assert (started.account_id, started.sample_rate_hz) == (ATTRIBUTES["accountSid"], 16000)
    assert (started.from_, started.to) == ("+15551230001", "100")
    assert started.parameters["tier"] == "gold"
    assert started.parameters["direction"] == "inbound"
    assert started.parameters["sipStatus"] == "200"
    assert not {"sip", "deep", "customerData"} & started.parameters.keys()
    assert protocol.receive(b"\x01\x00") == [AudioReceived(b"\x01\x00")]
    assert protocol.receive('{"event":"dtmf","dtmf":"5","duration":"1600"}') == [DtmfReceived("5")]
    assert protocol.receive('{"type":"mark","data":{"name":"m","event":"cleared"}}') == [MarkReached("m")]
    assert protocol.receive('{"type":"playDone","data":{"id":"1"}}') == []


@pytest.mark.parametrize(
    "first",
    [
        b"\x00\x00",
        "words",
        "{}",
        json.dumps({key: value for key, value in ATTRIBUTES.items() if key != "callSid"}),
        json.dumps({key: value for key, value in ATTRIBUTES.items() if key != "sampleRate"}),
        json.dumps({**ATTRIBUTES, "sampleRate": 24000}),
        json.dumps({**ATTRIBUTES, "mixType": "stereo"}),
        json.dumps({**ATTRIBUTES, "callSid": "x" * 1025}),
        json.dumps({**ATTRIBUTES, "customerData": []}),
    ],
    ids=["audio", "words", "empty", "no-call", "no-rate", "24000", "stereo", "long-id", "odd-data"],
)
def test_a_wrong_first_message_is_fatal(first: str | bytes) -> None:
    protocol = JambonzProtocol()
    assert _fatal(protocol, first)
    assert not _fatal(protocol, json.dumps(ATTRIBUTES))
    assert protocol.send_audio(b"\x00\x00") == []


@pytest.mark.parametrize("text", ["words", "{}", "[]", '{"type":"other"}', '{"event":"dtmf","dtmf":"55"}'])
def test_other_text_is_dropped(text: str) -> None:
    protocol = _started()
    assert not _fatal(protocol, text)
    assert not _fatal(protocol, json.dumps(ATTRIBUTES))
    assert protocol.receive(b"\x01\x00") == [AudioReceived(b"\x01\x00")]


def test_the_hang_up_ends_the_verb() -> None:
    [message] = _started().send_hangup()
    assert json.loads(message) == {"type": "disconnect"}
    assert JambonzProtocol().send_hangup() == []


def test_what_it_recognises() -> None:
    assert JambonzProtocol.matches_handshake(Handshake("ws://h/", "/", subprotocols=("audio.jambonz.org",)))
    assert not JambonzProtocol.matches_handshake(Handshake("ws://h/", "/", subprotocols=("audio.drachtio.org",)))
    assert JambonzProtocol.matches_message(json.dumps(ATTRIBUTES))
    for key in ("callSid", "direction", "sampleRate", "mixType"):
        rest = {name: value for name, value in ATTRIBUTES.items() if name != key}
        assert not JambonzProtocol.matches_message(json.dumps(rest))
    for other in ('{"callSid":"1"}', '{"event":"start","start":{"callSid":"1"}}', "x", b"\x00\x00"):
        assert not JambonzProtocol.matches_message(other)
