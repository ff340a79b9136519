from __future__ import annotations

import pytest

from adapters.media.encodings import ENCODINGS, L16, PCMA, PCMU, Encoding
from models.errors import InvalidField, MediaProtocolError

EACH = [(encoding, rate_hz) for encoding in ENCODINGS.values() for rate_hz in encoding.rates_hz]
PAYLOAD_BYTES = {"PCMU": 160, "PCMA": 160, "G722": 160}


@pytest.mark.parametrize(("encoding", "rate_hz"), EACH, ids=lambda value: getattr(value, "name", value))
def test_a_frame_goes_out_and_comes_back(encoding: Encoding, rate_hz: int) -> None:
    frame = b"\x00\x00" * (rate_hz // 50)
    payload = encoding.encoder(rate_hz)(frame)
    assert len(payload) == PAYLOAD_BYTES.get(encoding.name, len(payload))
    assert len(encoding.decoder(rate_hz)(payload)) == len(frame)


@pytest.mark.parametrize(("encoding", "rate_hz"), EACH, ids=lambda value: getattr(value, "name", value))
def test_half_a_sample_is_refused(encoding: Encoding, rate_hz: int) -> None:
    with pytest.raises(InvalidField):
        encoding.encoder(rate_hz)(b"\x00")


def test_l16_is_little_endian_and_whole() -> None:
    pcm = b"\x01\x02\xff\x7f"
    assert L16.encoder(16_000)(pcm) == L16.decoder(16_000)(pcm) == pcm
    with pytest.raises(MediaProtocolError) as caught:
        L16.decoder(16_000)(b"\x00")
    assert not caught.value.fatal


def test_silence_in_g711() -> None:
    assert PCMU.encoder(8_000)(b"\x00\x00") == b"\xff"
    assert PCMA.encoder(8_000)(b"\x00\x00") == b"\xd5"


def test_rows_are_found_by_their_rtp_names() -> None:
    assert list(ENCODINGS) == ["PCMU", "PCMA", "L16", "G722", "OPUS"]
    assert all(encoding.name == name for name, encoding in ENCODINGS.items())
