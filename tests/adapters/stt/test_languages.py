import re

import pytest

from adapters.stt import languages
from adapters.stt.languages import cartesia_model, check_model
from adapters.stt.table import STT_TABLE
from models.errors import InvalidField
from models.options import check_language
from models.providers import SttType

BOUND = [SttType.DEEPGRAM, SttType.CARTESIA, SttType.ELEVENLABS]
FORMS = {
    SttType.DEEPGRAM: re.compile(r"multi|[a-z]{2}(-([A-Z]{2}|419|Hans|Hant))?"),
    SttType.CARTESIA: re.compile(r"[a-z]{2,3}"),
    SttType.ELEVENLABS: re.compile(r"[a-z]{3}"),
}


@pytest.mark.parametrize("stt_type", BOUND)
def test_every_language_is_there_once_and_in_the_vendors_form(stt_type: SttType) -> None:
    row = STT_TABLE[stt_type]
    assert len({code.lower() for code in row.languages}) == len(row.languages) > 50
    assert [code for code in row.languages if not FORMS[stt_type].fullmatch(code)] == []


@pytest.mark.parametrize("stt_type", BOUND)
def test_every_other_name_leads_to_a_language(stt_type: SttType) -> None:
    row = STT_TABLE[stt_type]
    assert {code for code in row.language_aliases.values() if code not in row.languages} == set()
    assert [tag for tag in row.language_aliases if tag != tag.lower() or check_language(tag) != tag] == []


@pytest.mark.parametrize("stt_type", BOUND)
def test_what_the_vendor_calls_a_language_can_be_asked_for(stt_type: SttType) -> None:
    row = STT_TABLE[stt_type]
    assert [row.language_code(code) for code in row.languages] == list(row.languages)


@pytest.mark.parametrize(
    ("tag", "deepgram", "cartesia", "elevenlabs"),
    [
        ("", "", "", ""),
        ("en", "en", "en", "eng"),
        ("en-US", "en-US", "en", "eng"),
        ("EN-gb", "en-GB", "en", "eng"),
        ("en-CA", "en", "en", "eng"),
        ("de-CH", "de-CH", "de", "deu"),
        ("de-AT", "de", "de", "deu"),
        ("es-AR", "es-419", "es", "spa"),
        ("es-ES", "es", "es", "spa"),
        ("pt-BR", "pt-BR", "pt", "por"),
        ("nb-NO", "no", "no", "nor"),
        ("nn-NO", "no", "nn", "nor"),
        ("zh-TW", "zh-TW", "zh", "zho"),
        ("zh-Hant-HK", "zh-HK", "zh", "zho"),
        ("yue", "zh-HK", "yue", "yue"),
        ("fil-PH", "tl", "tl", "fil"),
        ("he-IL", "he", "he", "heb"),
        ("multi", "multi", None, None),
        ("eu-ES", None, "eu", None),
        ("ga-IE", None, None, "gle"),
        ("ceb-PH", None, None, "ceb"),
        ("tlh", None, None, None),
    ],
)
def test_each_vendor_is_told_in_its_own_form(
    tag: str, deepgram: str | None, cartesia: str | None, elevenlabs: str | None
) -> None:
    told = [STT_TABLE[stt_type].language_code(tag) for stt_type in BOUND]
    assert told == [deepgram, cartesia, elevenlabs]


@pytest.mark.parametrize(
    ("wanted", "language", "used"),
    [
        ("", "", "ink-2"),
        ("", "en", "ink-2"),
        ("", "de", "ink-whisper"),
        ("ink-2", "en", "ink-2"),
        ("ink-2-2026-06-01", "", "ink-2-2026-06-01"),
        ("ink-whisper", "de", "ink-whisper"),
    ],
)
def test_cartesias_model_follows_from_the_language(wanted: str, language: str, used: str) -> None:
    assert cartesia_model(wanted, language, "ink-2") == used


@pytest.mark.parametrize(
    ("stt_type", "model", "language"),
    [
        (SttType.CARTESIA, "ink-2", "de"),
        (SttType.CARTESIA, "ink-2-2026-06-01", "de"),
        (SttType.DEEPGRAM, "nova-2-phonecall", "he"),
    ],
)
def test_a_model_is_refused_for_a_language_that_it_does_not_understand(
    stt_type: SttType, model: str, language: str
) -> None:
    assert language in STT_TABLE[stt_type].languages
    with pytest.raises(InvalidField, match=f"{model} understands only: ") as caught:
        check_model(stt_type, model, language)
    assert caught.value.field == "stt_language"
    for other in ("", "en"):
        check_model(stt_type, model, other)
    check_model(stt_type, STT_TABLE[stt_type].default_model, "en")


def test_what_only_some_models_understand_is_part_of_what_the_vendor_does() -> None:
    for stt_type, models in languages.MODELS.items():
        for understood in models.values():
            assert set(understood) < set(STT_TABLE[stt_type].languages)


def test_the_newest_model_of_cartesia_is_the_rows() -> None:
    assert STT_TABLE[SttType.CARTESIA].default_model == "ink-2"
