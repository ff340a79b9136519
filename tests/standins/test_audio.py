"""Signatures can be told apart wherever they are heard, and the codecs agree with the standard library's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.standins.audio import ENCODINGS, decode, encode, identify, loudness, signature, tones

TEXTS = ["Hello there.", "We open at nine.", "Goodbye!", "Your table is booked for seven.", "Anything else?"]


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_recognised_from_the_middle_of_its_audio(text, rate_hz):
    pcm = signature(text, rate_hz)
    assert len(pcm) == 2 * (len(text) * rate_hz // 15)
    middle = pcm[len(pcm) // 4 // 2 * 2 :][: 2 * rate_hz // 5]
    assert identify(middle, rate_hz, TEXTS) == text


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_recognised_after_a_telephone_leg(text):
    pcm = decode(encode(signature(text, 8000), "mulaw"), "mulaw").tobytes()
    assert identify(pcm, 8000, TEXTS) == text


def test_silence_noise_and_other_texts_are_not_recognised():
    noise = np.random.default_rng(1).integers(-9000, 9000, 8000).astype("<i2").tobytes()
    assert identify(noise, 8000, TEXTS) is None
    assert identify(bytes(16000), 8000, TEXTS) is None
    assert identify(signature("something else", 8000), 8000, TEXTS) is None
    assert identify(signature("x", 8000), 8000, []) is None


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=50)
def test_a_signature_is_deterministic_audible_and_does_not_clip(text):
    pcm = np.frombuffer(signature(text, 8000), dtype="<i2")
    assert signature(f" {text} ", 8000) == signature(text, 8000)
    low_hz, high_hz = tones(text)
    assert 300 <= low_hz < 1000 < high_hz < 3000
    if text.strip():
        assert loudness(pcm) > 5000
        assert np.abs(pcm.astype(int)).max() < 32767
    else:
        assert len(pcm) == 0


@pytest.mark.parametrize(("encoding", "to_linear"), [("mulaw", "ulaw2lin"), ("alaw", "alaw2lin")])
def test_the_decoder_agrees_with_the_reference_for_every_code(encoding, to_linear):
    audioop = pytest.importorskip("audioop", reason="gone from the standard library in 3.13")
    codes = bytes(range(256))
    assert decode(codes, encoding).tobytes() == getattr(audioop, to_linear)(codes, 2)


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=64), st.sampled_from(ENCODINGS))
def test_a_decoded_level_encodes_to_itself(samples, encoding):
    once = decode(encode(np.array(samples, dtype="<i2").tobytes(), encoding), encoding)
    again = decode(encode(once.tobytes(), encoding), encoding)
    assert (once == again).all()


def test_texts_spread_over_the_tones():
    assert len({tones(f"text {n}") for n in range(300)}) > 200


def test_half_a_sample_at_the_end_is_dropped():
    assert decode(b"\x01\x00\xff", "linear16").tolist() == [1]
