"""What every store must do with AI assistants. A test module derives its classes from these."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from adapters.store.assistants import statements
from adapters.store.assistants.contract import AssistantOrder, AssistantPage, AssistantQuery
from adapters.store.base import GrantKind, Store
from models.assistant import (
    AiAssistant,
    AiAssistantWrite,
    AssistantReference,
    AssistantReferenceWrite,
    AssistantStatus,
    ReferenceType,
)
from models.assistant_providers import AssistantProtocol
from models.errors import Changed, Conflict, InUse, InvalidField, NotFound
from models.timestamps import NOT_YET
from tests.adapters.store.samples import CUSTOMER, STRANGER, at, make_grant

DEEPDUB = {"provider": "deepdub", "configuration": {"bot_id": "grüß", "auth_token": "canary-token"}}


def make_assistant(seconds: float = 0.0, customer_id: UUID = CUSTOMER, **fields: Any) -> AiAssistant:
    body = {"name": str(uuid4()), "provider": "retell", "configuration": {"phone_number": "+14155551234"}, **fields}
    return AiAssistant.create(
        AiAssistantWrite.model_validate(body),
        organization_id=customer_id,
        media_id=uuid4(),
        by=None,
        now=at(seconds),
    )


async def listed(store: Store, **query: Any) -> list[str]:
    page = await store.list_assistants(AssistantQuery(**query), customer_id=CUSTOMER)
    return [assistant.name for assistant in page.items]


async def refer(store: Store, assistant: AiAssistant, type_: str, key: str, label: str = "") -> AssistantReference:
    written = AssistantReferenceWrite(type=ReferenceType(type_), key=key, label=label)
    return await store.add_reference(assistant.id, written, customer_id=assistant.organization_id, now=at(1))


class AssistantContract:
    async def test_an_assistant_comes_back_as_it_was_stored(self, store: Store) -> None:
        for fields in (DEEPDUB, {"description": "d" * 1000, "status": "inactive"}):
            made = make_assistant(0.123456, **fields)
            stored = await store.create_assistant(made)
            assert stored.id > 0
            assert stored == made.model_copy(update={"id": stored.id})
            assert await store.get_assistant(stored.id, customer_id=CUSTOMER) == stored
            assert await store.get_assistant(stored.id, customer_id=None) == stored
            assert await store.find_assistant(stored.media_id) == stored
        assert await store.find_assistant(uuid4()) is None

    async def test_ids_count_up_over_all_customers(self, store: Store) -> None:
        owners = (CUSTOMER, STRANGER, CUSTOMER)
        ids = [(await store.create_assistant(make_assistant(customer_id=owner))).id for owner in owners]
        assert ids == sorted(set(ids))
        await store.delete_assistant(ids[-1], customer_id=CUSTOMER, now=at())
        assert (await store.create_assistant(make_assistant())).id > ids[-1]

    async def test_a_name_is_taken_once_per_customer(self, store: Store) -> None:
        first = await store.create_assistant(make_assistant(name="desk"))
        with pytest.raises(InvalidField) as caught:
            await store.create_assistant(make_assistant(name="desk"))
        assert caught.value.field == "name"
        await store.create_assistant(make_assistant(name="desk", customer_id=STRANGER))
        other = await store.create_assistant(make_assistant())
        with pytest.raises(InvalidField):
            await store.update_assistant(other.model_copy(update={"name": "desk"}))
        await store.update_assistant(first.model_copy(update={"description": "x"}))
        await store.delete_assistant(first.id, customer_id=CUSTOMER, now=at())
        await store.create_assistant(make_assistant(name="desk"))

    async def test_a_name_is_taken_once_by_two_at_the_same_moment(self, store: Store) -> None:
        made = await asyncio.gather(
            *(store.create_assistant(make_assistant(name="desk")) for _ in range(4)), return_exceptions=True
        )
        assert [type(it).__name__ for it in made if isinstance(it, BaseException)] == ["InvalidField"] * 3
        assert await listed(store) == ["desk"]

    async def test_another_customers_assistant_is_not_there(self, store: Store) -> None:
        stored = await store.create_assistant(make_assistant())
        reference = await refer(store, stored, "extension", "1")
        foreign = stored.model_copy(update={"organization_id": STRANGER})
        written = AssistantReferenceWrite(type=ReferenceType.EXTENSION, key="2")
        for attempt in (
            store.get_assistant(stored.id, customer_id=STRANGER),
            store.update_assistant(foreign),
            store.delete_assistant(stored.id, customer_id=STRANGER, now=at()),
            store.add_reference(stored.id, written, customer_id=STRANGER, now=at()),
            store.list_references(stored.id, customer_id=STRANGER),
            store.remove_reference(stored.id, reference.id, customer_id=STRANGER),
        ):
            with pytest.raises(NotFound):
                await attempt
        page = await store.list_assistants(AssistantQuery(), customer_id=STRANGER)
        assert page == AssistantPage([], 0)
        assert await store.list_references(stored.id, customer_id=CUSTOMER) == [reference]

    async def test_update_replaces(self, store: Store) -> None:
        stored, other = [await store.create_assistant(make_assistant()) for _ in range(2)]
        changes = {
            "name": "new",
            "provider": "deepdub",
            "protocol": AssistantProtocol.WEBSOCKET,
            "configuration": {"bot_id": "b"},
            "secrets": {"auth_token": SecretStr("t")},
            "status": AssistantStatus.INACTIVE,
            "updated_by": uuid4(),
            "updated_at": at(5),
        }
        replaced = stored.model_copy(update=changes)
        await store.update_assistant(replaced)
        assert await store.get_assistant(stored.id, customer_id=CUSTOMER) == replaced
        assert await store.get_assistant(other.id, customer_id=CUSTOMER) == other

    async def test_update_only_of_what_was_seen(self, store: Store) -> None:
        stored = await store.create_assistant(make_assistant())
        first = stored.model_copy(update={"name": "first", "updated_at": at(1)})
        await store.update_assistant(first, unchanged_since=stored.updated_at)
        with pytest.raises(Changed):
            await store.update_assistant(
                stored.model_copy(update={"name": "second"}), unchanged_since=stored.updated_at
            )
        assert await store.get_assistant(stored.id, customer_id=CUSTOMER) == first

    async def test_a_deleted_assistant_is_gone_with_its_token(self, store: Store) -> None:
        stored = await store.create_assistant(make_assistant())
        await store.put_grant(make_grant(stored.media_id, NOT_YET, GrantKind.ASSISTANT))
        grant = await store.get_grant(stored.media_id)
        assert grant is not None
        assert grant.kind is GrantKind.ASSISTANT
        deleted = await store.delete_assistant(stored.id, customer_id=CUSTOMER, now=at(5))
        assert deleted == stored.model_copy(update={"deleted_at": at(5)})
        assert await store.get_grant(stored.media_id) is None
        assert await store.find_assistant(stored.media_id) is None
        written = AssistantReferenceWrite(type=ReferenceType.EXTENSION, key="2")
        for attempt in (
            store.get_assistant(stored.id, customer_id=None),
            store.update_assistant(stored),
            store.delete_assistant(stored.id, customer_id=CUSTOMER, now=at(6)),
            store.add_reference(stored.id, written, customer_id=CUSTOMER, now=at()),
        ):
            with pytest.raises(NotFound):
                await attempt
        assert await listed(store) == []


class AssistantListContract:
    async def test_the_scopes(self, store: Store) -> None:
        for fields in (
            {"name": "Customer Service Bot"},
            {"name": "b", "provider": "vapi", "description": "for CUSTOMERS, 100%"},
            {"name": "c", "status": "inactive"},
            {"name": "d", **DEEPDUB},
        ):
            await store.create_assistant(make_assistant(**fields))
        await store.create_assistant(make_assistant(name="theirs", customer_id=STRANGER))
        assert await listed(store, status=AssistantStatus.INACTIVE) == ["c"]
        assert await listed(store, protocol=AssistantProtocol.WEBSOCKET) == ["d"]
        assert await listed(store, provider="vapi") == ["b"]
        assert await listed(store, search="customer") == ["Customer Service Bot", "b"]
        assert await listed(store, search="RETELL") == ["Customer Service Bot", "c"]
        assert await listed(store, search="100%") == ["b"]
        assert await listed(store, search="1%%") == []
        assert await listed(store, search="_") == []
        assert await listed(store, search="bot", status=AssistantStatus.INACTIVE) == []
        assert await listed(store, provider="vap") == []

    async def test_order_and_pages(self, store: Store) -> None:
        for number, name in enumerate(("b", "c", "a", "e", "d")):
            provider = "vapi" if number % 2 else "retell"
            await store.create_assistant(make_assistant(number, name=name, provider=provider))
        assert await listed(store) == ["a", "b", "c", "d", "e"]
        assert await listed(store, descending=True) == ["e", "d", "c", "b", "a"]
        assert await listed(store, order=AssistantOrder.CREATED_AT) == ["b", "c", "a", "e", "d"]
        # Those that are equal stand in the order of their ids.
        assert await listed(store, order=AssistantOrder.PROVIDER) == ["b", "a", "d", "c", "e"]
        for order in AssistantOrder:
            assert sorted(await listed(store, order=order)) == ["a", "b", "c", "d", "e"]
        pages = [await listed(store, page=page, per_page=2) for page in (1, 2, 3, 4)]
        assert pages == [["a", "b"], ["c", "d"], ["e"], []]
        page = await store.list_assistants(AssistantQuery(page=2, per_page=2), customer_id=CUSTOMER)
        assert page.total == 5

    def test_active_and_inactive_are_with_status(self) -> None:
        assert statements.active().compare(statements.with_status(AssistantStatus.ACTIVE))
        assert statements.inactive().compare(statements.with_status(AssistantStatus.INACTIVE))


class ReferenceContract:
    async def test_references_are_counted_and_listed(self, store: Store) -> None:
        stored, other = [await store.create_assistant(make_assistant()) for _ in range(2)]
        added = [await refer(store, stored, type_, "1", f"l {type_}") for type_ in ReferenceType]
        await refer(store, other, "extension", "1")
        assert [it.type for it in added] == list(ReferenceType)
        assert await store.list_references(stored.id, customer_id=CUSTOMER) == added
        assert (await store.get_assistant(stored.id, customer_id=CUSTOMER)).usage_count == 7
        page = await store.list_assistants(AssistantQuery(), customer_id=CUSTOMER)
        assert {it.id: it.usage_count for it in page.items} == {stored.id: 7, other.id: 1}

    async def test_the_same_one_again_takes_the_new_label(self, store: Store) -> None:
        stored = await store.create_assistant(make_assistant())
        first = await refer(store, stored, "did_number", "+1", "old")
        again = await refer(store, stored, "did_number", "+1", "new")
        assert again == first.model_copy(update={"label": "new"})
        assert await store.list_references(stored.id, customer_id=CUSTOMER) == [again]

    async def test_a_removed_one_is_gone_and_its_number_too(self, store: Store) -> None:
        stored, other = [await store.create_assistant(make_assistant()) for _ in range(2)]
        reference = await refer(store, stored, "ivr_option", "12:1")
        with pytest.raises(NotFound):
            await store.remove_reference(other.id, reference.id, customer_id=CUSTOMER)
        await store.remove_reference(stored.id, reference.id, customer_id=CUSTOMER)
        with pytest.raises(NotFound):
            await store.remove_reference(stored.id, reference.id, customer_id=CUSTOMER)
        assert await store.list_references(stored.id, customer_id=CUSTOMER) == []
        assert (await refer(store, stored, "ivr_option", "12:1")).id > reference.id

    async def test_what_is_referred_to_is_not_deleted(self, store: Store) -> None:
        stored = await store.create_assistant(make_assistant())
        number = await refer(store, stored, "did_number", "+12125551234", "main")
        option = await refer(store, stored, "ivr_option", "12:1")
        with pytest.raises(InUse) as caught:
            await store.delete_assistant(stored.id, customer_id=CUSTOMER, now=at(5))
        assert isinstance(caught.value, Conflict)
        assert caught.value.references == {"did_numbers": [number.public()], "ivr_menu_options": [option.public()]}
        assert await listed(store) == [stored.name]
        for reference in (number, option):
            await store.remove_reference(stored.id, reference.id, customer_id=CUSTOMER)
        await store.delete_assistant(stored.id, customer_id=CUSTOMER, now=at(5))

    async def test_every_type_has_a_name_in_a_refusal(self, store: Store) -> None:
        assert statements.KINDS.keys() == set(ReferenceType)
