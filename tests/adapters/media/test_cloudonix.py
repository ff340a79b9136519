"""Twilio's messages, with what Cloudonix' start says more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkReached, Started, Stopped
from adapters.media.cloudonix import CloudonixProtocol
from adapters.media.codecs import ulaw_to_pcm
from adapters.media.registry import choose
from models.errors import MediaProtocolError

START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "accountSid": "acme.cloudonix.net",
        "callSid": "f1c6",
        "session": "c2b1d0",
        "from": "+15551230001",
        "to": "100",
        "context": "outbound-api",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"plan": "gold"},
    },
}
SIGNED = Handshake(url="wss://h/", path="/", headers={"x-twilio-signature": "x"})


def _start_with(**changes: Any) -> str:
    return json.dumps({**START, "start": {**START["start"], **changes}})


def test_a_call() -> None:
    protocol = CloudonixProtocol()
    assert protocol.receive('{"event":"connected","protocol":"Call","version":"1.0.0"}') == []
    [started] = protocol.receive(json.dumps(START))
    assert started == Started(
        stream_id="MZ1",
        call_id="c2b1d0",
        account_id="acme.cloudonix.net",
        sample_rate_hz=8000,
        parameters={"callSid": "f1c6", "context": "outbound-api", "plan": "gold"},
        from_="+15551230001",
        to="100",
    )
    media = {"event": "media", "sequenceNumber": "2", "streamSid": "MZ1", "media": {"track": "inbound", "chunk": "1"}}
    media["media"].update({"timestamp": "20", "payload": "/38A"})  # type: ignore[attr-defined]
    assert protocol.receive(json.dumps(media)) == [AudioReceived(ulaw_to_pcm(b"\xff\x7f\x00"), timestamp_ms=20)]
    assert protocol.receive('{"event":"dtmf","dtmf":{"digit":"5"}}') == [DtmfReceived("5")]
    assert protocol.receive('{"event":"mark","mark":{"name":"m"}}') == [MarkReached("m")]
    assert protocol.receive('{"event":"stop","stop":{}}') == [Stopped()]


def test_custom_parameters_keep_their_names() -> None:
    [started] = CloudonixProtocol().receive(_start_with(customParameters={"context": "mine"}, callSid=None))
    assert isinstance(started, Started)
    assert started.parameters == {"context": "mine"}


@pytest.mark.parametrize("session", [None, "", 5, [], "x" * 1025])
def test_a_start_without_a_session_is_fatal(session: object) -> None:
    protocol = CloudonixProtocol()
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(_start_with(session=session))
    assert caught.value.fatal
    assert protocol.send_audio(b"\x00\x00") == []


def test_what_it_recognises() -> None:
    assert choose(Handshake(url="wss://h/", path="/"), json.dumps(START)) is CloudonixProtocol
    assert not CloudonixProtocol.matches_handshake(SIGNED)
    twilio = {**START, "start": {name: value for name, value in START["start"].items() if name != "session"}}
    for other in (json.dumps(twilio), '{"event":"start","start":{"session":"s"}}', '{"event":"start"}', b"{}", "x"):
        assert not CloudonixProtocol.matches_message(other)
