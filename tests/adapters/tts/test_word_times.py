import pytest

from adapters.tts.word_times import WrittenWords


@pytest.mark.parametrize(
    ("text", "told", "taken"),
    [
        ("Good morning, all.", ["Good", "morning", "all"], [["Good"], ["morning,"], ["all."]]),
        ("Good morning, all.", ["GOOD", "MORNING,", "ALL"], [["Good"], ["morning,"], ["all."]]),
        (
            "At five o'clock sharp.",
            ["At", "five", "o", "clock", "sharp"],
            [["At"], ["five"], ["o'clock"], [], ["sharp."]],
        ),
        ("Call 0800 now.", ["Call", "oh", "eight", "hundred", "now"], [["Call"], [], [], [], ["0800", "now."]]),
        ("Yes - no.", ["Yes", "no"], [["Yes"], ["-", "no."]]),
        ("Le fait-il?", ["Le", "fait", "il"], [["Le"], ["fait-il?"], []]),
        ("ah ah ah", ["ah", "ah", "ah"], [["ah"], ["ah"], ["ah"]]),
        ("صباح الخير، معكم", ["صباح", "الخير", "معكم"], [["صباح"], ["الخير،"], ["معكم"]]),
        ("Good day.", ["", "...", "Good"], [[], [], ["Good"]]),
        ("ice cream", ["icecream", "cream"], [["ice"], ["cream"]]),
    ],
)
def test_what_was_written_is_taken(text: str, told: list[str], taken: list[list[str]]) -> None:
    words = WrittenWords(text)
    assert [words.heard(word) for word in told] == taken


def test_a_word_far_ahead_is_another_one() -> None:
    words = WrittenWords("one two three four five six seven")
    assert words.heard("seven") == []
    assert words.heard("five") == ["one", "two", "three", "four", "five"]
    assert words.rest() == ["six", "seven"]
    assert words.rest() == []
    assert words.heard("six") == []
