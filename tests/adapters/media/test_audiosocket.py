"""The frames of https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/, as the server sees them."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.audiosocket_id import audiosocket_call_id
from adapters.media.audiosocket import AudioSocketProtocol, Framer, frame, read_uuid
from adapters.media.base import AudioReceived, DtmfReceived, Handshake, Message, Started, Stopped
from models.errors import MediaProtocolError

ID = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
UUID_FRAME = b"\x01\x00\x10" + ID.bytes
AUDIO = b"\x10\x01\x40" + b"\x00\x10" * 160
WIDE = b"\x12\x02\x80" + b"\x00\x10" * 320


def started(audio: bytes = AUDIO) -> AudioSocketProtocol:
    protocol = AudioSocketProtocol()
    protocol.receive(UUID_FRAME)
    protocol.receive(audio)
    return protocol


def refused(protocol: AudioSocketProtocol, message: Message) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


@pytest.mark.parametrize(("audio", "rate_hz"), [(AUDIO, 8000), (WIDE, 16000)])
def test_a_call(audio: bytes, rate_hz: int) -> None:
    protocol = AudioSocketProtocol()
    assert protocol.receive(UUID_FRAME) == []
    assert protocol.sample_rate_hz == 0
    pcm = audio[3:]
    # The UUID lets its bearer in, so it does not go on as an id.
    call_id = audiosocket_call_id(read_uuid(UUID_FRAME))
    assert protocol.receive(audio) == [Started("", call_id, "", rate_hz), AudioReceived(pcm)]
    assert protocol.sample_rate_hz == rate_hz
    assert protocol.receive(audio) == [AudioReceived(pcm)]
    assert protocol.receive(b"\x03\x00\x01#") == [DtmfReceived("#")]
    assert protocol.send_audio(pcm) == [audio]
    assert protocol.send_audio(pcm + b"\x00\x10") == [audio, audio[:3] + b"\x00\x10" + bytes(len(pcm) - 2)]
    assert protocol.send_mark("m") == protocol.send_clear() == []
    assert protocol.send_hangup() == [b"\x00\x00\x00"]
    assert protocol.receive(b"\x00\x00\x00") == [Stopped("hangup")]
    assert protocol.send_hangup() == []


@pytest.mark.parametrize("message", [AUDIO, b"\x00\x00\x00", b"\x03\x00\x015", b"\x01\x00\x0f" + bytes(15)])
def test_the_uuid_comes_first(message: bytes) -> None:
    protocol = AudioSocketProtocol()
    assert refused(protocol, message)
    assert not refused(protocol, UUID_FRAME)


@pytest.mark.parametrize("kind", [0x11, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18])
def test_other_rates_are_refused_by_name(kind: int) -> None:
    protocol = AudioSocketProtocol()
    protocol.receive(UUID_FRAME)
    with pytest.raises(MediaProtocolError, match=r"8000 Hz \(slin\) or 16000 Hz \(slin16\)") as caught:
        protocol.receive(frame(kind, bytes(640)))
    assert caught.value.fatal


def test_the_rate_may_not_change() -> None:
    assert refused(started(), WIDE)
    assert refused(started(WIDE), AUDIO)


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x02"])
def test_an_error_ends_the_stream(payload: bytes) -> None:
    assert refused(started(), frame(0xFF, payload))
    assert started().receive(frame(0xFF, b"\x01")) == [Stopped("hangup")]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x10\x01",
        b"\x10\x01\x41" + bytes(320),
        b"\x10\x00\x00",
        b"\x10\x00\x03" + bytes(3),
        b"\x03\x00\x01x",
        b"\x03\x00\x02" + b"12",
        b"\x03\x00\x00",
        b"\x03\x00\x01\xff",
        b"\x02\x00\x00",
        b"\x77\x00\x01x",
        UUID_FRAME,
        "text",
    ],
)
def test_what_has_no_meaning_is_dropped(message: Message) -> None:
    protocol = started()
    assert not refused(protocol, message)
    assert protocol.receive(AUDIO) != []


@pytest.mark.parametrize("message", [b"\x03\x00\x015", b"\x10\x00\x00", b"\x10\x00\x01x", b"\x77\x00\x00"])
def test_what_comes_before_the_audio_is_dropped(message: bytes) -> None:
    protocol = AudioSocketProtocol()
    protocol.receive(UUID_FRAME)
    assert not refused(protocol, message)
    assert protocol.receive(AUDIO)[1:] == [AudioReceived(AUDIO[3:])]


def test_it_has_a_port_of_its_own() -> None:
    assert not AudioSocketProtocol.matches_message(UUID_FRAME)
    assert not AudioSocketProtocol.matches_handshake(Handshake(url="", path=""))


def test_the_first_frame() -> None:
    assert read_uuid(UUID_FRAME) == ID
    for other in (AUDIO, b"", UUID_FRAME + b"x", UUID_FRAME[:-1], frame(0x02, bytes(16)), b"\x01\x00\x11" + bytes(16)):
        with pytest.raises(MediaProtocolError):
            read_uuid(other)


FRAMES = st.lists(st.builds(frame, st.integers(0, 255), st.binary(max_size=400)), max_size=6)


@given(FRAMES, st.lists(st.integers(1, 300), max_size=40))
def test_frames_are_cut_out_of_whatever_pieces_come(frames: list[bytes], sizes: list[int]) -> None:
    sent, framer, got = b"".join(frames), Framer(), []
    for size in sizes:
        got += framer.feed(sent[:size])
        sent = sent[size:]
    got += framer.feed(sent)
    assert got == frames
    assert all(type(it) is bytes for it in got)


def test_a_frame_may_come_byte_by_byte() -> None:
    framer, whole = Framer(), frame(0x10, bytes(65_535))
    got = [it for at in range(len(whole)) for it in framer.feed(whole[at : at + 1])]
    assert got == [whole]
    assert framer.feed(b"") == []
