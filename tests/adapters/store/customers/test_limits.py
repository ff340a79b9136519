"""The limit of calls holds across processes: two stores on one database share it."""

from __future__ import annotations

import asyncio

import pytest

from adapters.store.base import Store
from adapters.store.customers.limits import RETRY_AFTER_S
from adapters.store.factory import create_store
from models.aicall import ReferenceType
from models.errors import LimitReached
from tests.adapters.store.customers.contract import stored_customer
from tests.adapters.store.samples import KEY, make_aicall


async def test_two_processes_share_one_limit(shared_database_url: str) -> None:
    stores: list[Store] = [create_store(shared_database_url, secret_key=KEY) for _ in range(2)]
    for store in stores:
        await store.open()
    try:
        customer = await stored_customer(stores[0], max_calls=4)
        attempts = [stores[number % 2].create_aicall(make_aicall(customer_id=customer.id)) for number in range(16)]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        assert sorted(type(it).__name__ for it in results) == ["Event"] * 4 + ["LimitReached"] * 12
        assert {it.retry_after_s for it in results if isinstance(it, LimitReached)} == {RETRY_AFTER_S}
    finally:
        for store in stores:
            await store.close()


@pytest.mark.parametrize("kind", [ReferenceType.CONVERSATION, ReferenceType.TASK])
async def test_only_phone_calls_are_limited(store: Store, kind: ReferenceType) -> None:
    customer = await stored_customer(store, max_calls=1)
    for reference_type in (kind, kind, ReferenceType.CALL, kind):
        aicall = make_aicall(customer_id=customer.id).model_copy(update={"reference_type": reference_type})
        await store.create_aicall(aicall)
    with pytest.raises(LimitReached):
        await store.create_aicall(make_aicall(customer_id=customer.id))
