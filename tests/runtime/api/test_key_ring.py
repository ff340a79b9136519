"""API keys against a real store, on clocks that the tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from adapters.store.base import Store
from adapters.store.factory import create_store
from models.customer import ApiKey, ApiKeyWrite, Customer, CustomerWrite, Scope
from models.errors import Unavailable
from models.ids import DEFAULT_CUSTOMER_ID
from models.timestamps import NOT_YET
from runtime.api.key_ring import OPERATOR, REMEMBERED_S, USED_STEP, Holder, KeyRing, new_key
from runtime.tokens import hash_token

SECRET = "c2VjcmV0LWtleS1vZi10aGUtc3RvcmUncy10ZXN0cyE="


class World:
    """A store, a ring in front of it, and their clocks."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seconds = 100.0
        self.ring = self.another_ring()

    def another_ring(self) -> KeyRing:
        return KeyRing("the-operators", self.store, now=self.now, clock=lambda: self.seconds)

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    async def customer(self) -> UUID:
        customer = Customer.create(CustomerWrite(name="x"), id=uuid4(), now=self.now())
        await self.store.create_customer(customer)
        return customer.id

    async def key(self, customer_id: UUID, *scopes: Scope) -> tuple[ApiKey, str]:
        body = ApiKeyWrite(scopes=list(scopes or (Scope.READ,)))
        record = ApiKey.create(body, id=uuid4(), customer_id=customer_id, now=self.now())
        key = new_key(record.id)
        await self.store.create_api_key(record, key_sha256=hash_token(key))
        return record, key

    async def last_used(self, record: ApiKey) -> datetime:
        return (await self.store.get_api_key(record.customer_id, record.id)).tm_last_used


@pytest.fixture
async def world() -> AsyncIterator[World]:
    store = create_store(":memory:", secret_key=SECRET)
    await store.open()
    yield World(store)
    await store.close()


async def test_the_operators_key_is_the_default_customers_admin(world: World) -> None:
    assert await world.ring.holder("the-operators") == OPERATOR
    assert Holder(DEFAULT_CUSTOMER_ID, frozenset({Scope.ADMIN})) == OPERATOR
    await world.store.close()
    # It opens while the store is down.
    assert await world.ring.holder("the-operators") == OPERATOR


async def test_a_key_names_its_customer_and_scopes(world: World) -> None:
    customer_id = await world.customer()
    record, key = await world.key(customer_id, Scope.WRITE, Scope.CALLS)
    assert key.startswith(record.prefix + "_")
    assert len(key) == len(record.prefix) + 1 + 43
    assert await world.ring.holder(key) == Holder(customer_id, frozenset({Scope.WRITE, Scope.CALLS}))


async def test_nothing_else_opens(world: World) -> None:
    record, key = await world.key(await world.customer())
    other, other_key = await world.key(record.customer_id)
    assert await world.ring.holder(key)
    secret = key.rpartition("_")[2]
    for wrong in (
        "",
        "the-operators ",
        "aic_",
        record.prefix,
        record.prefix + "_",
        key[:-1],
        key + "x",
        key.upper(),
        other.prefix + "_" + secret,
        "aic_" + str(record.id) + "_" + secret,
        "aic_{" + record.id.hex + "}_" + secret,
        "aic_" + uuid4().hex + "_" + secret,
        secret,
        "\udcff",
    ):
        assert await world.ring.holder(wrong) is None, wrong
    assert await world.ring.holder(other_key)


async def test_a_revocation_is_noticed_by_every_ring(world: World) -> None:
    record, key = await world.key(await world.customer())
    rings = [world.ring, world.another_ring()]
    for ring in rings:
        assert await ring.holder(key)
    await world.store.revoke_api_key(record.customer_id, record.id, now=world.now())
    world.seconds += REMEMBERED_S
    for ring in rings:
        assert await ring.holder(key) is None
    assert REMEMBERED_S <= 2


async def test_a_key_is_remembered_for_a_moment(world: World) -> None:
    _, key = await world.key(await world.customer())
    assert await world.ring.holder(key)
    await world.store.close()
    world.seconds += REMEMBERED_S * 0.99
    assert await world.ring.holder(key)
    world.seconds += REMEMBERED_S * 0.02
    with pytest.raises(Unavailable):
        await world.ring.holder(key)


async def test_a_deleted_customers_keys_open_nothing(world: World) -> None:
    record, key = await world.key(await world.customer())
    assert await world.ring.holder(key)
    await world.store.delete_customer(record.customer_id, now=world.now())
    world.seconds += REMEMBERED_S
    assert await world.ring.holder(key) is None


async def test_its_use_is_noted_coarsely(world: World) -> None:
    record, key = await world.key(await world.customer())
    assert await world.last_used(record) == NOT_YET
    await world.ring.holder(key + "x")
    assert await world.last_used(record) == NOT_YET
    first = world.now()
    for _ in range(5):
        await world.ring.holder(key)
        world.seconds += REMEMBERED_S / 2
    assert await world.last_used(record) == first
    world.seconds += USED_STEP.total_seconds()
    await world.ring.holder(key)
    assert await world.last_used(record) == world.now()


async def test_a_ring_remembers_a_bounded_number_of_keys(world: World) -> None:
    customer_id = await world.customer()
    keys = [(await world.key(customer_id))[1] for _ in range(1026)]
    for key in keys:
        assert await world.ring.holder(key)
    await world.store.close()
    assert await world.ring.holder(keys[-1])
    with pytest.raises(Unavailable):
        await world.ring.holder(keys[0])
