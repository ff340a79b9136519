from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr, ValidationError

from models.event import Event
from models.timestamps import NOT_YET
from models.webhook import (
    DeadLetter,
    Webhook,
    WebhookStatus,
    WebhookWrite,
    known_event_types,
    new_secret,
    wants,
)
from tests.adapters.store.samples import CUSTOMER, at

SECRET = new_secret(b"s" * 32)


def body(**fields: Any) -> WebhookWrite:
    return WebhookWrite(**{"url": "https://example.com/hook", **fields})


def webhook(**fields: Any) -> Webhook:
    return Webhook.create(body(**fields), id=uuid4(), customer_id=CUSTOMER, secret=SECRET, now=at())


@pytest.mark.parametrize(
    ("event_types", "wanted", "unwanted"),
    [
        (["all"], ["aicall_status_progressing", "anything"], []),
        (["aimessage_created"], ["aimessage_created"], ["aimessage_created_too", "aimessage"]),
        (["aicall_status_*"], ["aicall_status_terminated"], ["aicall_turn_completed", "aicall_status"]),
        (["aimessage_*", "aicall_variables_set"], ["aimessage_created", "aicall_variables_set"], ["x_aimessage_"]),
        ([], [], ["aimessage_created"]),
    ],
)
def test_what_is_wanted(event_types: list[str], wanted: list[str], unwanted: list[str]) -> None:
    assert all(wants(event_types, it) for it in wanted)
    assert not any(wants(event_types, it) for it in unwanted)


def test_every_status_and_every_other_type_is_known() -> None:
    assert {"aicall_status_terminated", "aimessage_created", "aicall_turn_completed"} <= known_event_types()


def test_defaults() -> None:
    made = webhook()
    assert (made.name, made.event_types, made.status) == ("", ["all"], WebhookStatus.ACTIVE)
    assert (made.tm_create, made.tm_update, made.tm_delete) == (at(), NOT_YET, NOT_YET)
    assert made.secret == SECRET


def wrong_field(**fields: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        body(**fields)
    (error,) = refused.value.errors()
    assert "AAAA" not in str(refused.value)
    return str(error.get("ctx", {}).get("field") or error["loc"][0])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "x" * 2049}, "url"),
        ({"url": 5}, "url"),
        ({"name": "x" * 256}, "name"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["aimessage_creatd"]}, "event_types"),
        ({"event_types": ["*"]}, "event_types"),
        ({"event_types": ["aicall*status"]}, "event_types"),
        ({"event_types": ["AICALL_*"]}, "event_types"),
        ({"event_types": ["all"] * 65}, "event_types"),
        ({"event_types": "all"}, "event_types"),
        ({"status": "asleep"}, "status"),
        ({"secret": "AAAA" * 8}, "secret"),
        ({"secret": "whsec_AAAA"}, "secret"),
        ({"secret": "whsec_" + "AAAA" * 22}, "secret"),
        ({"secret": "whsec_" + "AAAA" * 8 + "!"}, "secret"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    assert wrong_field(**fields) == field


def test_what_a_client_read_it_may_send_back() -> None:
    document = webhook(name="CRM").public()
    assert body(**document).name == "CRM"


def test_a_replaced_webhook_keeps_what_is_not_its_owners_to_write() -> None:
    before = webhook(name="CRM")
    after = before.replaced(body(url="https://other.example.com", status="disabled"), now=at(9))
    assert (after.id, after.customer_id, after.tm_create) == (before.id, CUSTOMER, at())
    assert (after.name, after.url, after.status, after.tm_update) == (
        "",
        "https://other.example.com",
        "disabled",
        at(9),
    )
    assert after.secret == SECRET
    given = SecretStr("whsec_" + "AAAA" * 8)
    assert before.replaced(body(secret=given), now=at(9)).secret == given
    assert before.replaced(body(secret=""), now=at(9)).secret == SECRET


def test_the_secret_is_never_shown() -> None:
    made = webhook()
    text = SECRET.get_secret_value()
    assert text.startswith("whsec_")
    assert text not in f"{made!r}{made.public()}{made.model_dump()}{made.model_dump_json()}"
    assert "secret" not in made.public()


def test_a_dead_letter_shows_the_envelope() -> None:
    event = Event(id="7", type="t", aicall_id=uuid4(), sequence=1, tm_create=at(), data={"a": 1})
    letter = DeadLetter(
        id="7", webhook_id=uuid4(), customer_id=CUSTOMER, event=event, attempts=3, error="timeout", tm_create=at(1)
    )
    assert letter.public()["event"] == event.public()
    assert letter.public().keys() == {"id", "webhook_id", "customer_id", "event", "attempts", "error", "tm_create"}
