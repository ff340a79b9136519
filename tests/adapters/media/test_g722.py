from __future__ import annotations

import math
import struct
import sys

import av
import pytest

from adapters.media import g722
from models.errors import InvalidField, MediaProtocolError

FRAME = 320


def _tone(samples: int, hz: float = 440.0) -> bytes:
    values = (int(8000 * math.sin(2 * math.pi * hz * at / g722.SAMPLE_RATE_HZ)) for at in range(samples))
    return struct.pack(f"<{samples}h", *values)


def test_a_frame_takes_half_a_byte_a_sample() -> None:
    coded = g722.encoder()(_tone(FRAME))
    assert len(coded) == FRAME // 2
    assert len(g722.decoder()(coded)) == FRAME * 2
    assert g722.encoder()(b"") == g722.decoder()(b"") == b""


def test_frames_of_a_stream_belong_together() -> None:
    pcm = _tone(FRAME * 10)
    whole = g722.encoder()(pcm)
    encode, decode = g722.encoder(), g722.decoder()
    frames = [encode(pcm[at : at + FRAME * 2]) for at in range(0, len(pcm), FRAME * 2)]
    assert b"".join(frames) == whole
    assert b"".join(map(decode, frames)) == g722.decoder()(whole)


def test_another_implementation_hears_the_same() -> None:
    coded = g722.encoder()(_tone(FRAME * 25))
    other = av.CodecContext.create("g722", "r")
    other.sample_rate, other.layout = g722.SAMPLE_RATE_HZ, "mono"
    heard = b"".join(frame.to_ndarray().tobytes() for frame in other.decode(av.Packet(coded)))
    assert g722.decoder()(coded) == heard


@pytest.mark.parametrize("pcm", [b"\x00", b"\x00" * 3, b"\x00" * 6])
def test_half_a_byte_is_not_made(pcm: bytes) -> None:
    with pytest.raises(InvalidField) as caught:
        g722.encoder()(pcm)
    assert caught.value.field == "pcm"


def test_where_it_is_not_installed_the_error_names_codec_and_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "G722", None)
    for make in (g722.encoder, g722.decoder):
        with pytest.raises(MediaProtocolError, match=r"G722.*'codecs'") as caught:
            make()
        assert caught.value.fatal
