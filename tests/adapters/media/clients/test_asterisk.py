from __future__ import annotations

import json

import pytest

from adapters.media.asterisk_wire import Spelling
from adapters.media.base import Message
from adapters.media.clients.asterisk import AsteriskClient
from adapters.media.clients.base import CallLeg, Clear, Hangup, Mark, PlayAudio
from models.errors import InvalidField, MediaProtocolError

LEG = CallLeg("c1", "1.1", from_="+1", to="100", parameters={"plan": "gold"})
WIDE = CallLeg("c1", "1.1", sample_rate_hz=16000)


def client(leg: CallLeg = LEG, spelling: Spelling = Spelling.JSON) -> AsteriskClient:
    made = AsteriskClient(leg, spelling=spelling)
    made.receive("ANSWER" if spelling is Spelling.PLAIN else '{"command":"ANSWER"}')
    return made


def test_the_opening() -> None:
    [start] = AsteriskClient(LEG).opening()
    document = json.loads(start)
    assert document["channel_variables"] == {"from": "+1", "to": "100", "plan": "gold"}
    assert (document["format"], document["optimal_frame_size"]) == ("ulaw", 160)
    [start] = AsteriskClient(WIDE, spelling=Spelling.PLAIN).opening()
    assert start == (
        "MEDIA_START connection_id:c1 channel:WebSocket/c1/0x1 channel_id:1.1 format:slin16 "
        "optimal_frame_size:640 ptime:20"
    )


@pytest.mark.parametrize(("leg", "codec"), [(LEG, "slin16"), (LEG, "opus"), (WIDE, "ulaw")])
def test_a_codec_of_another_rate(leg: CallLeg, codec: str) -> None:
    with pytest.raises(InvalidField):
        AsteriskClient(leg, codec=codec)
    with pytest.raises(InvalidField):
        AsteriskClient(CallLeg("c1", "1.1", sample_rate_hz=24000))


def test_audio_leaves_in_whole_frames() -> None:
    it = client()
    assert it.send_audio(bytes(300)) == []
    [frame] = it.send_audio(bytes(40))
    assert len(frame) == 160
    assert it.send_stop() == [b"\xff" * 160]
    assert it.send_stop() == []


def test_commands() -> None:
    it = client(spelling=Spelling.PLAIN)
    assert it.receive("MARK_MEDIA m1") == [Mark("m1")]
    assert it.receive("FLUSH_MEDIA") == [Clear()]
    assert it.receive("HANGUP") == [Hangup()]
    assert client().receive('{"command":"MARK_MEDIA","correlation_id":"m1"}') == [Mark("m1")]


REFUSED: list[Message] = [b"", b"\xff", b"\xff" * 161, b"\xff" * 8160, "FLUSH_MEDIA", '{"command":"DANCE"}', "x" * 129]


@pytest.mark.parametrize("message", REFUSED, ids=lambda message: repr(message[:20]))
def test_what_asterisk_does_not_take(message: Message) -> None:
    with pytest.raises(MediaProtocolError):
        client().receive(message)


def test_nothing_is_played_before_the_answer() -> None:
    it = AsteriskClient(LEG)
    with pytest.raises(MediaProtocolError):
        it.receive(b"\xff" * 160)
    it.receive('{"command":"ANSWER"}')
    assert it.receive(b"\xff" * 320) == [PlayAudio(bytes(640))]
