import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adapters.stt.lead_in import LEAD_IN_S, LONGEST_START_S, LeadIn, utterance_start

RATE_HZ = 16_000
PLAIN_S = 0.5


def sound(duration_s: float, level: int = 8000) -> np.ndarray:
    return (np.sin(np.arange(int(duration_s * RATE_HZ)) * 0.3) * level).astype("<i2")


def quiet(duration_s: float) -> np.ndarray:
    return np.zeros(int(duration_s * RATE_HZ), dtype="<i2")


def start_s(*parts: np.ndarray) -> float:
    pcm = np.concatenate(parts).tobytes()
    return utterance_start(pcm, RATE_HZ, confirmation_s=0.2, lead_in_s=0.3) / 2 / RATE_HZ


def test_speech_after_quiet_gets_the_plain_lead_in() -> None:
    assert start_s(quiet(1.0), sound(0.2)) == 1.2 - PLAIN_S


def test_a_word_before_a_short_stop_is_not_cut() -> None:
    first = start_s(quiet(0.5), sound(0.3), quiet(0.1), sound(0.35))
    assert 0.25 < first <= 0.31


def test_words_that_a_pause_parts_are_left_out() -> None:
    assert start_s(sound(0.4), quiet(0.6), sound(0.2)) == 1.2 - PLAIN_S


def test_noise_far_below_the_speech_is_quiet() -> None:
    assert start_s(sound(1.0, level=100), sound(0.2)) == 1.2 - PLAIN_S


def test_speech_without_a_beginning_is_taken_whole() -> None:
    assert start_s(sound(1.3)) == 0


def test_digital_silence_and_nothing_at_all_are_cut_like_speech() -> None:
    assert start_s(quiet(1.0)) == 1.0 - PLAIN_S
    assert start_s(quiet(0)) == 0


@given(st.binary(max_size=50_000), st.sampled_from([8000, 16_000, 24_000]))
def test_any_audio_has_a_start_on_a_sample_and_never_after_the_plain_one(pcm: bytes, rate_hz: int) -> None:
    pcm = pcm[: len(pcm) // 2 * 2]
    start = utterance_start(pcm, rate_hz, confirmation_s=0.2, lead_in_s=0.3)
    assert start % 2 == 0
    assert 0 <= start <= max(0, len(pcm) - 2 * int(PLAIN_S * rate_hz))


def test_what_is_kept_is_cut_once_however_it_came() -> None:
    pcm = np.concatenate([quiet(3.0), sound(0.2)]).tobytes()
    lead_in = LeadIn()
    for at in range(0, len(pcm), 2560):
        lead_in.add(pcm[at : at + 2560], RATE_HZ)
    assert lead_in.cut(RATE_HZ, 0.2) == pcm[-2 * int(PLAIN_S * RATE_HZ) :]
    assert lead_in.cut(RATE_HZ, 0.2) == b""


def test_a_long_silence_is_not_kept() -> None:
    lead_in = LeadIn()
    for _ in range(100):
        lead_in.add(sound(0.1).tobytes(), RATE_HZ)
    longest = 2 * (LONGEST_START_S + LEAD_IN_S)
    assert LONGEST_START_S < len(lead_in.cut(RATE_HZ, 60.0)) / 2 / RATE_HZ <= longest
