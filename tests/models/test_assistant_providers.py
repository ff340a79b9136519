"""Seed 002's table and pbx facts A2 and A3, written down again."""

from __future__ import annotations

from typing import Any

import pytest

from models.assistant_providers import (
    AICALL,
    DEEPDUB,
    PROVIDERS,
    AssistantProtocol,
    ConfigField,
    FieldType,
    providers_of,
)

SEED_002 = [
    "synthflow",
    "dasha",
    "superdash.ai",
    "ultravox",
    "elevenlabs",
    "deepvox",
    "relayhawk",
    "voicehub",
    "retell",
    "vapi",
    "fonio",
    "sigmamind",
    "modon",
    "puretalk",
    "millis-us",
    "millis-eu",
]


def test_there_are_the_seeds_providers_and_this_runtime() -> None:
    assert list(PROVIDERS) == [*SEED_002, "deepdub", "aicall"]
    assert [it.key for it in providers_of(AssistantProtocol.SIP)] == SEED_002
    assert [it.key for it in providers_of(AssistantProtocol.WEBSOCKET)] == ["deepdub", "aicall"]
    assert all(key == provider.key for key, provider in PROVIDERS.items())


def test_labels() -> None:
    labels = {key: PROVIDERS[key].name for key in ("vapi", "millis-us", "millis-eu", "retell", "superdash.ai")}
    assert labels == {
        "vapi": "VAPI",
        "millis-us": "Millis (US)",
        "millis-eu": "Millis (EU)",
        "retell": "Retell",
        "superdash.ai": "Superdash.ai",
    }


@pytest.mark.parametrize("key", SEED_002)
def test_a_sip_provider_wants_a_phone_number_and_nothing_else(key: str) -> None:
    document = PROVIDERS[key].model_dump(mode="json")
    assert (document["protocol"], document["url_template"]) == ("sip", None)
    (field,) = document["config_fields"]
    assert field == {
        "name": "phone_number",
        "label": "Phone Number",
        "type": "tel",
        "required": True,
        "placeholder": "+12125551234",
        "description": field["description"],
        "read_only": False,
        "default_value": None,
        "validation_rules": [r"regex:/^\+?[1-9]\d{1,14}$/"],
    }


def test_deepdub() -> None:
    document = DEEPDUB.model_dump(mode="json")
    assert document["protocol"] == "websocket"
    assert document["url_template"] == (
        "wss://bot.deepdub.dev/ws/{bot_id}/{auth_token}?session={session}&from={from}&to={to}"
    )
    told = [(it["name"], it["type"], it["required"], it["validation_rules"]) for it in document["config_fields"]]
    assert told == [
        ("bot_id", "text", True, ["string", "max:255"]),
        ("auth_token", "password", True, ["string", "max:512"]),
    ]
    assert DEEPDUB.secret_names() == {"auth_token", "api_key"}


@pytest.mark.parametrize("number", ["+12125551234", "12125551234", "+49", "+123456789012345"])
def test_phone_numbers(number: str) -> None:
    assert list(PROVIDERS["vapi"].problems({"phone_number": number})) == []


@pytest.mark.parametrize("number", ["+02125551234", "+1 212 555", "x", "+1", "+1234567890123456", "+١٢٣٤", "+12\n"])
def test_what_is_no_phone_number(number: str) -> None:
    assert list(PROVIDERS["vapi"].problems({"phone_number": number})) == [
        ("configuration.phone_number", "Phone Number must be a valid phone number (E.164 format)")
    ]


@pytest.mark.parametrize(
    ("configuration", "problems"),
    [
        ({}, {"bot_id": "Bot ID is required", "auth_token": "Auth Token is required"}),
        ({"bot_id": "", "auth_token": None}, {"bot_id": "Bot ID is required", "auth_token": "Auth Token is required"}),
        ({"bot_id": "b" * 256, "auth_token": "t"}, {"bot_id": "Bot ID must not be longer than 255 characters"}),
        ({"bot_id": "b", "auth_token": "t" * 513}, {"auth_token": "Auth Token must not be longer than 512 characters"}),
        ({"bot_id": ["b"], "auth_token": "t"}, {"bot_id": "Bot ID must be text"}),
        ({"bot_id": "b", "auth_token": True}, {"auth_token": "Auth Token must be text"}),
        ({"bot_id": "a\0b", "auth_token": "t"}, {"bot_id": "Bot ID must not hold control characters"}),
        ({"bot_id": 7, "auth_token": "t", "other": 1}, {"other": "is not a field of DeepDub"}),
        ({"bot_id": "b" * 255, "auth_token": "t" * 512}, {}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_field_by_field(configuration: dict[str, Any], problems: dict[str, str]) -> None:
    assert dict(DEEPDUB.problems(configuration)) == {f"configuration.{key}": text for key, text in problems.items()}


def test_seed_000s_common_fields_are_taken_everywhere() -> None:
    common = {"api_key": "sk-...", "model": "gpt-4", "voice": "alloy", "phone_number": "+18001234567"}
    for provider in providers_of(AssistantProtocol.SIP):
        assert list(provider.problems(common)) == []
    assert list(DEEPDUB.problems({**common, "bot_id": "b", "auth_token": "t"})) == []


def test_this_runtime_wants_an_ai_or_a_team() -> None:
    ai = "a092c5d9-632c-48d7-b70b-499f2ca084b1"
    for given in ({"assistance_id": ai}, {"assistance_id": ai.upper(), "assistance_type": "team"}):
        assert list(AICALL.problems(given)) == []
    assert dict(AICALL.problems({"assistance_id": "x", "assistance_type": "dog"})) == {
        "configuration.assistance_id": "Assistance ID must be a UUID",
        "configuration.assistance_type": "Assistance Type must be one of ai, team",
    }


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (FieldType.URL, "wss://example.com/x", "example.com"),
        (FieldType.URL, "http://a", "wss://[x"),
        (FieldType.EMAIL, "a@b.example", "a@b"),
        (FieldType.NUMBER, "-1.5", "1e"),
        (FieldType.NUMBER, 15, "nan"),
    ],
)
def test_other_types(kind: FieldType, right: Any, wrong: Any) -> None:
    field = ConfigField(name="x", label="X", type=kind)
    assert field.problem(right) is None
    assert str(field.problem(wrong)).startswith("X must be a")
    assert field.validation_rules[-1] == "max:255"
