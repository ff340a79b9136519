# ruff: noqa: RUF001 - letters of other scripts are meant.
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.turns.overheard import Backchannels, is_echo, tokens

THE_HOURS = (
    "We are open on Monday, Tuesday and Thursday from eight in the morning until six in the evening. "
    "On Wednesday we open at ten and close at eight, so that you can come after work."
)
OURS = Backchannels(["okay", "I see", "mm-hm", "네"])

words = st.lists(st.sampled_from(["stop", "okay", "see", "I", "monday", "at", "ten", "work"]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" ... !", []),
        ("Mm-hmm, OKAY.", ["mm", "hmm", "okay"]),
        ("that's", ["thats"]),
        ("that\N{RIGHT SINGLE QUOTATION MARK}s", ["thats"]),
        ("room 4711b", ["room", "4711b"]),
        ("Straße, ＯＫ", ["strasse", "ok"]),
        ("はい OK", ["は", "い", "ok"]),
        ("हाँ जी", ["हाँ", "जी"]),
        ("naïve cafe\u0301", ["naïve", "café"]),
        ("\u0301", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text())
def test_any_text_has_tokens_of_itself(text: str) -> None:
    found = tokens(text)
    assert all(found)
    assert tokens(" ".join(found)) == found


# Backchannels.


@pytest.mark.parametrize(
    "text", ["Okay.", "okay okay", "OKAYYY", "I see, okay", "Mm-hm. Mm-hm.", "mmm hm", "네네", "네, 네."]
)
def test_backchannels(text: str) -> None:
    assert OURS.cover(text)


@pytest.mark.parametrize("text", ["", "?", "I", "see", "see I", "okay then", "not okay", "okaysee", "mm", "okay " * 13])
def test_no_backchannels(text: str) -> None:
    assert not OURS.cover(text)


def test_the_longest_backchannel() -> None:
    assert OURS.cover("okay " * 12)


@pytest.mark.parametrize("phrases", [[], ["..."]])
def test_without_any_nothing_is_one(phrases: list[str]) -> None:
    assert not Backchannels(phrases).cover("okay")
    assert not Backchannels(phrases).cover("")


@given(words, st.lists(words.filter(lambda phrase: len(phrase) < 4), max_size=4))
def test_a_cover_is_one_of_the_ways_to_split_the_text(text: list[str], phrases: list[list[str]]) -> None:
    def splits(rest: list[str]) -> bool:
        return not rest or any(rest[: len(phrase)] == phrase and splits(rest[len(phrase) :]) for phrase in phrases)

    assert Backchannels(map(" ".join, phrases)).cover(" ".join(text)) is splits(text)


# Echo.


@pytest.mark.parametrize(
    "text",
    [
        "so that you can come after work",
        "you can come after work",
        "After work.",
        "work",
        "at eight so that",
        "so that you can come after war",
        "you cannot come after work",
        "ten and closes at eight so that you can",
        "at ten close at eight",
    ],
)
def test_echo(text: str) -> None:
    assert is_echo(text, THE_HOURS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "stop",
        "what about friday",
        "can I come before work",
        "work after come can you",
        "so work",
        "we are open on monday",
        "come after work please stop now",
    ],
)
def test_no_echo(text: str) -> None:
    assert not is_echo(text, THE_HOURS)


@pytest.mark.parametrize("said", ["", "...", "Good morning."])
def test_what_was_not_said_does_not_come_back(said: str) -> None:
    assert not is_echo("after work", said)


def test_an_echo_comes_late_but_not_very_late() -> None:
    assert is_echo("stop", "stop a b c d e f g h")
    assert not is_echo("stop", "stop a b c d e f g h i")


def test_endings_are_misheard() -> None:
    assert is_echo("mornings", "Good morning.")
    assert not is_echo("more", "Good morning.")


def test_a_short_text_may_be_excepted() -> None:
    assert not is_echo("work", THE_HOURS, least_tokens=2)
    assert is_echo("after work", THE_HOURS, least_tokens=2)


def test_scripts_without_spaces() -> None:
    said = "月曜日から金曜日まで営業しております"
    assert is_echo("営業しております", said)
    assert not is_echo("土曜日はどうですか", said)


@given(words, words)
def test_the_last_words_come_back_after_any_others(before: list[str], last: list[str]) -> None:
    assert is_echo(" ".join(last), " ".join(before + last))


@given(words, words)
def test_an_echo_has_nearly_all_its_words_from_the_bot(text: list[str], said: list[str]) -> None:
    if is_echo(" ".join(text), " ".join(said)):
        assert sum(word in said for word in text) >= 0.8 * len(text)
