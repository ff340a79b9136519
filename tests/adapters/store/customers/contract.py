"""What every store must do with customers and their API keys."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from adapters.store.base import Store
from models.customer import ApiKey, ApiKeyWrite, Customer, CustomerWrite, Prices
from models.errors import Changed, Conflict, LimitReached, NotFound
from models.event import EventType, NewEvent
from models.ids import DEFAULT_CUSTOMER_ID
from models.status import AicallStatus
from models.timestamps import NOT_YET
from models.usage import Usage
from tests.adapters.store.contract import all_pages
from tests.adapters.store.samples import at, make_aicall, terminate

HASH = bytes(range(32))


def make_customer(seconds: float = 0.0, **fields: object) -> Customer:
    body = CustomerWrite.model_validate({"name": "Dentist", **fields})
    return Customer.create(body, id=uuid4(), now=at(seconds))


def make_key(customer_id: UUID, seconds: float = 0.0, **fields: object) -> ApiKey:
    body = ApiKeyWrite.model_validate({"name": "till", "scopes": ["read", "calls"], **fields})
    return ApiKey.create(body, id=uuid4(), customer_id=customer_id, now=at(seconds))


async def stored_customer(store: Store, seconds: float = 0.0, **fields: object) -> Customer:
    customer = make_customer(seconds, **fields)
    await store.create_customer(customer)
    return customer


async def stored_key(store: Store, customer_id: UUID, seconds: float = 0.0) -> ApiKey:
    key = make_key(customer_id, seconds)
    await store.create_api_key(key, key_sha256=HASH)
    return key


class CustomerContract:
    async def test_a_customer_comes_back_as_it_was_stored(self, store: Store) -> None:
        prices = {"llm_input": 0.15, "llm_output": 0.6, "tts": 1e-9, "stt": 1e9}
        customer = make_customer(0.123456, detail="grüß Gott", max_calls=7, max_spend=1.25, prices=prices)
        await store.create_customer(customer)
        assert await store.get_customer(customer.id) == customer
        with pytest.raises(Conflict):
            await store.create_customer(customer)

    async def test_the_default_customer_is_there_and_stays(self, store: Store) -> None:
        default = await store.get_customer(DEFAULT_CUSTOMER_ID)
        assert (default.max_calls, default.max_spend, default.tm_update) == (0, 0, NOT_YET)
        with pytest.raises(Conflict):
            await store.delete_customer(DEFAULT_CUSTOMER_ID, now=at())
        assert await store.get_customer(DEFAULT_CUSTOMER_ID) == default

    async def test_update_replaces_what_is_still_as_it_was_read(self, store: Store) -> None:
        customer, other = await stored_customer(store), await stored_customer(store)
        replaced = customer.replaced(CustomerWrite(name="Baker", max_calls=3), now=at(5))
        await store.update_customer(replaced, unchanged_since=customer.tm_update)
        assert await store.get_customer(customer.id) == replaced
        with pytest.raises(Changed):
            await store.update_customer(customer, unchanged_since=customer.tm_update)
        assert await store.get_customer(customer.id) == replaced
        await store.update_customer(replaced.model_copy(update={"name": "Butcher"}))
        assert (await store.get_customer(customer.id)).name == "Butcher"
        assert await store.get_customer(other.id) == other
        with pytest.raises(NotFound):
            await store.update_customer(make_customer())

    async def test_pages_hold_every_customer_once_newest_first(self, store: Store) -> None:
        made = [await stored_customer(store, 1e9 + number // 2) for number in range(5)]
        listed = await all_pages(lambda token: store.list_customers(page_size=2, page_token=token))
        default = await store.get_customer(DEFAULT_CUSTOMER_ID)
        assert listed == sorted([*made, default], key=lambda it: (it.tm_create, it.id), reverse=True)

    async def test_a_deleted_customer_is_gone_with_its_keys(self, store: Store) -> None:
        customer, other = await stored_customer(store), await stored_customer(store)
        key, kept = await stored_key(store, customer.id), await stored_key(store, other.id)
        deleted = await store.delete_customer(customer.id, now=at(9))
        assert deleted == customer.model_copy(update={"tm_delete": at(9)})
        assert await store.find_api_key(key.id) is None
        assert await store.find_api_key(kept.id) is not None
        for attempt in (
            store.get_customer(customer.id),
            store.delete_customer(customer.id, now=at(10)),
            store.update_customer(customer),
            store.create_api_key(make_key(customer.id), key_sha256=HASH),
            store.list_api_keys(customer.id, page_size=1),
            store.get_api_key(customer.id, key.id),
            store.create_aicall(make_aicall(customer_id=customer.id)),
        ):
            with pytest.raises(NotFound):
                await attempt
        assert customer.id not in {it.id for it in (await store.list_customers(page_size=10)).items}


class ApiKeyContract:
    async def test_a_key_comes_back_as_it_was_stored(self, store: Store) -> None:
        customer = await stored_customer(store)
        key = await stored_key(store, customer.id, 0.5)
        assert await store.get_api_key(customer.id, key.id) == key
        found = await store.find_api_key(key.id)
        assert found is not None
        assert (found.key, found.key_sha256) == (key, HASH)
        assert "x02" not in repr(found)
        assert await store.find_api_key(uuid4()) is None
        with pytest.raises(Conflict):
            await store.create_api_key(key, key_sha256=HASH)

    async def test_another_customers_key_is_not_there(self, store: Store) -> None:
        mine, other = await stored_customer(store), await stored_customer(store)
        key = await stored_key(store, mine.id)
        for attempt in (
            store.get_api_key(other.id, key.id),
            store.revoke_api_key(other.id, key.id, now=at()),
            store.create_api_key(make_key(uuid4()), key_sha256=HASH),
        ):
            with pytest.raises(NotFound):
                await attempt
        assert (await store.list_api_keys(other.id, page_size=9)).items == []
        assert await store.get_api_key(mine.id, key.id) == key

    async def test_a_revoked_key_opens_nothing(self, store: Store) -> None:
        customer = await stored_customer(store)
        key, kept = await stored_key(store, customer.id), await stored_key(store, customer.id)
        assert await store.revoke_api_key(customer.id, key.id, now=at(3)) == key.model_copy(update={"tm_delete": at(3)})
        assert await store.find_api_key(key.id) is None
        for attempt in (store.revoke_api_key(customer.id, key.id, now=at(4)), store.get_api_key(customer.id, key.id)):
            with pytest.raises(NotFound):
                await attempt
        assert (await store.list_api_keys(customer.id, page_size=9)).items == [kept]

    async def test_pages_hold_every_key_once_newest_first(self, store: Store) -> None:
        customer = await stored_customer(store)
        made = [await stored_key(store, customer.id, number // 2) for number in range(5)]
        listed = await all_pages(lambda token: store.list_api_keys(customer.id, page_size=2, page_token=token))
        assert listed == sorted(made, key=lambda it: (it.tm_create, it.id), reverse=True)

    async def test_its_use_is_noted(self, store: Store) -> None:
        customer = await stored_customer(store)
        key, other = await stored_key(store, customer.id), await stored_key(store, customer.id)
        assert key.tm_last_used == NOT_YET
        await store.api_key_used(key.id, now=at(7))
        await store.api_key_used(uuid4(), now=at(8))
        assert (await store.get_api_key(customer.id, key.id)).tm_last_used == at(7)
        assert await store.get_api_key(customer.id, other.id) == other


class UsageContract:
    async def test_what_an_aicall_used_is_what_was_recorded_last(self, store: Store) -> None:
        aicall, other = make_aicall(), make_aicall()
        for one in (aicall, other):
            await store.create_aicall(one)
        assert await store.last_usage(aicall.id) == Usage()
        first, second = Usage(llm_input_tokens=5, stt_seconds=1.25), Usage(llm_input_tokens=9, tts_characters=70)
        for usage, id_ in ((first, aicall.id), (second, aicall.id), (first, other.id)):
            data = usage.public(Prices(llm_input=2.0))
            await store.add_event(NewEvent(type=EventType.USAGE, aicall_id=id_, tm_create=at(1), data=data))
            await store.add_event(NewEvent(type=EventType.VARIABLES_SET, aicall_id=id_, tm_create=at(1), data={}))
        assert await store.last_usage(aicall.id) == second
        assert await store.last_usage(other.id) == first
        assert await store.last_usage(uuid4()) == Usage()


class CallLimitContract:
    async def test_calls_that_have_not_ended_are_counted(self, store: Store) -> None:
        customer = await stored_customer(store, max_calls=2)
        first, second = (make_aicall(customer_id=customer.id) for _ in range(2))
        await store.create_aicall(first)
        await store.create_aicall(second)
        await store.move_aicall(second.id, AicallStatus.PROGRESSING, now=at(1))
        for _ in range(2):
            with pytest.raises(LimitReached) as caught:
                await store.create_aicall(make_aicall(customer_id=customer.id))
            assert caught.value.retry_after_s > 0
        await terminate(store, first)
        await store.create_aicall(make_aicall(customer_id=customer.id))
        with pytest.raises(LimitReached):
            await store.create_aicall(make_aicall(customer_id=customer.id))
        listed = await store.list_aicalls(customer_id=customer.id, page_size=9)
        assert len(listed.items) == 3

    async def test_other_customers_and_no_limit_take_no_part(self, store: Store) -> None:
        limited, free = await stored_customer(store, max_calls=1), await stored_customer(store)
        for customer_id in (free.id, free.id, uuid4(), limited.id):
            await store.create_aicall(make_aicall(customer_id=customer_id))
        with pytest.raises(LimitReached):
            await store.create_aicall(make_aicall(customer_id=limited.id))

    async def test_however_many_ask_at_once_no_more_than_the_limit_get_one(self, store: Store) -> None:
        customer = await stored_customer(store, max_calls=5)
        attempts = (store.create_aicall(make_aicall(customer_id=customer.id)) for _ in range(20))
        results = await asyncio.gather(*attempts, return_exceptions=True)
        refused = [result for result in results if isinstance(result, BaseException)]
        assert len(refused) == 15
        assert {type(error) for error in refused} == {LimitReached}
