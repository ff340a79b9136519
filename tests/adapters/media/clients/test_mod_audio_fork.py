from __future__ import annotations

import json

import pytest

from adapters.media.clients.base import CallLeg, Clear, Mark, PlayAudio
from adapters.media.clients.mod_audio_fork import ModAudioForkClient
from models.errors import MediaProtocolError

LEG = CallLeg("u1", "u1")


def _mark(name: str) -> str:
    return json.dumps({"type": "mark", "data": {"name": name}})


def test_marks_say_whether_they_were_reached() -> None:
    client = ModAudioForkClient(LEG)
    for name in ("a", "b"):
        assert client.receive(_mark(name)) == [Mark(name)]
    assert client.receive('{"type":"killAudio"}') == [Clear()]
    assert client.receive(_mark("c")) == [Mark("c")]
    said = [json.loads(str(client.send_mark_reached(name)[0])) for name in ("a", "b", "c")]
    assert said == [
        {"type": "mark", "data": {"name": "a", "event": "cleared"}},
        {"type": "mark", "data": {"name": "b", "event": "cleared"}},
        {"type": "mark", "data": {"name": "c", "event": "playout"}},
    ]


def test_a_31st_pending_mark_is_refused() -> None:
    client = ModAudioForkClient(LEG)
    for number in range(30):
        client.receive(_mark(f"m{number}"))
    with pytest.raises(MediaProtocolError):
        client.receive(_mark("m30"))
    client.send_mark_reached("m0")
    assert client.receive(_mark("m30")) == [Mark("m30")]


def test_what_it_hears() -> None:
    client = ModAudioForkClient(LEG)
    assert client.receive(b"\x01") == []
    assert client.receive(b"\x02\x03") == [PlayAudio(b"\x01\x02")]
    assert client.receive(b"\x04") == [PlayAudio(b"\x03\x04")]
    for command in ("disconnect", "transfer", "transcription", "error", "json"):
        assert client.receive(json.dumps({"type": command, "data": {}})) == []


@pytest.mark.parametrize(
    "message",
    [b"\x01\x00\xff\xff", bytes(65_538), "words", "{}", '{"type":"mark"}', '{"type":"clear"}', '{"type":"playAudio"}'],
    ids=lambda message: repr(message[:20]),
)
def test_what_the_module_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        ModAudioForkClient(LEG).receive(message)
