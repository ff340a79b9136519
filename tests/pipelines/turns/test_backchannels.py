# ruff: noqa: RUF001 - letters of other scripts are meant.
import re

import pytest

from models.options import check_language, check_phrase
from pipelines.turns.backchannels import backchannels_of
from pipelines.turns.overheard import Backchannels

LISTED = ("en", "de", "es", "fr", "it", "pt", "nl", "pl", "ru", "tr", "ar", "hi", "ja", "ko", "zh")
HEARD = {
    "en-US": [
        "Mm-hmm.",
        "Mhmm",
        "Mmm.",
        "Hmm.",
        "Uh-huh.",
        "Okay.",
        "Yeah, right.",
        "I see.",
        "Alright",
        "OK, got it!",
    ],
    "en-GB": ["Oh, really?", "That's right."],
    "de-DE": ["Ja, genau.", "Alles klar.", "Ach so!"],
    "es-419": ["Sí, claro.", "Ajá.", "De acuerdo."],
    "fr": ["D'accord, très bien.", "C'est ça."],
    "pt-BR": ["Tá bom.", "É, isso."],
    "ru": ["Да, да.", "Угу."],
    "tr": ["Tamam, anladım."],
    "ja-JP": ["はい、そうですね。", "なるほど"],
    "ko-KR": ["네, 네.", "그렇군요"],
    "zh-Hant-TW": ["嗯，好的。"],
    "hi": ["जी हाँ", "ठीक है"],
    "ar": ["نعم، طيب"],
}
MEANT = {
    "en": [
        "No.",
        "Stop!",
        "Wait.",
        "Okay, but when?",
        "Right now.",
        "Yes please stop",
        "What?",
        "Hello?",
        "I see a problem",
    ],
    "de": ["Nein.", "Ja, aber", "Moment mal", "Gutschein"],
    "ru": ["Далее"],
    "ja": ["いいえ", "はい、でも"],
    "zh": ["不对", "好吃"],
}


@pytest.mark.parametrize(("language", "texts"), HEARD.items())
def test_what_listeners_say(language: str, texts: list[str]) -> None:
    backchannels = Backchannels(backchannels_of(language))
    assert [text for text in texts if not backchannels.cover(text)] == []


@pytest.mark.parametrize(("language", "texts"), MEANT.items())
def test_what_callers_mean(language: str, texts: list[str]) -> None:
    backchannels = Backchannels(backchannels_of(language))
    assert [text for text in texts if backchannels.cover(text)] == []


def test_without_a_language_it_is_english() -> None:
    assert backchannels_of("") == backchannels_of("en") == backchannels_of("EN-us")


def test_a_language_without_a_list_has_the_sounds_of_all() -> None:
    sounds = backchannels_of("fi")
    assert "mm" in sounds
    assert all(set(sounds) < set(backchannels_of(language)) for language in LISTED)
    assert all(re.fullmatch(r"[a-z ]+", sound) for sound in sounds)


@pytest.mark.parametrize("language", LISTED)
def test_each_phrase_is_one_that_an_owner_could_set(language: str) -> None:
    assert check_language(language) == language
    phrases = backchannels_of(language)
    assert len(set(phrases)) == len(phrases)
    assert [check_phrase(phrase) for phrase in phrases] == list(phrases)
