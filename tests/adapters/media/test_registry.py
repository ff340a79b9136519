from __future__ import annotations

import pytest

from adapters.media import registry
from adapters.media.base import Handshake, MarkPolicy
from adapters.media.clients.plain import PlainClient
from adapters.media.plain import PlainProtocol
from adapters.media.twilio import TwilioProtocol
from models.errors import InvalidField, MediaProtocolError

BARE = Handshake(url="ws://h/ws/1/t", path="/ws/1/t")
SIGNED = Handshake(url="wss://h/ws/1/t", path="/ws/1/t", headers={"x-twilio-signature": "x"})
OFFERED = Handshake(url="ws://h/ws/1/t", path="/ws/1/t", subprotocols=["aicall.plain.v1"])
CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
TWILIO_START = '{"event":"start","start":{"streamSid":"MZ1"}}'
PLAIN_START = '{"event":"start","sample_rate":8000}'


def test_the_table() -> None:
    assert registry.PROTOCOLS["twilio"] is TwilioProtocol
    assert registry.CLIENTS["plain"] is PlainClient
    assert {(row.name, row.label, row.capabilities.marks) for row in registry.ROWS} >= {
        ("twilio", "Twilio Media Streams", MarkPolicy.ECHOED),
        ("plain", "AIcall plain PCM", MarkPolicy.ECHOED),
    }
    names = [row.name for row in registry.ROWS]
    assert list(registry.PROTOCOLS) == list(registry.CLIENTS) == names, "a name is taken once"


def test_by_name() -> None:
    assert registry.by_name("twilio") is TwilioProtocol
    assert registry.client_by_name("plain") is PlainClient
    for unknown in ("", "Twilio", "carrier-pigeon"):
        for lookup in (registry.by_name, registry.client_by_name):
            with pytest.raises(InvalidField) as caught:
                lookup(unknown)
            assert caught.value.field == "protocol"


def test_by_handshake() -> None:
    assert registry.detect_handshake(BARE) is None
    assert registry.detect_handshake(SIGNED) is TwilioProtocol
    assert registry.detect_handshake(OFFERED) is PlainProtocol


def test_by_first_message() -> None:
    assert registry.detect_message(CONNECTED) is None
    assert registry.detect_message(TWILIO_START) is TwilioProtocol
    assert registry.detect_message(PLAIN_START) is PlainProtocol
    for unknown in ("", "hello", "{}", b"\x00\x00", '{"event":"start"}', '{"event":"media"}', "[" * 60_000):
        with pytest.raises(MediaProtocolError) as caught:
            registry.detect_message(unknown)
        assert caught.value.fatal


def test_what_was_asked_for_beats_the_handshake_and_that_the_first_message() -> None:
    assert registry.choose(SIGNED, PLAIN_START, forced="plain") is PlainProtocol
    assert registry.choose(SIGNED, PLAIN_START) is TwilioProtocol
    assert registry.choose(BARE, PLAIN_START) is PlainProtocol
    assert registry.choose(OFFERED) is PlainProtocol
    assert registry.choose(BARE, forced="") is None
    assert registry.choose(BARE) is None
    with pytest.raises(InvalidField):
        registry.choose(BARE, CONNECTED, forced="nothing")
    assert registry.choose(BARE, CONNECTED) is None
    with pytest.raises(MediaProtocolError):
        registry.choose(BARE, "nothing")
