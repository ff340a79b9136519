import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.speech.spoken_part import SpeakingRate, letters_in, without_letters, words_within

TEXT = "Hello, Dr. O'Neil! It's 10 o'clock."


def test_letters_and_digits_count() -> None:
    assert letters_in("It's 10, é!") == 6
    assert letters_in("") == 0


@pytest.mark.parametrize(
    ("count", "rest"),
    [
        (0, TEXT),
        (4, TEXT),
        (5, "Dr. O'Neil! It's 10 o'clock."),
        (7, "O'Neil! It's 10 o'clock."),
        (9, "O'Neil! It's 10 o'clock."),
        (letters_in(TEXT), ""),
        (1000, ""),
    ],
)
def test_what_is_left_begins_with_a_whole_word(count: int, rest: str) -> None:
    assert without_letters(TEXT, count) == rest


def test_whole_words_that_fit() -> None:
    assert words_within(TEXT, 9) == "Hello, Dr."
    assert words_within(TEXT, 4) == ""
    assert words_within(TEXT, 1000) == TEXT


@given(st.text(), st.integers(0, 50))
def test_nothing_is_lost_between_the_two(text: str, count: int) -> None:
    spoken, rest = words_within(text, count), without_letters(text, count)
    assert letters_in(spoken) + letters_in(rest) == letters_in(text)
    assert letters_in(spoken) <= count


def test_the_rate_of_ordinary_speech_until_it_is_known() -> None:
    rate = SpeakingRate()
    assert rate.letters(750) == 10
    rate.learn(5, 5000)
    rate.learn(100, 0)
    assert rate.letters(750) == 10


def test_the_rate_is_learnt() -> None:
    rate = SpeakingRate()
    rate.learn(20, 1000)
    rate.learn(20, 3000)
    assert rate.letters(1000) == 10
