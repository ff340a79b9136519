from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.base import Handshake, MarkReached, Reply
from adapters.media.codecs import PCM_SAMPLE_BYTES
from adapters.media.mod_audio_fork import FRAME_MS, ModAudioForkProtocol, without_markers
from models.errors import MediaProtocolError


def _started(rate_hz: int = 8000) -> ModAudioForkProtocol:
    protocol = ModAudioForkProtocol()
    protocol.receive(json.dumps({"sampleRate": rate_hz}))
    return protocol


def test_what_it_recognises() -> None:
    offered = Handshake("ws://h/", "/", subprotocols=("x", "audio.drachtio.org"))
    assert ModAudioForkProtocol.matches_handshake(offered)
    assert not ModAudioForkProtocol.matches_handshake(Handshake("ws://h/", "/"))
    for message in ("{}", '{"callSid":"1","sampleRate":8000}', b"\x00\x00"):
        assert not ModAudioForkProtocol.matches_message(message)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_every_message_is_as_long_as_what_the_module_passes_on_at_once(rate_hz: int) -> None:
    protocol = _started(rate_hz)
    frame_bytes = rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
    # It passes audio on from 640 samples, times how much wider the stream is than the call.
    assert frame_bytes // PCM_SAMPLE_BYTES >= 640 * rate_hz // 8000
    for size in (2, frame_bytes - 2, frame_bytes, frame_bytes + 2, frame_bytes * 3):
        sent = protocol.send_audio(b"\x01" * size)
        assert {len(message) for message in sent} == {frame_bytes}
        audio = b"".join(message for message in sent if isinstance(message, bytes))
        assert audio.rstrip(b"\x00") == b"\x01" * size


@given(st.lists(st.one_of(st.integers(-3, 2), st.integers(-32768, 32767)), max_size=300))
def test_no_sample_has_the_value_of_a_mark(values: list[int]) -> None:
    pcm = b"".join(value.to_bytes(2, "little", signed=True) for value in values)
    expected = b"".join((0 if value == -1 else value).to_bytes(2, "little", signed=True) for value in values)
    assert without_markers(pcm) == expected
    sent = b"".join(message for message in _started().send_audio(pcm) if isinstance(message, bytes))
    assert sent[: len(pcm)] == expected


def test_audio_without_such_samples_is_not_copied() -> None:
    # Two such bytes that are halves of two samples are no mark.
    assert without_markers(b"\x00\xff\xff\x00") == b"\x00\xff\xff\x00"
    pcm = b"\x01\x02" * 640
    assert without_markers(pcm) is pcm


def test_marks_and_the_flush() -> None:
    protocol = _started()
    [mark] = protocol.send_mark("m1")
    assert json.loads(mark) == {"type": "mark", "data": {"name": "m1"}}
    [clear] = protocol.send_clear()
    assert json.loads(clear) == {"type": "killAudio"}
    for event in ("playout", "cleared"):
        message = {"type": "mark", "data": {"name": "m1", "event": event}}
        assert protocol.receive(json.dumps(message)) == [MarkReached("m1")]


def test_the_31st_mark_goes_out_when_one_comes_back() -> None:
    protocol = _started()
    assert sum(len(protocol.send_mark(f"m{number}")) for number in range(31)) == 30
    reached, reply = protocol.receive('{"type":"mark","data":{"name":"m0","event":"playout"}}')
    assert reached == MarkReached("m0")
    assert isinstance(reply, Reply)
    assert json.loads(reply.messages[0])["data"] == {"name": "m30"}


@pytest.mark.parametrize("data", [None, [], {}, {"name": ""}, {"name": 5}])
def test_a_broken_mark_is_dropped(data: object) -> None:
    protocol = _started()
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(json.dumps({"type": "mark", "data": data}))
    assert not caught.value.fatal


def test_disconnect_is_not_said_as_it_would_not_end_the_call() -> None:
    assert _started().send_hangup() == []
    assert not ModAudioForkProtocol.capabilities.hangup_in_band
