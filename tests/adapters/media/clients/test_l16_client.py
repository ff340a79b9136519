from __future__ import annotations

import json

import pytest

from adapters.media.clients.base import CallLeg
from adapters.media.clients.l16_client import L16Client
from adapters.media.clients.mod_audio_fork import ModAudioForkClient
from adapters.media.clients.mod_audio_stream import ModAudioStreamClient
from models.errors import InvalidField

LEG = CallLeg("u1", "u1", "AC1", from_="+1", to="100", parameters={"plan": "gold"})
EACH = pytest.mark.parametrize("client", [ModAudioForkClient, ModAudioStreamClient], ids=lambda it: it.name)


@EACH
def test_a_stream_as_the_module_sends_it(client: type[L16Client]) -> None:
    stream = client(LEG)
    assert stream.query["sample-rate"] == "8000"
    [metadata] = stream.opening()
    assert json.loads(metadata) == {
        "sampleRate": 8000,
        "mixType": "mono",
        "callSid": "u1",
        "accountSid": "AC1",
        "from": "+1",
        "to": "100",
        "plan": "gold",
    }
    assert stream.send_audio(b"\x01\x00" * 400) == [b"\x01\x00" * 160] * 2
    assert json.loads(str(stream.send_dtmf("5")[0])) == {"event": "dtmf", "dtmf": "5", "duration": 1600}
    assert stream.send_stop("bye") == [(b"\x01\x00" * 80).ljust(320, b"\x00")]
    assert stream.send_stop() == []


@EACH
@pytest.mark.parametrize(("metadata", "opening"), [("", []), ("any words", ["any words"])])
def test_the_operator_chooses_the_metadata(client: type[L16Client], metadata: str, opening: list[str]) -> None:
    assert client(LEG, metadata).opening() == opening


@EACH
def test_rates(client: type[L16Client]) -> None:
    assert [len(frame) for frame in client(CallLeg("u", "u", sample_rate_hz=16000)).send_audio(bytes(640))] == [640]
    with pytest.raises(InvalidField):
        client(CallLeg("u", "u", sample_rate_hz=24000))
