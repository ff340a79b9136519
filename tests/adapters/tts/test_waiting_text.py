import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tts.waiting_text import CHARS_PER_S, WaitingText


def test_a_text_comes_once_its_audio_has_come() -> None:
    waiting = WaitingText[str]()
    waiting.add("x" * int(CHARS_PER_S), "first")
    waiting.add("x" * int(CHARS_PER_S), "second")
    assert waiting.hear(0.9) == []
    assert waiting.hear(0.2) == ["first"]
    assert waiting.hear(0.5) == []
    assert waiting.rest() == ["second"]
    assert waiting.rest() == []


def test_much_audio_frees_several_texts() -> None:
    waiting = WaitingText[int]()
    for number in range(3):
        waiting.add("a word", number)
    assert waiting.hear(60) == [0, 1, 2]


@given(st.lists(st.text(max_size=40) | st.floats(0, 5, allow_nan=False), max_size=40))
def test_every_text_comes_once_and_in_order(steps: list[str | float]) -> None:
    waiting = WaitingText[int]()
    given_back: list[int] = []
    added = 0
    audio_s = 0.0
    texts: list[str] = []
    for step in steps:
        if isinstance(step, str):
            waiting.add(step, added)
            texts.append(step)
            added += 1
        else:
            audio_s += step
            given_back += waiting.hear(step)
            spoken_s = sum(len(text) for text in texts[: len(given_back)]) / CHARS_PER_S
            assert spoken_s <= audio_s or spoken_s == pytest.approx(audio_s)
    assert given_back + waiting.rest() == list(range(added))
