import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from models.options import (
    RUNTIME_KEYS,
    CallOptions,
    Language,
    check_language,
    check_parameter,
    model_parameters,
    named_providers,
)

LANGUAGES = ("", "en", "en-US", "ko-KR", "zh-Hant-TW", "es-419", "de-CH-1996", "yue")
NO_LANGUAGES = (
    "e",
    "english",
    "en_US",
    "en-",
    "-US",
    "en US",
    "en-US ",
    "multi/en",
    "12-US",
    "én-US",
    "en-\u0661\u0662",
)


@pytest.mark.parametrize("tag", LANGUAGES)
def test_languages(tag: str) -> None:
    assert check_language(tag) == tag


@pytest.mark.parametrize("tag", NO_LANGUAGES)
def test_no_languages(tag: str) -> None:
    with pytest.raises(ValueError, match="BCP 47"):
        check_language(tag)
    with pytest.raises(ValidationError):
        TypeAdapter(Language).validate_python(tag)


def test_nothing_set_is_the_defaults() -> None:
    options = CallOptions.model_validate({})
    assert options.greeting == ""
    assert options.max_duration_s is None
    assert options.idle_timeout_s is None
    assert (options.speech_timeout_s, options.dtmf_timeout_s, options.dtmf_terminator) == (0.0, 2.0, "#")
    assert (options.barge_in, options.backchannels, options.interrupt_after_ms) == ("confirm", None, 800)
    assert options.apology


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("max_duration_s", [0, -1, 86_401, float("nan"), float("inf"), True, "60"]),
        ("idle_timeout_s", [0, -1, 86_401, float("nan"), float("inf"), True, "60"]),
        ("idle_limit", [-1, 101, 0.5, True, None]),
        ("speech_timeout_s", [-0.1, 30.1, float("nan"), False, None]),
        ("dtmf_timeout_s", [0, 60.1, float("inf"), True]),
        ("dtmf_terminator", ["", "##", "A", "#\n", 1]),
        ("answer_early", [0, 1, "true", None]),
        ("barge_in", ["", "Off", "on", None, False]),
        ("backchannels", ["yeah", 7, ["yeah"] * 201]),
        ("interrupt_after_ms", [-1, 2_001, 0.5, True, "800", None]),
        ("greeting", [7, None]),
        ("filler_after_s", [0, 30.1, float("nan"), True, "1"]),
        ("apology", [7, None]),
    ],
)
def test_wrong_values_are_named(key: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(PydanticCustomError) as caught:
            check_parameter({"own": 1, key: value})
        assert caught.value.context
        assert caught.value.context["field"] == f"parameter.{key}", value
        assert caught.value.context["message"] in str(caught.value)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("max_duration_s", [None, 0.001, 1, 86_400]),
        ("idle_timeout_s", [None, 1.5]),
        ("idle_limit", [0, 100]),
        ("speech_timeout_s", [0, 30]),
        ("dtmf_timeout_s", [0.1, 60]),
        ("dtmf_terminator", [*"0123456789*#"]),
        ("answer_early", [True, False]),
        ("barge_in", ["off", "immediate", "confirm"]),
        ("backchannels", [None]),
        ("interrupt_after_ms", [0, 2_000]),
        ("greeting", ["", "Hello"]),
    ],
)
def test_values_at_the_borders(key: str, values: list[Any]) -> None:
    for value in values:
        assert getattr(CallOptions.model_validate(check_parameter({key: value})), key) == value


@pytest.mark.parametrize("phrases", [[], ["yeah"], ["uh-huh", "네", "y" * 100], ["yeah"] * 200])
def test_backchannels(phrases: list[str]) -> None:
    assert CallOptions.model_validate(check_parameter({"backchannels": phrases})).backchannels == tuple(phrases)


@pytest.mark.parametrize("phrase", ["", " ", "...", "12", 7, None, ["yeah"], "y" * 101])
def test_a_wrong_backchannel_is_named(phrase: Any) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        check_parameter({"backchannels": ["yeah", phrase]})
    assert caught.value.context
    assert caught.value.context["field"] == "parameter.backchannels.1"


@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.none()).filter(lambda it: not RUNTIME_KEYS & it.keys())
)
def test_the_owners_own_keys_pass_to_the_model(own: dict[str, Any]) -> None:
    parameter = {"greeting": "Hi", "idle_limit": 1, "stt_key": "secret", "tts_key": "secret", **own}
    assert check_parameter(parameter) is parameter
    assert model_parameters(parameter) == own


def test_the_document_names_every_key() -> None:
    document = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    table = document.partition("## An AI's `parameter`")[2].partition("## Lists")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {key for cell in first_cells for key in re.findall(r"`(\w+)`", cell)} == RUNTIME_KEYS


ENTRIES = {
    "llm": {"engine_model": "anthropic.claude"},
    "stt": {"stt_type": "deepgram"},
    "tts": {"tts_type": "openai"},
}


def test_fallbacks_have_defaults() -> None:
    options = CallOptions.model_validate({"fallback": {seat: [entry] for seat, entry in ENTRIES.items()}})
    (stt,), (tts,) = options.fallback.stt, options.fallback.tts
    assert (stt.provider, stt.stt_language, stt.key, stt.options) == ("deepgram", "", None, {})
    assert (tts.provider, tts.tts_voice_id) == ("openai", "")
    assert options.fallback.llm[0].provider == "anthropic"
    assert CallOptions().fallback.of("llm") == ()


@pytest.mark.parametrize(
    ("fallback", "field"),
    [
        ([], "parameter.fallback"),
        ({"vad": []}, "parameter.fallback.vad"),
        ({"llm": {}}, "parameter.fallback.llm"),
        ({"llm": [{}]}, "parameter.fallback.llm[0].engine_model"),
        ({"llm": [{"engine_model": "nobody.x"}]}, "parameter.fallback.llm[0].engine_model"),
        ({"stt": [ENTRIES["stt"], {"stt_type": "nobody"}]}, "parameter.fallback.stt[1].stt_type"),
        ({"stt": [{**ENTRIES["stt"], "stt_language": "??"}]}, "parameter.fallback.stt[0].stt_language"),
        ({"tts": [{**ENTRIES["tts"], "stt_type": "x"}]}, "parameter.fallback.tts[0].stt_type"),
        ({"tts": [{**ENTRIES["tts"], "options": {"region": 1}}]}, "parameter.fallback.tts[0].options.region"),
        ({"tts": [ENTRIES["tts"]] * 4}, "parameter.fallback.tts"),
    ],
)
def test_a_wrong_fallback_is_named(fallback: object, field: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        check_parameter({"fallback": fallback})
    assert caught.value.context is not None
    assert caught.value.context["field"] == field


def test_a_fallback_is_kept_by_vendor_and_number() -> None:
    entries = [{"tts_type": name} for name in ("openai", "deepgram", "openai")]
    fallbacks = CallOptions.model_validate({"fallback": {"tts": entries}}).fallback
    assert fallbacks.key_names("tts") == ["tts.openai.0", "tts.deepgram.0", "tts.openai.1"]


@pytest.mark.parametrize(
    ("given", "read"),
    [("", ()), ([], ()), ("Wait.", ("Wait.",)), (["Wait.", "Soon."], ("Wait.", "Soon.")), (None, None)],
)
def test_fillers_are_one_text_or_several(given: Any, read: tuple[str, ...] | None) -> None:
    assert CallOptions.model_validate({"filler": given}).filler == read


@pytest.mark.parametrize("given", [7, [""], [7], ["x" * 301], ["x"] * 11])
def test_fillers_are_short_texts(given: Any) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        check_parameter({"filler": given})
    assert str((caught.value.context or {})["field"]).startswith("parameter.filler")


def test_the_vendors_that_a_call_may_need() -> None:
    options = CallOptions.model_validate(
        {"fallback": {"llm": [{"engine_model": "groq.a/b.c"}], "tts": [{"tts_type": "openai"}, {"tts_type": "aws"}]}}
    )
    assert named_providers("openai.gpt-4o", "deepgram", "openai", options) == {
        ("llm", "openai"),
        ("llm", "groq"),
        ("stt", "deepgram"),
        ("tts", "openai"),
        ("tts", "aws"),
    }
