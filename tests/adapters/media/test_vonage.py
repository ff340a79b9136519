"""The messages of https://developer.vonage.com/en/voice/voice-api/concepts/websockets, as the server sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkReached, Started, Stopped
from adapters.media.vonage import VonageProtocol
from models.errors import MediaProtocolError


def connected(content_type: object = "audio/l16;rate=16000", **headers: Any) -> str:
    return json.dumps({"event": "websocket:connected", "content-type": content_type, **headers})


def started(rate_hz: int = 16000) -> VonageProtocol:
    protocol = VonageProtocol()
    protocol.receive(connected(f"audio/l16;rate={rate_hz}"))
    return protocol


def refused(protocol: VonageProtocol, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


def test_a_documented_call() -> None:
    protocol = VonageProtocol()
    headers = {"prop1": "value1", "prop2": "value2"}
    assert protocol.receive(connected(**headers)) == [Started("", "", "", 16000, headers)]
    assert protocol.receive(b"\x01\x00" * 320) == [AudioReceived(b"\x01\x00" * 320)]
    assert protocol.receive('{"event":"websocket:dtmf","digit":"5","duration":260}') == [DtmfReceived("5")]
    assert protocol.receive('{"event":"websocket:notify","payload":{"name":"m7"}}') == [MarkReached("m7")]
    assert protocol.receive('{"event":"websocket:cleared"}') == []


def test_what_is_sent() -> None:
    protocol = started(8000)
    [mark] = protocol.send_mark('a "label"')
    assert json.loads(mark) == {"action": "notify", "payload": {"name": 'a "label"'}}
    [clear] = protocol.send_clear()
    assert json.loads(clear) == {"action": "clear"}
    assert protocol.send_dtmf("1") == protocol.send_hangup() == []


@pytest.mark.parametrize(("rate_hz", "frame_bytes"), [(8000, 320), (16000, 640)])
def test_every_message_of_audio_holds_20_ms(rate_hz: int, frame_bytes: int) -> None:
    protocol = started(rate_hz)
    pcm = b"\x01\x02" * (frame_bytes // 2)
    assert protocol.send_audio(pcm) == [pcm]
    assert protocol.send_audio(pcm + b"\x01\x02") == [pcm, b"\x01\x02" + bytes(frame_bytes - 2)]


def test_the_headers_say_which_call_it_is() -> None:
    headers = {"uuid": "63f61863", "call_uuid": "other", "from": "+15551230001", "to": "100", "vip": True, "n": 5}
    nested = {"plan": {"name": "gold"}, "none": None}
    [event] = VonageProtocol().receive(connected("audio/L16; rate=8000", **headers, **nested))
    assert isinstance(event, Started)
    assert (event.stream_id, event.call_id, event.from_, event.to) == ("63f61863", "63f61863", "+15551230001", "100")
    assert event.sample_rate_hz == 8000
    assert event.parameters == {**headers, "vip": "true", "n": "5"}
    [by_its_other_name] = VonageProtocol().receive(connected(call_uuid="c"))
    assert isinstance(by_its_other_name, Started)
    assert by_its_other_name.call_id == "c"


@pytest.mark.parametrize(
    "content_type",
    [
        "audio/l16;rate=24000",
        "audio/l16",
        "audio/l16;rate=",
        "audio/x-mulaw;rate=8000",
        "audio/l16;rate=8000;x",
        None,
        5,
    ],
)
def test_a_wrong_content_type_is_fatal(content_type: object) -> None:
    protocol = VonageProtocol()
    assert refused(protocol, connected(content_type))
    assert not refused(protocol, connected())
    assert protocol.send_audio(b"\0\0") == []


def test_the_rates_are_named() -> None:
    with pytest.raises(MediaProtocolError, match="8000 or 16000"):
        VonageProtocol().receive(connected("audio/l16;rate=24000"))


def test_the_audio_connector_says_goodbye() -> None:
    protocol = started()
    assert protocol.receive('{"event":"websocket:disconnected"}') == [Stopped()]
    assert not refused(protocol, bytes(640))
    assert refused(VonageProtocol(), '{"event":"websocket:disconnected"}')


def test_callers_audio_of_another_length_is_taken() -> None:
    protocol = started(8000)
    assert protocol.receive(bytes(160)) == [AudioReceived(bytes(160))]
    assert protocol.receive(b"") == []
    for wrong in (bytes(321), bytes(16_002)):
        assert not refused(protocol, wrong)
    assert not refused(protocol, '{"event":"websocket:media"}')


def test_what_it_recognises() -> None:
    assert not VonageProtocol.matches_handshake(
        Handshake(url="wss://h/", path="/", headers={"authorization": "Bearer x"})
    )
    assert VonageProtocol.matches_message(connected())
    for other in ('{"event":"connected"}', '{"event":"start","start":{"streamSid":"MZ1"}}', bytes(640), "x"):
        assert not VonageProtocol.matches_message(other)
