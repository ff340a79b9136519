from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.speech.spoken_text import SpokenText, SpokenWord

WORDS = st.text("abcdefgh.", min_size=1, max_size=12)
SENTENCES = st.lists(st.lists(WORDS, min_size=1, max_size=6).map(" ".join), min_size=1, max_size=5)


def texts(words: Sequence[SpokenWord]) -> list[str]:
    return [word.text for word in words]


def heard(text: SpokenText, heard_ms: float) -> list[str]:
    return texts(list(text.heard_by(heard_ms)))


def test_a_sentence_is_spread_over_its_audio() -> None:
    text = SpokenText(1_000)
    text.sentence("aa bbbbb cc", audio_start_ms=1_000, audio_end_ms=2_200)
    # Twelve characters with the spaces behind the words: 100 ms each.
    assert heard(text, 1_299) == []
    assert heard(text, 1_301) == ["aa"]
    assert heard(text, 1_899) == []
    assert heard(text, 1_901) == ["bbbbb"]
    assert heard(text, 2_201) == ["cc"]
    assert heard(text, 9_000) == []


def test_text_that_comes_before_its_audio_is_estimated_until_the_end_is_known() -> None:
    text = SpokenText(0)
    text.sentence("one two", audio_start_ms=0, audio_end_ms=0)
    # 65 ms a character.
    assert heard(text, 259) == []
    assert heard(text, 261) == ["one"]
    text.finish(2_000)
    assert heard(text, 1_999) == []
    assert heard(text, 2_001) == ["two"]


def test_estimated_sentences_follow_one_another() -> None:
    text = SpokenText(0)
    text.sentence("one", audio_start_ms=0, audio_end_ms=0)
    text.sentence("two", audio_start_ms=0, audio_end_ms=0)
    text.sentence("three", audio_start_ms=5_000, audio_end_ms=5_000)
    assert heard(text, 261) == ["one"]
    assert heard(text, 521) == ["two"]
    assert heard(text, 5_000) == []
    assert heard(text, 5_391) == ["three"]


def test_estimates_are_set_right_in_proportion() -> None:
    text = SpokenText(0)
    text.sentence("aaa", audio_start_ms=0, audio_end_ms=0)
    text.sentence("bbb bbb bbb", audio_start_ms=0, audio_end_ms=0)
    text.finish(400)
    assert heard(text, 101) == ["aaa"]
    assert heard(text, 201) == ["bbb"]
    assert heard(text, 301) == ["bbb"]
    assert heard(text, 401) == ["bbb"]


def test_known_sentences_stay_where_they_are_when_the_end_comes() -> None:
    text = SpokenText(0)
    text.sentence("one", audio_start_ms=0, audio_end_ms=500)
    text.sentence("two", audio_start_ms=500, audio_end_ms=500)
    text.finish(2_500)
    assert heard(text, 501) == ["one"]
    assert heard(text, 2_499) == []
    assert heard(text, 2_501) == ["two"]


def test_timed_words_are_heard_shortly_after_they_begin() -> None:
    text = SpokenText(1_000)
    text.timed("Hello", word_start_ms=1_000, spaced=False)
    text.timed(" there", word_start_ms=1_400, spaced=True)
    assert heard(text, 1_149) == []
    assert list(text.heard_by(1_151)) == [SpokenWord("Hello", 1_150, spaced=False)]
    assert list(text.heard_by(1_549)) == []
    assert list(text.heard_by(1_551)) == [SpokenWord(" there", 1_550, spaced=True)]


def test_what_was_not_taken_is_the_rest() -> None:
    text = SpokenText(0)
    text.sentence("one two three", audio_start_ms=0, audio_end_ms=1_400)
    assert heard(text, 401) == ["one"]
    assert texts(list(text.rest())) == ["two", "three"]
    assert texts(list(text.rest())) == []


def test_nothing_said() -> None:
    text = SpokenText(0)
    text.sentence("   ", audio_start_ms=0, audio_end_ms=0)
    text.finish(100)
    assert texts(list(text.rest())) == []


@given(
    SENTENCES,
    st.lists(st.integers(0, 3_000), max_size=5),
    st.lists(st.floats(0, 20_000), max_size=6),
    st.integers(0, 15_000),
)
def test_what_was_heard_is_a_prefix_of_the_text(
    sentences: list[str], lengths_ms: list[int], moments_ms: list[float], end_ms: int
) -> None:
    """Also while estimates come and are set right, and never a word twice."""
    text, position_ms, taken = SpokenText(0), 0, list[str]()
    whole = " ".join(sentences).split()
    for index, sentence in enumerate(sentences):
        length_ms = lengths_ms[index] if index < len(lengths_ms) else 0
        text.sentence(sentence, audio_start_ms=position_ms, audio_end_ms=position_ms + length_ms)
        position_ms += length_ms
        if index < len(moments_ms):
            taken += heard(text, moments_ms[index])
            assert taken == whole[: len(taken)]
    text.finish(position_ms + end_ms)
    for moment_ms in moments_ms:
        taken += heard(text, moment_ms)
        assert taken == whole[: len(taken)]
    # Every word ends by the end of the audio.
    taken += heard(text, position_ms + end_ms + 0.001)
    assert taken == whole


@given(SENTENCES, st.integers(1, 20_000), st.floats(0, 1))
def test_words_are_heard_evenly(sentences: list[str], length_ms: int, part: float) -> None:
    whole = " ".join(sentences)
    text = SpokenText(500)
    for sentence in sentences:
        text.sentence(sentence, audio_start_ms=500, audio_end_ms=500)
    text.finish(500 + length_ms)
    words = heard(text, 500 + length_ms * part)
    # As many characters as time has passed, but for the word being spoken.
    characters = len(" ".join(words))
    total = len(whole) + 1
    assert characters <= total * part + 1
    rest = whole.split()[len(words) :]
    if rest:
        assert characters + len(rest[0]) + 2 >= total * part - 1


@given(st.lists(st.tuples(WORDS, st.integers(0, 400)), min_size=1, max_size=12), st.integers(0, 4_000))
def test_timed_words_do_not_depend_on_the_end(words: list[tuple[str, int]], heard_ms: int) -> None:
    text, position_ms, expected = SpokenText(0), 0, list[str]()
    for word, pause_ms in words:
        position_ms += pause_ms
        text.timed(word, word_start_ms=position_ms, spaced=False)
        if position_ms + 150 <= heard_ms:
            expected.append(word)
    text.finish(100_000)
    assert heard(text, heard_ms) == expected


@pytest.mark.parametrize("end_ms", [0, 1_000])
def test_the_end_may_come_twice(end_ms: int) -> None:
    text = SpokenText(0)
    text.sentence("one", audio_start_ms=0, audio_end_ms=0)
    text.finish(end_ms)
    text.finish(5_000)
    assert heard(text, end_ms + 1) == ["one"]
