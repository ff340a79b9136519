import pytest
from pipecat.frames.frames import TTSTextFrame
from pipecat.utils.text.base_text_aggregator import TextType

from pipelines.speech.spoken_answers import SpokenAnswers

FIRST_PTS = 5_000_000_000


def word(text: str, start_ms: int) -> TTSTextFrame:
    frame = TTSTextFrame(text, text_type=TextType.WORD)
    frame.pts = FIRST_PTS + start_ms * 1_000_000
    return frame


def sentence(text: str) -> TTSTextFrame:
    return TTSTextFrame(text, text_type=TextType.SENTENCE)


def heard(answers: SpokenAnswers, position_ms: float) -> list[str]:
    return [spoken.text for spoken in answers.heard_by(position_ms)]


def test_words_stand_where_the_voice_says() -> None:
    answers = SpokenAnswers()
    answers.begin(1_000)
    for text, start_ms in (("one", 0), ("two", 400)):
        answers.text(word(text, start_ms), 1_000)
    assert heard(answers, 1_149) == []
    assert heard(answers, 1_150) == ["one"]
    assert heard(answers, 1_549) == []
    assert heard(answers, 2_000) == ["two"]


def test_each_answer_has_its_own_beginning() -> None:
    """Voices count the time anew, or go on counting."""
    answers = SpokenAnswers()
    answers.begin(0)
    answers.text(word("one", 0), 500)
    first = answers.end(500)
    answers.begin(500)
    answers.text(word("two", 9_000), 500)
    assert heard(answers, 649) == ["one"]
    assert heard(answers, 650) == ["two"]
    assert first is not None
    assert list(answers.close(first)) == []


def test_a_sentence_is_spread_from_where_it_was_announced() -> None:
    answers = SpokenAnswers()
    answers.begin(0)
    answers.sentence_announced(100)
    answers.text(sentence("aaa bbb"), 900)
    answers.text(sentence("ccc"), 1_300)
    assert heard(answers, 499) == []
    assert heard(answers, 500) == ["aaa"]
    assert heard(answers, 900) == ["bbb"]
    assert heard(answers, 1_299) == []
    assert heard(answers, 1_300) == ["ccc"]


def test_text_that_is_not_for_the_conversation() -> None:
    answers = SpokenAnswers()
    frame = sentence("beside the point")
    frame.append_to_context = False
    answers.text(frame, 100)
    text = answers.end(100)
    assert text is not None
    assert list(answers.close(text)) == []


def test_text_without_a_beginning_makes_one() -> None:
    answers = SpokenAnswers()
    answers.text(word("one", 0), 700)
    assert answers.start_ms_at(800) == 700
    assert heard(answers, 850) == ["one"]


def test_at_its_end_every_word_of_an_answer_was_heard() -> None:
    answers = SpokenAnswers()
    answers.begin(0)
    answers.text(word("one", 0), 0)
    answers.text(word("late", 9_000), 0)
    text = answers.end(500)
    assert text is not None
    assert heard(answers, 500) == ["one"]
    assert [spoken.text for spoken in answers.close(text)] == ["late"]
    assert heard(answers, 99_999) == []
    assert list(answers.close(text)) == []


@pytest.mark.parametrize(("position_ms", "start_ms"), [(50, 0), (100, 100), (499, 100), (500, 500), (9_000, 500)])
def test_where_an_answer_began(position_ms: float, start_ms: float) -> None:
    answers = SpokenAnswers()
    answers.begin(100)
    answers.end(500)
    answers.begin(500)
    assert answers.start_ms_at(position_ms) == start_ms


def test_what_is_dropped_is_never_heard() -> None:
    answers = SpokenAnswers()
    answers.begin(0)
    answers.text(word("one", 0), 0)
    answers.clear()
    assert heard(answers, 9_000) == []
    assert answers.end(0) is None
    assert answers.start_ms_at(9_000) == 0
