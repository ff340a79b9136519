import pytest

from models.fillers import fillers_of


@pytest.mark.parametrize("language", ["", "en", "en-US", "EN-gb"])
def test_english_is_the_default(language: str) -> None:
    assert fillers_of(language)[0] == "One moment, please."


def test_the_first_part_of_the_tag_decides() -> None:
    assert fillers_of("de-CH") == fillers_of("de") != fillers_of("en")
    assert fillers_of("zh-Hant-TW") == fillers_of("zh")


def test_a_language_without_fillers_has_none() -> None:
    assert fillers_of("tlh") == ()


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "nl", "pt", "ja", "zh", "ko", "hi", "ar", "no"])
def test_no_two_in_a_row_are_the_same(language: str) -> None:
    texts = fillers_of(language)
    assert len(texts) == len(set(texts)) >= 2
    assert all(text.strip() == text for text in texts)
