import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.providers import DEFAULT_VOICES, EngineModel, LlmProvider, SttType, TtsType
from tests.models.seeds import ENGINE_MODELS, STT_TYPES, TTS_TYPES


def test_providers_are_the_seeds_and_the_embedded_ones() -> None:
    assert len(ENGINE_MODELS) == 19
    assert [*LlmProvider] == [*ENGINE_MODELS, "script"]
    assert [*TtsType] == [*TTS_TYPES, "espeak", "piper", "kokoro"]
    assert [*SttType] == [*STT_TYPES, "pocketsphinx", "moonshine", "whisper"]


def test_default_voices_are_the_seeds() -> None:
    seeds = {name: voice for name, voice in TTS_TYPES.items() if voice is not None}
    assert seeds | {"espeak": "en-us", "piper": "0", "kokoro": "af_heart"} == DEFAULT_VOICES


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [(text, text.split(".")[0], text.split(".", 1)[1]) for texts in ENGINE_MODELS.values() for text in texts]
    + [("script.receptionist", "script", "receptionist"), ("aws.a.b/c:d.e", "aws", "a.b/c:d.e")],
)
def test_engine_models(text: str, provider: str, model: str) -> None:
    parsed = EngineModel.parse(text)
    assert (parsed.provider, parsed.model) == (provider, model)
    assert str(parsed) == text


@given(st.sampled_from(LlmProvider), st.text(min_size=1).filter(str.strip))
def test_any_model_name_survives(provider: LlmProvider, model: str) -> None:
    assert EngineModel.parse(f"{provider}.{model}") == EngineModel(provider, model)


@pytest.mark.parametrize("text", ["", ".", "openai", "openai.", "openai.  ", ".gpt-4o", "open ai.x", "OPENAI.gpt-4o"])
def test_wrong_engine_models(text: str) -> None:
    with pytest.raises(ValueError, match=r"provider|form"):
        EngineModel.parse(text)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = EngineModel.parse(text)
    except ValueError:
        return
    assert str(parsed) == text
