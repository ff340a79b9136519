from typing import Any

import pytest
from pydantic import SecretStr

from adapters.llm.table import LLM_TABLE
from adapters.validate import validate_ai
from models.ai import AiFields, AiSecrets
from models.errors import InvalidField
from models.providers import LlmProvider, SttType, TtsType
from tests.adapters.vendors import key_of

EMBEDDED: dict[str, Any] = {
    "name": "Reception",
    "engine_model": "script.receptionist",
    "init_prompt": "Be kind.",
    "tts_type": TtsType.ESPEAK,
    "tts_voice_id": "en-us",
    "stt_type": SttType.POCKETSPHINX,
}
KEYS = {
    "OPENAI_API_KEY": "x",
    "ANTHROPIC_API_KEY": "x",
    "DEEPGRAM_API_KEY": "x",
    "ELEVENLABS_API_KEY": "x",
}


def check(environ: dict[str, str] | None = None, secrets: AiSecrets | None = None, **fields: Any) -> None:
    validate_ai(AiFields.model_validate(EMBEDDED | fields), secrets or AiSecrets(), environ or {})


def test_the_embedded_default_needs_nothing() -> None:
    check()


@pytest.mark.parametrize("engine", ["openai.gpt-4o", "anthropic.claude-sonnet-4-6", "script.receptionist"])
@pytest.mark.parametrize("stt_type", [SttType.DEEPGRAM, SttType.POCKETSPHINX])
@pytest.mark.parametrize(
    ("tts_type", "voice"),
    [
        (TtsType.ELEVENLABS, "abc"),
        (TtsType.DEEPGRAM, "aura-2-thalia-en"),
        (TtsType.OPENAI, "alloy"),
        (TtsType.OPENAI, ""),
    ],
)
def test_what_runs_is_accepted(engine: str, stt_type: SttType, tts_type: TtsType, voice: str) -> None:
    check(KEYS, engine_model=engine, stt_type=stt_type, tts_type=tts_type, tts_voice_id=voice)


@pytest.mark.parametrize("provider", [p for p in LlmProvider if p != LlmProvider.SCRIPT])
def test_every_provider_of_the_seeds_can_be_saved(provider: LlmProvider) -> None:
    row = LLM_TABLE[provider]
    options = {"agent": "a1"} if provider == LlmProvider.DIALOGFLOW else {}
    options |= {option.name: "my-resource" for option in row.options if option.required and option.name not in options}
    check(
        secrets=AiSecrets(engine_key=SecretStr(key_of(row))),
        engine_model=f"{provider}.{row.default_model}",
        parameter={"llm_options": options},
    )


def test_a_model_that_its_vendor_has_ended_is_refused() -> None:
    with pytest.raises(InvalidField, match="ended its Sonar chat models") as caught:
        check(secrets=AiSecrets(engine_key=SecretStr("x")), engine_model="perplexity.llama-3-sonar-large")
    assert caught.value.field == "engine_model"


def test_a_recognisers_model_must_understand_the_language() -> None:
    secrets = AiSecrets(stt_key=SecretStr("x"))
    check(secrets=secrets, stt_type="cartesia", stt_language="de-DE")
    with pytest.raises(InvalidField):
        check(
            secrets=secrets,
            stt_type="cartesia",
            stt_language="de-DE",
            parameter={"stt_options": {"model": "ink-2"}},
        )


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"stt_type": "cartesia"}, "parameter.stt_key", "CARTESIA_API_KEY is not set"),
        ({"tts_type": "hume", "tts_voice_id": "v"}, "parameter.tts_key", "HUME_API_KEY is not set"),
        (
            {"engine_model": "openai.x", "parameter": {"llm_options": {"hue": "1"}}},
            "parameter.llm_options.hue",
            "no such",
        ),
        ({"tts_type": "playht", "tts_voice_id": "v"}, "tts_type", "PlayHT closed at the end of 2025"),
        ({"tts_type": "openai", "tts_voice_id": "homer"}, "tts_voice_id", "OpenAI has these voices: alloy, "),
        ({"stt_language": "de-DE"}, "stt_language", "understands only: en"),
        ({"engine_model": "script.nothing"}, "engine_model", "there is no script of this name"),
        ({"engine_model": "script.../../etc/passwd"}, "engine_model", "there is no script of this name"),
    ],
)
def test_what_cannot_run_is_refused(fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(InvalidField) as caught:
        check(KEYS, **fields)
    assert caught.value.field == field
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("fields", "secrets", "field", "variable"),
    [
        ({"engine_model": "openai.gpt-4o"}, {"engine_key": "x"}, "engine_key", "OPENAI_API_KEY"),
        ({"stt_type": "deepgram"}, {"stt_key": "x"}, "parameter.stt_key", "DEEPGRAM_API_KEY"),
        ({"tts_type": "elevenlabs"}, {"tts_key": "x"}, "parameter.tts_key", "ELEVENLABS_API_KEY"),
    ],
)
def test_a_key_is_needed(fields: dict[str, Any], secrets: dict[str, str], field: str, variable: str) -> None:
    with pytest.raises(InvalidField, match=f"{variable} is not set") as caught:
        check(**fields)
    assert caught.value.field == field
    check({variable: "x"}, **fields)
    check(secrets=AiSecrets.model_validate(secrets), **fields)


def test_english_is_accepted_in_any_region() -> None:
    check(stt_language="en-GB")
    check(stt_language="EN")


def test_a_broken_endpoint_is_refused_before_the_call() -> None:
    with pytest.raises(InvalidField) as caught:
        check({"OPENAI_API_KEY": "x", "AICALL_BASE_URL_OPENAI": "localhost:8000"}, engine_model="openai.gpt-4o")
    assert caught.value.field == "AICALL_BASE_URL_OPENAI"


FALLBACKS = [
    ({"stt": [{"stt_type": "deepgram"}]}, "parameter.fallback.stt[0].key"),
    ({"stt": [{"stt_type": "pocketsphinx", "stt_language": "fr"}]}, "parameter.fallback.stt[0].stt_language"),
    ({"stt": [{"stt_type": "pocketsphinx", "options": {"x": "y"}}]}, "parameter.fallback.stt[0].options.x"),
    ({"llm": [{"engine_model": "openai.gpt-4o"}]}, "parameter.fallback.llm[0].key"),
    (
        {"llm": [{"engine_model": "script.receptionist"}, {"engine_model": "script.nobody"}]},
        "parameter.fallback.llm[1].engine_model",
    ),
    ({"tts": [{"tts_type": "hume", "key": "k"}]}, "parameter.fallback.tts[0].tts_voice_id"),
    ({"tts": [{"tts_type": "playht", "tts_voice_id": "v"}]}, "parameter.fallback.tts[0].tts_type"),
]


@pytest.mark.parametrize(("fallback", "field"), FALLBACKS, ids=[field for _, field in FALLBACKS])
def test_a_fallback_that_cannot_run_is_refused(fallback: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        check(parameter={"fallback": fallback})
    assert refused.value.field == field


def test_fallbacks_that_can_run_are_accepted() -> None:
    secrets = AiSecrets(fallback_keys={"llm.openai.0": SecretStr("key")})
    fallback = {
        "llm": [{"engine_model": "openai.gpt-4o"}],
        "stt": [{"stt_type": "deepgram"}],
        "tts": [{"tts_type": "espeak", "tts_voice_id": "en-gb"}],
    }
    check({"DEEPGRAM_API_KEY": "key"}, secrets, parameter={"fallback": fallback})


WEATHER = {"name": "weather", "description": "The weather.", "url": "https://tools.example.com/"}
SHOP = {"name": "shop", "url": "https://mcp.example.com/"}


@pytest.mark.parametrize("url", ["http://tools.example.com/", "https://127.0.0.1/", "https://[::1]/"])
@pytest.mark.parametrize(("key", "entry"), [("tools", WEATHER), ("mcp_servers", SHOP)])
def test_tools_in_a_private_network_need_the_operators_word(key: str, entry: dict[str, str], url: str) -> None:
    check(parameter={key: [entry]})
    parameter = {key: [entry, {**entry, "name": "other", "url": url}]}
    with pytest.raises(InvalidField) as caught:
        check(parameter=parameter)
    assert caught.value.field == f"parameter.{key}[1].url"
    check({"AICALL_ALLOW_PRIVATE_ENDPOINTS": "true"}, parameter=parameter)


def test_a_tool_whose_arguments_no_schema_describes() -> None:
    schema = {"type": "object", "properties": {"a": {"minimum": "1"}}}
    with pytest.raises(InvalidField, match=r"no JSON Schema: properties\.a\.minimum") as caught:
        check(parameter={"tools": [WEATHER, {**WEATHER, "name": "other", "parameters": schema}]})
    assert caught.value.field == "parameter.tools[1].parameters"
