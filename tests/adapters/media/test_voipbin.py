"""Frames as https://github.com/voipbin/monorepo writes them; the bytes are those of the wire format by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame, TextFrame
from pipecat.serializers.protobuf import ProtobufFrameSerializer

from adapters.media.base import AudioReceived, Handshake, Started
from adapters.media.registry import choose
from adapters.media.voipbin import FLUSH, VoipbinProtocol, audio_message, text_message
from models.errors import MediaProtocolError

# Field 2 (audio) of a frame: id 1, audio, sample_rate 16000, num_channels 1.
AUDIO = bytes([0x12, 0x0D, 0x08, 0x01, 0x1A, 0x04, 0x01, 0x02, 0x03, 0x04, 0x20, 0x80, 0x7D, 0x28, 0x01])
EMPTY_AUDIO = bytes([0x12, 0x07, 0x08, 0x02, 0x20, 0x80, 0x7D, 0x28, 0x01])
TEXT = bytes([0x0A, 0x04, 0x1A, 0x02]) + b"hi"
QUERY = {"session": "s1", "from": "+1", "to": "2", "protocol": "voipbin", "plan": "gold"}
BARE = Handshake(url="wss://h/", path="/")
STARTED = Started("s1", "s1", "", 16000, {"plan": "gold"}, "+1", "2")


def _begin(query: Mapping[str, str] = QUERY) -> VoipbinProtocol:
    return VoipbinProtocol.begin(Handshake(url="wss://h/", path="/", query=query))


def _refused(protocol: VoipbinProtocol, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


def test_the_first_audio_begins_the_stream_and_is_heard() -> None:
    protocol = _begin()
    assert protocol.sample_rate_hz == 0
    assert protocol.receive(AUDIO) == [STARTED, AudioReceived(b"\x01\x02\x03\x04")]
    assert protocol.receive(AUDIO) == [AudioReceived(b"\x01\x02\x03\x04")]
    assert protocol.receive(EMPTY_AUDIO) == []


def test_another_frame_begins_the_stream_too() -> None:
    protocol = _begin()
    assert protocol.receive(TEXT) == [STARTED]
    assert protocol.receive(TEXT) == []
    assert protocol.receive(AUDIO) == [AudioReceived(b"\x01\x02\x03\x04")]


def test_without_a_query_nobody_is_known() -> None:
    assert _begin({}).receive(EMPTY_AUDIO) == [Started("", "", "", 16000)]


def test_what_is_sent() -> None:
    protocol = _begin()
    assert protocol.send_audio(b"\x01\x02\x03\x04") == protocol.send_clear() == []
    protocol.receive(EMPTY_AUDIO)
    assert protocol.send_audio(b"\x01\x02\x03\x04") == [AUDIO]
    assert protocol.send_clear() == [bytes([0x0A, 0x0D, 0x1A, 0x0B]) + b"FLUSH_MEDIA"]
    assert protocol.send_mark("m") == protocol.send_dtmf("1") == protocol.send_hangup() == []


async def test_pipecat_reads_what_is_sent_and_is_read() -> None:
    serializer = ProtobufFrameSerializer()
    protocol = _begin()
    protocol.receive(EMPTY_AUDIO)
    [sent] = protocol.send_audio(b"\x01\x02" * 320)
    heard = await serializer.deserialize(sent)
    assert isinstance(heard, InputAudioRawFrame)
    assert (heard.audio, heard.sample_rate, heard.num_channels) == (b"\x01\x02" * 320, 16000, 1)
    [flush] = protocol.send_clear()
    text = await serializer.deserialize(flush)
    assert isinstance(text, TextFrame)
    assert text.text == FLUSH
    said = await serializer.serialize(OutputAudioRawFrame(b"\x03\x04" * 320, 16000, 1))
    assert isinstance(said, bytes)
    assert protocol.receive(said) == [AudioReceived(b"\x03\x04" * 320)]


def test_a_time_stamp_is_in_nanoseconds() -> None:
    protocol = _begin()
    protocol.receive(EMPTY_AUDIO)
    # Field 6 (pts), a varint of 20 000 000.
    stamped = bytes([0x12, AUDIO[1] + 5]) + AUDIO[2:] + bytes([0x30, 0x80, 0xDA, 0xC4, 0x09])
    assert protocol.receive(stamped) == [AudioReceived(b"\x01\x02\x03\x04", timestamp_ms=20)]


@pytest.mark.parametrize("rate_hz", [0, 24000, 44100, 48000])
def test_other_rates_are_fatal_at_the_beginning(rate_hz: int) -> None:
    protocol = _begin()
    with pytest.raises(MediaProtocolError, match="8000 or 16000 Hz") as caught:
        protocol.receive(audio_message(1, b"\x00\x00", rate_hz))
    assert caught.value.fatal
    assert not _refused(protocol, AUDIO)


def test_two_channels_and_half_samples() -> None:
    stereo = AUDIO[:-1] + b"\x02"
    odd = audio_message(1, b"\x00" * 3, 16000)
    assert _refused(_begin(), stereo)
    assert _refused(_begin(), odd)
    protocol = _begin()
    protocol.receive(AUDIO)
    for wrong in (stereo, odd, audio_message(1, b"\x00\x00", 8000)):
        assert not _refused(protocol, wrong)
    assert len(protocol.receive(AUDIO)) == 1


@pytest.mark.parametrize("query", [{"session": "\x00"}, {"from": "x" * 1025}, {"plan": "\ud800"}])
def test_a_query_that_is_no_text_is_fatal(query: dict[str, str]) -> None:
    assert _refused(_begin(query), AUDIO)


def test_what_it_recognises() -> None:
    assert choose(BARE, AUDIO) is VoipbinProtocol
    assert choose(BARE, EMPTY_AUDIO) is VoipbinProtocol
    assert not VoipbinProtocol.matches_handshake(BARE)
    stereo, fast = AUDIO[:-1] + b"\x02", audio_message(1, b"\x00\x00", 24000)
    for other in (TEXT, text_message(FLUSH), stereo, fast, AUDIO[:-1], b"\x12" * 640, bytes(640), b"", "x"):
        assert not VoipbinProtocol.matches_message(other)
