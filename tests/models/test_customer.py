from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from models.customer import ApiKey, ApiKeyWrite, Customer, CustomerWrite, Prices, Scope, key_prefix
from models.errors import InvalidField
from models.ids import DEFAULT_CUSTOMER_ID
from models.timestamps import NOT_YET

NOW = datetime(2024, 3, 1, 10, tzinfo=UTC)
ID = UUID("a092c5d9-632c-48d7-b70b-499f2ca084b1")


def test_a_new_customer_has_no_limits() -> None:
    customer = Customer.create(CustomerWrite(name="Dentist"), id=ID, now=NOW)
    assert customer.public() == {
        "id": str(ID),
        "name": "Dentist",
        "detail": "",
        "max_calls": 0,
        "max_spend": 0.0,
        "prices": {"llm_input": 0.0, "llm_output": 0.0, "tts": 0.0, "stt": 0.0},
        "tm_create": "2024-03-01T10:00:00.000000Z",
        "tm_update": "9999-01-01T00:00:00.000000Z",
        "tm_delete": "9999-01-01T00:00:00.000000Z",
    }


def test_what_was_read_can_be_sent_back() -> None:
    customer = Customer.create(CustomerWrite(name="Dentist", max_calls=3, prices=Prices(tts=0.5)), id=ID, now=NOW)
    body = CustomerWrite.model_validate({**customer.public(), "name": "Baker"})
    replaced = customer.replaced(body, now=NOW)
    assert replaced == customer.model_copy(update={"name": "Baker", "tm_update": NOW})


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"max_calls": -1}, "max_calls"),
        ({"max_calls": 1.5}, "max_calls"),
        ({"max_calls": True}, "max_calls"),
        ({"max_spend": -0.1}, "max_spend"),
        ({"max_spend": "inf"}, "max_spend"),
        ({"max_spend": float("inf")}, "max_spend"),
        ({"max_spend": False}, "max_spend"),
        ({"max_calls": "3"}, "max_calls"),
        ({"prices": {"tts": -1}}, "prices.tts"),
        ({"prices": {"fax": 1}}, "prices.fax"),
        ({"email": "x"}, "email"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CustomerWrite.model_validate({"name": "x", **fields})
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [wrong]


def test_a_whole_number_may_have_a_point() -> None:
    assert CustomerWrite.model_validate({"name": "x", "max_calls": 3.0, "max_spend": 2}).max_calls == 3


def test_a_key_shows_what_names_it_and_no_more() -> None:
    key = ApiKey.create(ApiKeyWrite(scopes=[Scope.READ, Scope.READ]), id=ID, customer_id=uuid4(), now=NOW)
    assert key.scopes == [Scope.READ]
    assert key.prefix == key_prefix(ID) == "aic_a092c5d9632c48d7b70b499f2ca084b1"
    assert key.tm_last_used == NOT_YET
    assert set(key.public()) == {
        "id", "customer_id", "name", "scopes", "prefix", "tm_last_used", "tm_create", "tm_delete",
    }  # fmt: skip


@pytest.mark.parametrize("scopes", [[], ["root"], "read", None])
def test_scopes_are_known_and_at_least_one(scopes: Any) -> None:
    with pytest.raises(ValidationError):
        ApiKeyWrite.model_validate({"scopes": scopes})


def test_admin_is_the_operators() -> None:
    body = ApiKeyWrite(scopes=[Scope.READ, Scope.ADMIN])
    with pytest.raises(InvalidField) as caught:
        ApiKey.create(body, id=ID, customer_id=uuid4(), now=NOW)
    assert caught.value.field == "scopes"
    assert ApiKey.create(body, id=ID, customer_id=DEFAULT_CUSTOMER_ID, now=NOW).scopes == [Scope.READ, Scope.ADMIN]
