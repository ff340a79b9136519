import json
import pickle
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from models.ai import Ai, AiSecrets, AiWrite
from models.ids import NIL_ID
from models.providers import LlmProvider, TtsType
from models.timestamps import NOT_YET
from models.vad import EffectiveVad
from tests.models.seeds import (
    AI_003,
    AI_004,
    AI_FIELDS,
    AI_REQUIRED,
    ENGINE_MODELS,
    OPENAI_MODELS,
    STT_TYPES,
    TOOLS,
    TTS_TYPES,
    VAD_FIELDS,
    ai_body,
)
from tests.models.seeds import NIL_ID as SEED_NIL_ID

ID = UUID(AI_004["id"])
CUSTOMER = UUID(AI_004["customer_id"])
CREATED = datetime(2024, 2, 9, 7, 1, 35, 666_687, tzinfo=UTC)
CHANGED = datetime(2024, 2, 10, tzinfo=UTC)
KEYS = {"engine_key": "sk-engine-secret", "stt_key": "stt-secret", "tts_key": "tts-secret"}


def write(**fields: Any) -> AiWrite:
    return AiWrite.model_validate(ai_body(**fields))


def created(**fields: Any) -> Ai:
    return Ai.create(write(**fields), id=ID, customer_id=CUSTOMER, now=CREATED)


def refused(**fields: Any) -> str:
    """The field that a body is refused for."""
    with pytest.raises(ValidationError) as caught:
        write(**fields)
    [error] = caught.value.errors()
    return str(error.get("ctx", {}).get("field") or ".".join(map(str, error["loc"])))


# Documents.


@pytest.mark.parametrize("document", [AI_003, AI_004], ids=["003", "004"])
def test_the_seeds_examples_are_bodies(document: dict[str, Any]) -> None:
    ai = Ai.create(AiWrite.model_validate(document), id=ID, customer_id=CUSTOMER, now=CREATED)
    assert ai.secrets.engine_key.get_secret_value() == "sk-..."
    public = ai.public()
    for field in document.keys() - {"engine_key", "tm_create", "tm_update", "tm_delete"}:
        assert public[field] == document[field], field
    assert public["tm_create"] == "2024-02-09T07:01:35.666687Z"
    assert public["tm_update"] == public["tm_delete"] == "9999-01-01T00:00:00.000000Z"


def test_a_stored_document_reads_as_the_seeds_write_it() -> None:
    stored = {name: value for name, value in AI_004.items() if name != "engine_key"}
    ai = Ai.model_validate(stored)
    assert (ai.id, ai.tm_create, ai.tm_update, ai.tm_delete) == (ID, CREATED, NOT_YET, NOT_YET)
    assert Ai.model_validate(ai.public()) == ai


def test_the_public_document_has_the_seeds_fields() -> None:
    public = created().public()
    assert AI_FIELDS - public.keys() == {"engine_key"}
    # The recogniser's language is this runtime's own, beside the seeds' fields.
    assert public.keys() - AI_FIELDS == {"stt_language"}
    assert list(public)[:2] == ["id", "customer_id"]
    assert json.loads(json.dumps(public)) == public


def test_what_a_body_may_leave_out() -> None:
    ai = created()
    assert ai.detail == ""
    assert ai.parameter == {}
    assert ai.rag_id == NIL_ID
    assert ai.tts_voice_id == TTS_TYPES["elevenlabs"]
    assert ai.vad_config is None
    assert ai.smart_turn_enabled is False
    assert ai.tool_names is None
    assert (ai.tm_update, ai.tm_delete) == (NOT_YET, NOT_YET)
    assert ai.public()["rag_id"] == SEED_NIL_ID


@pytest.mark.parametrize("field", AI_REQUIRED)
def test_what_a_body_must_hold(field: str) -> None:
    body = ai_body()
    del body[field]
    with pytest.raises(ValidationError) as caught:
        AiWrite.model_validate(body)
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [((field,), "missing")]


def test_the_servers_own_fields_are_passed_over() -> None:
    body = write(id="x", customer_id=7, tm_create="never", tm_update=None, tm_delete=[])
    ai = Ai.create(body, id=ID, customer_id=CUSTOMER, now=CREATED)
    assert (ai.id, ai.customer_id, ai.tm_create) == (ID, CUSTOMER, CREATED)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"secrets": {}}, "secrets"),
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": 7}, "name"),
        ({"detail": None}, "detail"),
        ({"init_prompt": None}, "init_prompt"),
        ({"parameter": []}, "parameter"),
        ({"parameter": "{}"}, "parameter"),
        ({"parameter": {"max_duration_s": 0}}, "parameter.max_duration_s"),
        ({"parameter": {"stt_key": 7}}, "parameter.stt_key"),
        ({"parameter": {"tts_key": None}}, "parameter.tts_key"),
        ({"engine_key": 7}, "engine_key"),
        ({"rag_id": "knowledge"}, "rag_id"),
        ({"smart_turn_enabled": "yes"}, "smart_turn_enabled"),
        ({"smart_turn_enabled": 1}, "smart_turn_enabled"),
        ({"smart_turn_enabled": None}, "smart_turn_enabled"),
        ({"stt_language": "english please"}, "stt_language"),
        ({"tts_type": "alloy"}, "tts_type"),
        ({"tts_type": "ElevenLabs"}, "tts_type"),
        ({"stt_type": "parrot"}, "stt_type"),
        ({"vad_config": []}, "vad_config"),
        ({"vad_config": {"stop_sec": 1}}, "vad_config.stop_sec"),
        ({"vad_config": {"stop_secs": 31}}, "vad_config.stop_secs"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    assert refused(**fields) == field


def test_the_prompt_has_no_limit() -> None:
    prompt = "Be kind. " * 200_000
    assert created(init_prompt=prompt).public()["init_prompt"] == prompt


@pytest.mark.parametrize("value", [None, "", SEED_NIL_ID])
def test_no_knowledge_base(value: str | None) -> None:
    assert created(rag_id=value).rag_id == NIL_ID


# Providers.


@pytest.mark.parametrize("text", [text for texts in ENGINE_MODELS.values() for text in texts])
def test_engine_models_of_the_seeds(text: str) -> None:
    ai = created(engine_model=text)
    assert ai.public()["engine_model"] == text
    assert ai.engine.provider is LlmProvider(text.split(".", 1)[0])
    assert str(ai.engine) == text


@pytest.mark.parametrize("model", OPENAI_MODELS)
def test_openai_models_of_the_seeds(model: str) -> None:
    assert created(engine_model=f"openai.{model}").engine.model == model


@pytest.mark.parametrize("text", ["gpt-4o", "", ".", "openai.", "openai. ", "unknown.model", "OpenAI.gpt-4o", 4, None])
def test_wrong_engine_models(text: object) -> None:
    assert refused(engine_model=text) == "engine_model"


@pytest.mark.parametrize(("tts_type", "voice"), TTS_TYPES.items())
def test_default_voices(tts_type: str, voice: str | None) -> None:
    if voice is None:
        assert refused(tts_type=tts_type) == "tts_voice_id"
    else:
        for fields in ({}, {"tts_voice_id": ""}):
            ai = created(tts_type=tts_type, **fields)
            assert (ai.tts_type, ai.tts_voice_id) == (tts_type, voice)
    assert created(tts_type=tts_type, tts_voice_id="mine").tts_voice_id == "mine"


def test_the_embedded_voice_and_recogniser() -> None:
    ai = created(engine_model="script.receptionist", tts_type="espeak", stt_type="pocketsphinx")
    assert (ai.tts_type, ai.tts_voice_id, ai.stt_type) == (TtsType.ESPEAK, "en-us", "pocketsphinx")


@pytest.mark.parametrize("stt_type", STT_TYPES)
def test_recognisers(stt_type: str) -> None:
    assert created(stt_type=stt_type).public()["stt_type"] == stt_type


# Turn-taking.


@pytest.mark.parametrize("config", [None, {}, dict.fromkeys(VAD_FIELDS), {"stop_secs": None}])
def test_no_vad_config_is_the_defaults(config: dict[str, None] | None) -> None:
    ai = created(vad_config=config)
    defaults = {name: default for name, (default, _, _) in VAD_FIELDS.items()}
    assert ai.effective_vad.model_dump() == defaults
    assert ai.public()["vad_config"] == (None if config is None else {})


def test_the_vad_config_is_returned_as_it_was_given() -> None:
    for config in ({"stop_secs": 0.5}, {"confidence": 0, "start_secs": 0, "stop_secs": 0, "min_volume": 0}):
        assert created(vad_config=config).public()["vad_config"] == config


def test_smart_turn_overrides_the_silence_of_the_seeds_example() -> None:
    ai = Ai.create(AiWrite.model_validate(AI_004), id=ID, customer_id=CUSTOMER, now=CREATED)
    assert ai.effective_vad == EffectiveVad(stop_secs=0.2)
    assert ai.public()["vad_config"] == {"stop_secs": 0.5}
    assert created(vad_config={"stop_secs": 0.5}).effective_vad.stop_secs == 0.5


# Tools.


@pytest.mark.parametrize(
    "names", [None, [], ["all"], list(TOOLS), ["all", "send_email"], ["connect_call", "send_email"]]
)
def test_tool_names_are_kept(names: list[str] | None) -> None:
    assert created(tool_names=names).public()["tool_names"] == names


@pytest.mark.parametrize("names", [["dance"], ["all", "dance"], ["ALL"], [""]])
def test_unknown_tools_are_refused(names: list[str]) -> None:
    assert refused(tool_names=names) == "tool_names"


@pytest.mark.parametrize("names", ["all", {"all": True}])
def test_tool_names_are_a_list(names: object) -> None:
    assert refused(tool_names=names) == "tool_names"


# Secrets.


def with_secrets() -> AiWrite:
    return write(
        engine_key=KEYS["engine_key"],
        parameter={"stt_key": KEYS["stt_key"], "tts_key": KEYS["tts_key"], "own": {"stt_key": "the owner's"}},
    )


def test_secrets_are_taken_out_of_the_body() -> None:
    ai = Ai.create(with_secrets(), id=ID, customer_id=CUSTOMER, now=CREATED)
    assert {name: getattr(ai.secrets, name).get_secret_value() for name in KEYS} == KEYS
    assert ai.parameter == {"own": {"stt_key": "the owner's"}}


def test_secrets_are_never_shown() -> None:
    body = with_secrets()
    ai = Ai.create(body, id=ID, customer_id=CUSTOMER, now=CREATED)
    shown = [
        *map(repr, (body, ai, ai.secrets, body.secrets())),
        *map(str, (body, ai, ai.secrets)),
        f"{ai}",
        repr(ai.model_dump()),
        ai.model_dump_json(),
        body.model_dump_json(),
        repr(body.model_dump()),
        repr(ai.public()),
        repr(ai.model_copy(update={"name": "copy"})),
        repr(ai.replaced(write(), now=CHANGED)),
        repr(dict(ai)["secrets"]),
    ]
    for text in shown:
        for secret in KEYS.values():
            assert secret not in text
    assert "secrets" not in ai.model_dump()
    assert "engine_key" not in ai.public()
    assert pickle.loads(pickle.dumps(ai)) == ai


@pytest.mark.parametrize(
    "fields",
    [
        {"tts_type": "hume"},
        {"engine_model": "nobody.model"},
        {"unknown": "field"},
        {"parameter": {"stt_key": "stt-secret", "tts_key": "tts-secret", "idle_limit": -1}},
        {"parameter": {"stt_key": "stt-secret", "tts_key": ["tts-secret"]}},
    ],
)
def test_a_refused_body_does_not_show_its_keys(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        AiWrite.model_validate({"engine_key": KEYS["engine_key"], **ai_body(**fields)})
    messages = [error["msg"] for error in caught.value.errors()]
    for text in (str(caught.value), repr(caught.value), repr(messages)):
        assert not any(secret in text for secret in KEYS.values())


def test_put_keeps_what_it_does_not_give() -> None:
    ai = Ai.create(with_secrets(), id=ID, customer_id=CUSTOMER, now=CREATED)
    same = ai.replaced(write(name="renamed", engine_key=None), now=CHANGED)
    assert same.secrets == ai.secrets
    assert (same.name, same.id, same.customer_id) == ("renamed", ID, CUSTOMER)
    assert (same.tm_create, same.tm_update, same.tm_delete) == (CREATED, CHANGED, NOT_YET)

    given = ai.replaced(write(engine_key="sk-new", parameter={"tts_key": ""}), now=CHANGED)
    assert given.secrets == AiSecrets(
        engine_key=SecretStr("sk-new"), stt_key=SecretStr(KEYS["stt_key"]), tts_key=SecretStr("")
    )


def test_put_replaces_everything_else() -> None:
    ai = created(detail="old", vad_config={"stop_secs": 1}, tool_names=["all"], parameter={"a": 1}, tts_voice_id="mine")
    bare = ai.replaced(write(), now=CHANGED)
    assert bare.model_copy(update={"tm_update": NOT_YET}) == created()


@given(st.fixed_dictionaries({}, optional={name: st.text() for name in KEYS}))
def test_the_latest_given_secret_counts(given_now: dict[str, str]) -> None:
    kept = AiSecrets(**{name: SecretStr(value) for name, value in KEYS.items()})
    parameter = {name: value for name, value in given_now.items() if name != "engine_key"}
    engine = {"engine_key": given_now["engine_key"]} if "engine_key" in given_now else {}
    stored = write(parameter=parameter, **engine).secrets(kept)
    assert {name: getattr(stored, name).get_secret_value() for name in KEYS} == KEYS | given_now


def with_fallbacks(*entries: dict[str, Any]) -> AiWrite:
    return write(parameter={"fallback": {"tts": list(entries)}})


def test_the_keys_of_fallbacks_are_write_only() -> None:
    body = with_fallbacks({"tts_type": "openai", "key": "canary-1"}, {"tts_type": "openai", "key": "canary-2"})
    ai = Ai.create(body, id=ID, customer_id=CUSTOMER, now=CREATED)
    assert ai.parameter["fallback"] == {"tts": [{"tts_type": "openai"}, {"tts_type": "openai"}]}
    names = ai.options.fallback.key_names("tts")
    assert [ai.secrets.fallback_key(name).get_secret_value() for name in names] == ["canary-1", "canary-2"]
    assert "canary" not in f"{ai!r} {ai.public()} {ai.secrets!r} {body!r}"
    assert ai.secrets.revealed()["fallback_keys"] == {"tts.openai.0": "canary-1", "tts.openai.1": "canary-2"}


def test_the_keys_of_fallbacks_stay_with_their_vendor() -> None:
    kept = with_fallbacks({"tts_type": "openai", "key": "a"}, {"tts_type": "hume", "key": "b"}).secrets()
    turned = with_fallbacks({"tts_type": "hume"}, {"tts_type": "openai"}).secrets(kept)
    assert turned == kept
    other = with_fallbacks({"tts_type": "deepgram"}, {"tts_type": "openai", "key": ""}).secrets(kept)
    assert other.fallback_keys == {}
    assert AiSecrets().fallback_key("tts.openai.0").get_secret_value() == ""
