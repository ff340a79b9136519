from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.codecs import ALAW_SILENCE, ULAW_SILENCE, alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from models.errors import InvalidField

# ITU-T G.711 table 2a: first code of each segment (positive values) and its quantised value, 14-bit.
G711_SEGMENTS = {
    0x80: 8031,
    0x8F: 4191,
    0x90: 3999,
    0x9F: 2079,
    0xA0: 1983,
    0xAF: 1023,
    0xB0: 975,
    0xBF: 495,
    0xC0: 471,
    0xCF: 231,
    0xD0: 219,
    0xDF: 99,
    0xE0: 93,
    0xEF: 33,
    0xF0: 30,
    0xFE: 2,
    0xFF: 0,
}


def _pcm(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "little", signed=True) for value in values)


def _values(pcm: bytes) -> list[int]:
    return [int.from_bytes(pcm[at : at + 2], "little", signed=True) for at in range(0, len(pcm), 2)]


def _g711_value(code: int) -> int:
    """The 14-bit value of a code, by the formula of the recommendation."""
    flipped = code ^ 0xFF
    segment, step = (flipped >> 4) & 7, flipped & 15
    magnitude = ((2 * step + 33) << segment) - 33
    return -magnitude if flipped & 0x80 else magnitude


def test_golden_values_of_the_recommendation() -> None:
    assert _values(ulaw_to_pcm(bytes(G711_SEGMENTS))) == [4 * value for value in G711_SEGMENTS.values()]
    negative = bytes(code & 0x7F for code in G711_SEGMENTS)
    assert _values(ulaw_to_pcm(negative)) == [-4 * value for value in G711_SEGMENTS.values()]


def test_every_code_expands_by_the_formula() -> None:
    assert _values(ulaw_to_pcm(bytes(range(256)))) == [4 * _g711_value(code) for code in range(256)]


def test_every_code_survives_but_negative_zero() -> None:
    codes = bytes(range(256))
    assert pcm_to_ulaw(ulaw_to_pcm(codes)) == codes.replace(b"\x7f", b"\xff")


def test_full_scale_is_clipped_and_silence_is_silence() -> None:
    assert pcm_to_ulaw(_pcm(32767, -32768, 0)) == b"\x80\x00" + ULAW_SILENCE
    assert ulaw_to_pcm(ULAW_SILENCE) == b"\x00\x00"


@given(st.lists(st.integers(-32124, 32124), min_size=1))
def test_round_trip_error_is_half_a_step(values: list[int]) -> None:
    for value, back in zip(values, _values(ulaw_to_pcm(pcm_to_ulaw(_pcm(*values)))), strict=True):
        fourteen_bits = value >> 2
        segment = (abs(fourteen_bits) + 33).bit_length() - 6
        assert abs(4 * fourteen_bits - back) <= 4 << segment


@given(st.binary())
def test_the_quantised_signal_is_stable(ulaw: bytes) -> None:
    once = ulaw_to_pcm(ulaw)
    assert ulaw_to_pcm(pcm_to_ulaw(once)) == once


def _alaw_value(code: int) -> int:
    """The 13-bit value of an A-law code, by the formula of the recommendation's table 1."""
    flipped = code ^ 0x55
    segment, step = (flipped >> 4) & 7, flipped & 15
    magnitude = 2 * step + 1 if segment == 0 else (2 * step + 33) << (segment - 1)
    return magnitude if flipped & 0x80 else -magnitude


def test_every_alaw_code_expands_by_the_formula_and_survives() -> None:
    codes = bytes(range(256))
    assert _values(alaw_to_pcm(codes)) == [8 * _alaw_value(code) for code in codes]
    assert pcm_to_alaw(alaw_to_pcm(codes)) == codes


def test_alaw_clips_and_has_no_zero() -> None:
    # Table 1a: the last codes of either sign, before the even bits are inverted 11111111 and 01111111.
    assert pcm_to_alaw(_pcm(32767, -32768, 0)) == bytes((0xFF ^ 0x55, 0x7F ^ 0x55)) + ALAW_SILENCE
    assert _values(alaw_to_pcm(ALAW_SILENCE)) == [8]


@pytest.mark.parametrize("compress", [pcm_to_ulaw, pcm_to_alaw])
def test_half_a_sample_is_refused(compress: Callable[[bytes], bytes]) -> None:
    with pytest.raises(InvalidField) as caught:
        compress(b"\x00\x00\x00")
    assert caught.value.field == "pcm"
