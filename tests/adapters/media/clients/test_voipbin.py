from __future__ import annotations

import pytest

from adapters.media.clients.base import CallLeg, Clear, PlayAudio
from adapters.media.clients.voipbin import VoipbinClient
from adapters.media.voipbin import FLUSH, audio_message, parse, text_message
from models.errors import MediaProtocolError

LEG = CallLeg("s1", "s1", sample_rate_hz=16000)


def test_audio_leaves_in_frames_of_20_ms_with_rising_ids() -> None:
    client = VoipbinClient(LEG)
    messages = [*client.opening(), *client.send_audio(b"\x01\x02" * 700), *client.send_stop("ignored")]
    frames = [parse(message).audio for message in messages]
    assert [frame.id for frame in frames] == [1, 2, 3, 4]
    assert [len(frame.audio) for frame in frames] == [0, 640, 640, 640]
    assert b"".join(frame.audio for frame in frames) == b"\x01\x02" * 700 + bytes(520)
    assert {(frame.sample_rate, frame.num_channels) for frame in frames} == {(16000, 1)}
    assert client.send_stop() == []


def test_keys_and_marks_do_not_come_with_the_media() -> None:
    client = VoipbinClient(LEG)
    assert client.send_dtmf("5") == client.send_mark_reached("m") == []


def test_what_it_hears() -> None:
    client = VoipbinClient(LEG)
    assert client.receive(audio_message(1, b"\x01\x02", 16000)) == [PlayAudio(b"\x01\x02")]
    assert client.receive(text_message(FLUSH)) == [Clear()]
    assert client.receive(text_message("anything else")) == []


@pytest.mark.parametrize(
    "message", ["text", b"", b"\x00", audio_message(1, b"\x01\x02", 24000), audio_message(1, b"\x01", 16000)]
)
def test_what_it_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        VoipbinClient(LEG).receive(message)
