from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.tts.espeak_engine import RATE_RANGE_WPM, SpokenWord, Utterance, shared_engine, words_of
from models.errors import InvalidField

TEXT = "Your number is 4711. Please hold - we are open, from 9 to 5!"


def say(text: str, voice: str = "en-us", rate_hz: int = 16_000, rate_wpm: int = 165) -> Utterance:
    return shared_engine().synthesize(text, voice, rate_hz, rate_wpm).result()


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 24_000, 48_000])
def test_speaks_at_any_rate(rate_hz: int) -> None:
    utterance = say(TEXT, rate_hz=rate_hz)
    samples = np.frombuffer(utterance.pcm, dtype="<i2").astype(float)
    assert utterance.sample_rate_hz == rate_hz
    assert utterance.duration_s == pytest.approx(say(TEXT).duration_s, rel=0.03)
    assert 5.0 < utterance.duration_s < 9.0
    assert 1000 < np.sqrt(np.mean(samples**2)) < 12_000
    assert abs(samples.mean()) < 100


def test_knows_when_each_word_is_heard() -> None:
    utterance = say(TEXT)
    starts = [word.start_s for word in utterance.words]
    assert [word.text for word in utterance.words] == TEXT.split()
    assert starts == sorted(starts)
    assert starts[0] < 0.1
    assert starts[-1] < utterance.duration_s
    # Four digits are read as one long number.
    assert starts[4] - starts[3] > 1.0


@pytest.mark.parametrize("voice", ["en-us", "en-gb", "EN-GB", "en-us+f3", "de", "en-us+m7"])
def test_speaks_with_voices_and_variants(voice: str) -> None:
    assert say("hello", voice).duration_s > 0.2


def test_voices_differ() -> None:
    assert say("hello there", "en-us").pcm != say("hello there", "en-us+f3").pcm


@pytest.mark.parametrize("voice", ["", "nobody", "en-us+nobody", "en-us+", "../en-us", "+f3", "en us"])
def test_refuses_unknown_voices(voice: str) -> None:
    with pytest.raises(InvalidField) as error:
        say("hello", voice)
    assert error.value.field == "voice"


def test_rate_is_words_per_minute() -> None:
    assert say(TEXT, rate_wpm=120).duration_s > 1.4 * say(TEXT, rate_wpm=220).duration_s
    for rate_wpm in (RATE_RANGE_WPM[0] - 1, RATE_RANGE_WPM[1] + 1):
        with pytest.raises(InvalidField) as error:
            say("hello", rate_wpm=rate_wpm)
        assert error.value.field == "rate_wpm"


def test_calls_share_the_engine_from_any_thread() -> None:
    with ThreadPoolExecutor(8) as callers:
        spoken = list(
            callers.map(lambda number: say(f"number {number}", "en-us" if number % 2 else "en-gb"), range(24))
        )
    assert [utterance.words[1].text for utterance in spoken] == [str(number) for number in range(24)]


def test_the_engine_outlives_a_refusal() -> None:
    with pytest.raises(InvalidField):
        say("hello", "nobody")
    assert say("hello").pcm


def test_lists_its_voices() -> None:
    voices = shared_engine().voices().result()
    assert {"en-us", "en-gb", "de"} <= set(voices)
    assert list(voices) == sorted(voices)
    for voice in voices[::20]:
        assert say("1", voice).pcm


@settings(max_examples=40)
@given(st.text(max_size=60))
def test_any_text_can_be_spoken(text: str) -> None:
    utterance = say(text)
    assert [word.text for word in utterance.words] == text.split()
    assert len(utterance.pcm) % 2 == 0


@given(st.lists(st.tuples(st.integers(0, 80), st.floats(0, 60)), max_size=30), st.text("ab ,-", max_size=60))
def test_words_stay_in_order_whatever_is_reported(marks: list[tuple[int, float]], text: str) -> None:
    words = words_of(text, sorted(marks))
    assert [word.text for word in words] == text.split()
    starts = [word.start_s for word in words]
    assert starts == sorted(starts)


def test_a_token_without_report_starts_with_the_one_before() -> None:
    assert words_of("a - b", [(0, 0.1), (4, 0.7)]) == (
        SpokenWord("a", 0.1),
        SpokenWord("-", 0.1),
        SpokenWord("b", 0.7),
    )


def test_a_token_takes_the_first_of_its_reports() -> None:
    assert words_of("well-known fact", [(0, 0.1), (5, 0.4), (11, 0.9)])[0].start_s == 0.1
    assert words_of("well-known fact", [(0, 0.1), (5, 0.4), (11, 0.9)])[1].start_s == 0.9
