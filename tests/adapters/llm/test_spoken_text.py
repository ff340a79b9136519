import pytest

from adapters.llm.spoken_text import SpokenText


def spoken(pieces: list[str]) -> str:
    text = SpokenText()
    return "".join([*(text.visible(piece) for piece in pieces), text.rest()])


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["Hello", " there."], "Hello there."),
        (["<", "think", ">Well", " now.</th", "ink>", "\n\nYes."], "\n\nYes."),
        (["<think>Well.</think>\n\nYes", "."], "Yes."),
        (["\n<think>\n\n</think>Yes."], "Yes."),
        (["<think>never ending"], ""),
        (["<thi"], "<thi"),
        (["<this> is said"], "<this> is said"),
        (["A <think> later</think> is said"], "A <think> later</think> is said"),
        (["2 < 3"], "2 < 3"),
        ([], ""),
        (["", "", "Hi."], "Hi."),
    ],
)
def test_thoughts_at_the_beginning_are_not_said(pieces: list[str], said: str) -> None:
    assert spoken(pieces) == said


@pytest.mark.parametrize("at", range(1, 30))
def test_a_thought_may_be_cut_anywhere(at: int) -> None:
    whole = "<think>One, two.</think>Three."
    assert spoken([whole[:at], whole[at:]]) == "Three."


def test_what_is_said_comes_at_once() -> None:
    text = SpokenText()
    assert [text.visible(piece) for piece in ("", "Hello", " there", ".")] == ["", "Hello", " there", "."]


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["Rain \ud83c", "\udf27!"], "Rain \U0001f327!"),
        (["\ud83c", "", "\udf27"], "\U0001f327"),
        (["whole \ud83c\udf27"], "whole \U0001f327"),
        (["half \ud83c"], "half \ufffd"),
        (["half \ud83c", "!"], "half \ufffd!"),
    ],
)
def test_halves_of_a_character_are_joined(pieces: list[str], said: str) -> None:
    assert spoken(pieces) == said
    assert said.encode()
