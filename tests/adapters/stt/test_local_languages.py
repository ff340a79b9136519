import faster_whisper.tokenizer
import moonshine_voice
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from adapters.stt.local_languages import MOONSHINE_LANGUAGES, WHISPER_LANGUAGES
from adapters.stt.table import STT_TABLE
from models.providers import SttType


def test_whisper_knows_each_of_its_languages() -> None:
    tokens = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    for language in WHISPER_LANGUAGES:
        assert faster_whisper.tokenizer.Tokenizer(tokens, True, "transcribe", language).language_code == language
    with pytest.raises(ValueError, match=r"accepted language codes: (.*)\)") as caught:
        faster_whisper.tokenizer.Tokenizer(tokens, True, "transcribe", "tlh")
    accepted = str(caught.value).partition("codes: ")[2].rstrip(")").split(", ")
    assert sorted(accepted) == sorted(WHISPER_LANGUAGES)


def test_moonshine_knows_each_of_its_languages() -> None:
    assert sorted(moonshine_voice.supported_languages()) == sorted(MOONSHINE_LANGUAGES)


@pytest.mark.parametrize(
    ("tag", "whisper", "moonshine"),
    [
        ("", "", ""),
        ("en-US", "en", "en"),
        ("nb-NO", "no", None),
        ("fil-PH", "tl", "tl"),
        ("zh-Hant-TW", "zh", "zh"),
        ("iw", "he", None),
        ("yue", "yue", None),
        ("tlh", None, None),
    ],
)
def test_languages_in_the_systems_form(tag: str, whisper: str | None, moonshine: str | None) -> None:
    assert STT_TABLE[SttType.WHISPER].language_code(tag) == whisper
    assert STT_TABLE[SttType.MOONSHINE].language_code(tag) == moonshine
