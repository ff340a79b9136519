from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr, ValidationError

from models.assistant import AiAssistant, AiAssistantChange, AiAssistantWrite, AssistantStatus
from models.assistant_providers import PROVIDERS, AssistantProtocol
from models.errors import InvalidFields

ORGANIZATION, MEDIA, KEY = UUID(int=1), UUID(int=2), UUID(int=3)
NOW, LATER = datetime(2026, 2, 5, 19, 43, 16, tzinfo=UTC), datetime(2026, 2, 6, tzinfo=UTC)
SEED_000 = [
    "id",
    "organization_id",
    "name",
    "description",
    "status",
    "provider",
    "protocol",
    "configuration",
    "created_by",
    "updated_by",
    "deleted_at",
    "created_at",
    "updated_at",
]
DEEPDUB = {"provider": "deepdub", "configuration": {"bot_id": "bot", "auth_token": "canary-token"}}


def make(**fields: Any) -> AiAssistant:
    body = AiAssistantWrite.model_validate(
        {"name": "Sales", "provider": "retell", "configuration": {"phone_number": "+14155551234"}, **fields}
    )
    return AiAssistant.create(body, organization_id=ORGANIZATION, media_id=MEDIA, by=KEY, now=NOW)


def change(assistant: AiAssistant, **fields: Any) -> AiAssistant:
    return assistant.changed(AiAssistantChange.model_validate(fields), by=None, now=LATER)


def test_the_document_has_the_seeds_columns() -> None:
    document = make(description="d").model_copy(update={"id": 7}).public()
    assert [name for name in SEED_000 if name not in document] == []
    assert document["id"] == 7
    assert (document["created_at"], document["deleted_at"]) == ("2026-02-05T19:43:16.000000Z", None)
    assert (document["created_by"], document["status"]) == (str(KEY), "active")
    assert "media_id" not in document


def test_the_protocol_is_the_providers() -> None:
    sip, websocket = make(protocol="websocket"), make(**DEEPDUB)
    assert (sip.protocol, sip.is_sip(), sip.is_websocket()) == (AssistantProtocol.SIP, True, False)
    assert (websocket.is_sip(), websocket.is_websocket()) == (False, True)
    assert sip.provider_definition() is PROVIDERS["retell"]
    assert change(sip, **DEEPDUB).is_websocket()
    assert sip.model_copy(update={"provider": "gone"}).provider_definition() is None


def test_status() -> None:
    assert make().is_active()
    assert not make(status="inactive").is_active()
    assert change(make(), status="inactive").status is AssistantStatus.INACTIVE


def test_in_use_is_what_something_refers_to() -> None:
    assert not make().is_in_use()
    assert make().model_copy(update={"usage_count": 1}).is_in_use()


def test_no_document_shows_a_secret() -> None:
    assistant = make(**DEEPDUB)
    assert assistant.public()["configuration"] == {"bot_id": "bot"}
    assert assistant.public()["configuration_secrets"] == ["auth_token"]
    assert assistant.revealed() == DEEPDUB["configuration"]
    for shown in (assistant.public(), repr(assistant), str(assistant), assistant.model_dump_json()):
        assert "canary" not in str(shown)


def test_a_change_names_what_changes() -> None:
    assistant = make(description="d")
    changed = change(assistant, name="Support")
    assert changed == assistant.model_copy(update={"name": "Support", "updated_by": None, "updated_at": LATER})
    assert change(assistant, description=None).description is None


def test_a_secret_that_is_left_out_stays() -> None:
    assistant = make(**DEEPDUB)
    for left_out in ({"bot_id": "other"}, {"bot_id": "other", "auth_token": None}):
        changed = change(assistant, configuration=left_out)
        assert changed.revealed() == {"bot_id": "other", "auth_token": "canary-token"}
    replaced = change(assistant, configuration={"bot_id": "bot", "auth_token": "new"})
    assert replaced.secrets == {"auth_token": SecretStr("new")}
    with pytest.raises(InvalidFields, match="Auth Token is required"):
        change(assistant, configuration={"bot_id": "bot", "auth_token": ""})


def test_another_provider_gets_no_secret_of_the_first() -> None:
    assistant = make(configuration={"phone_number": "+14155551234", "api_key": "canary"})
    moved = change(assistant, provider="vapi", configuration={"phone_number": "+14155551234"})
    assert moved.revealed() == {"phone_number": "+14155551234"}
    with pytest.raises(InvalidFields) as caught:
        change(assistant, provider="deepdub")
    assert dict(caught.value.problems) == {
        "configuration.bot_id": "Bot ID is required",
        "configuration.auth_token": "Auth Token is required",
    }


def test_an_unknown_provider_is_named() -> None:
    for attempt in (lambda: make(provider="acme"), lambda: change(make(), provider="acme")):
        with pytest.raises(InvalidFields) as caught:
            attempt()
        assert caught.value.problems == (("provider", "Unknown AI provider: acme"),)


def test_numbers_are_kept_as_text_and_empty_lists_are_empty() -> None:
    assert make(**{**DEEPDUB, "configuration": {"bot_id": 7, "auth_token": "t"}}).configuration == {"bot_id": "7"}
    with pytest.raises(InvalidFields, match="Phone Number is required"):
        make(configuration=[])


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "n" * 256},
        {"description": "d" * 1001},
        {"status": "asleep"},
        {"provider": "p" * 101},
        {"configuration": ["x"]},
        {"configuration": "x"},
        {"colour": "red"},
    ],
)
def test_what_is_no_assistant(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(**fields)
    with pytest.raises(ValidationError):
        change(make(), **fields)


def test_what_the_server_answered_can_be_sent_back() -> None:
    assistant = make(**DEEPDUB)
    assert change(assistant, **assistant.public()).revealed() == assistant.revealed()
