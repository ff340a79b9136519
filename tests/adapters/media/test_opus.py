from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Iterator
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media import opus
from models.errors import InvalidField, MediaProtocolError


def _tone(samples: int, rate_hz: int, hz: float = 440.0) -> bytes:
    values = (int(8000 * math.sin(2 * math.pi * hz * at / rate_hz)) for at in range(samples))
    return struct.pack(f"<{samples}h", *values)


def _packets(rate_hz: int, frames: int = 50) -> list[bytes]:
    encode, frame = opus.encoder(rate_hz), rate_hz // 50
    pcm = _tone(frame * frames, rate_hz)
    return [encode(pcm[at : at + frame * 2]) for at in range(0, len(pcm), frame * 2)]


def _crossings(pcm: bytes) -> int:
    values = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    return sum(before < 0 <= after for before, after in pairwise(values))


@pytest.mark.parametrize("sent_hz", [8000, 16000])
@pytest.mark.parametrize("heard_hz", [8000, 16000])
def test_a_second_of_tone_survives_at_either_rate(sent_hz: int, heard_hz: int) -> None:
    packets = _packets(sent_hz)
    assert all(1 < len(packet) < 400 for packet in packets)
    decode = opus.decoder(heard_hz)
    heard = b"".join(map(decode, packets))
    assert len(heard) == heard_hz * 2
    assert abs(_crossings(heard[heard_hz // 5 :]) - 440 * 0.9) < 5


def test_another_implementation_hears_a_tone_too() -> None:
    other = av.CodecContext.create("opus", "r")
    other.sample_rate, other.layout = 48_000, "mono"
    samples = sum(frame.samples for packet in _packets(16_000) for frame in other.decode(av.Packet(packet)))
    assert abs(samples - 48_000) <= 960


@given(st.binary(max_size=200))
def test_whatever_comes_is_audio_or_an_error(packet: bytes) -> None:
    decode = opus.decoder(16_000)
    try:
        assert len(decode(packet)) % 2 == 0
    except MediaProtocolError as error:
        assert not error.fatal  # noqa: PT017 - both outcomes are right


def test_a_broken_packet_is_refused_and_the_next_one_heard() -> None:
    good, decode = _packets(16_000, 2), opus.decoder(16_000)
    assert len(decode(good[0])) == 640
    with pytest.raises(MediaProtocolError):
        decode(b"\xff")
    assert len(decode(good[1])) == 640
    assert decode(b"") == b""


@pytest.mark.parametrize("pcm", [b"", b"\x00", b"\x00" * 638, b"\x00" * 642])
def test_only_whole_frames_are_encoded(pcm: bytes) -> None:
    with pytest.raises(InvalidField) as caught:
        opus.encoder(16_000)(pcm)
    assert caught.value.field == "pcm"


@pytest.mark.parametrize("make", [opus.encoder, opus.decoder])
def test_rates_of_its_own_only(make: object) -> None:
    assert callable(make)
    with pytest.raises(InvalidField) as caught:
        make(44_100)
    assert caught.value.field == "sample_rate_hz"


@pytest.fixture
def without_libopus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(name: str) -> ctypes.CDLL:
        raise OSError(name)

    opus._library.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", refuse)
    yield
    opus._library.cache_clear()


@pytest.mark.usefixtures("without_libopus")
def test_where_it_is_not_installed_the_error_names_codec_and_extra() -> None:
    for make in (opus.encoder, opus.decoder):
        with pytest.raises(MediaProtocolError, match=r"OPUS.*'opus'") as caught:
            make(16_000)
        assert caught.value.fatal
