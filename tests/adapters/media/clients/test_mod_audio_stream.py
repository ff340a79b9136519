from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from adapters.media.clients.base import CallLeg, PlayAudio
from adapters.media.clients.mod_audio_stream import ModAudioStreamClient
from models.errors import MediaProtocolError

LEG = CallLeg("u1", "u1")
AUDIO = {"audioDataType": "raw", "sampleRate": 8000, "audioData": base64.b64encode(b"\x01\x02").decode()}


def test_both_forms_of_audio() -> None:
    client = ModAudioStreamClient(LEG)
    assert client.query == {"sample-rate": "8000", "protocol": "mod_audio_stream"}
    assert client.receive(b"\x01\x02") == [PlayAudio(b"\x01\x02")]
    assert client.receive(json.dumps({"type": "streamAudio", "data": AUDIO})) == [PlayAudio(b"\x01\x02")]


@pytest.mark.parametrize(
    "changes",
    [{"audioDataType": "mp3"}, {"sampleRate": 16000}, {"audioData": "a"}, {"audioData": ""}, {"audioData": "AA=="}],
)
def test_audio_that_cannot_be_played(changes: dict[str, Any]) -> None:
    with pytest.raises(MediaProtocolError):
        ModAudioStreamClient(LEG).receive(json.dumps({"type": "streamAudio", "data": {**AUDIO, **changes}}))


@pytest.mark.parametrize(
    "message",
    [b"", b"\x01", bytes(8_194), "{}", '{"type":"killAudio"}', "x" * 8_193],
    ids=lambda message: repr(message[:20]),
)
def test_what_the_module_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        ModAudioStreamClient(LEG).receive(message)
