from __future__ import annotations

import base64
import json

import pytest

from adapters.media.base import Handshake
from adapters.media.mod_audio_stream import ModAudioStreamProtocol


def _started(**query: str) -> ModAudioStreamProtocol:
    protocol = ModAudioStreamProtocol.begin(Handshake("ws://h/", "/", query))
    protocol.receive(b"")
    return protocol


def test_audio_goes_out_as_it_is() -> None:
    assert _started().send_audio(b"\x01\x00" * 160) == [b"\x01\x00" * 160]
    assert _started(playback="binary").send_audio(b"\xff\xff") == [b"\xff\xff"]


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_audio_goes_out_as_json_where_the_url_says_so(rate_hz: int) -> None:
    protocol = _started(playback="json", **{"sample-rate": str(rate_hz)})
    [message] = protocol.send_audio(b"\x01\x02" * 160)
    assert json.loads(message) == {
        "type": "streamAudio",
        "data": {
            "audioDataType": "raw",
            "sampleRate": rate_hz,
            "audioData": base64.b64encode(b"\x01\x02" * 160).decode(),
        },
    }


@pytest.mark.parametrize("playback", ["binary", "json"])
def test_no_message_is_so_long_that_the_connection_breaks(playback: str) -> None:
    protocol = _started(playback=playback, **{"sample-rate": "16000"})
    sent = protocol.send_audio(b"\x01\x02" * 16_000 * 3)
    assert len(sent) == 19
    assert max(map(len, sent)) < 8_192


def test_nothing_can_be_taken_back() -> None:
    protocol = _started()
    assert protocol.send_clear() == protocol.send_mark("m") == protocol.send_hangup() == []
    assert not ModAudioStreamProtocol.capabilities.flush
    assert ModAudioStreamProtocol.capabilities.look_ahead_ms <= 100


def test_it_must_be_named() -> None:
    assert not ModAudioStreamProtocol.matches_handshake(Handshake("ws://h/", "/", {"protocol": "x"}))
    for message in ("{}", "x", b"\x00\x00"):
        assert not ModAudioStreamProtocol.matches_message(message)
