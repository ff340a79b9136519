from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.store.base import Store
from adapters.store.factory import create_store
from adapters.store.sqlite import MEMORY
from models.aicall import Aicall
from models.errors import DeliveryFailed
from models.event import Event
from models.webhook import Webhook, WebhookStatus
from runtime.delivery.metrics import DeliveryMetrics
from runtime.delivery.relay import RelayLimits
from tests.adapters.store.deliveries.contract import make_webhook, new_aicall
from tests.adapters.store.samples import CUSTOMER, KEY, STRANGER, at
from tests.runtime.delivery.relays import LIMITS, PuppetSink, add_event, loop_clock, make_relay, relaying, until

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = create_store(MEMORY, secret_key=KEY)
    await store.open()
    yield store
    await store.close()


async def webhook_in(store: Store, **fields: Any) -> Webhook:
    webhook = make_webhook(**fields)
    await store.create_webhook(webhook)
    return webhook


async def calls(store: Store, number: int) -> list[Aicall]:
    return [await new_aicall(store) for _ in range(number)]


async def test_events_reach_every_sink_in_order(store: Store) -> None:
    webhook = await webhook_in(store)
    hook, nats = PuppetSink(), PuppetSink()
    aicalls = await calls(store, 4)
    async with relaying(make_relay(store, sinks={"nats": nats}, webhook_sinks={webhook.id: hook})):
        for _ in range(5):
            for aicall in aicalls:
                await add_event(store, aicall)
        await until(lambda: len(hook.delivered) == len(nats.delivered) == 24)
    for sink in (hook, nats):
        for aicall in aicalls:
            assert sink.sequences(aicall) == [1, 2, 3, 4, 5, 6]
    assert (await store.pending_deliveries()).due == {}


async def test_an_event_is_on_its_way_as_soon_as_it_is_committed(store: Store) -> None:
    webhook = await webhook_in(store)
    sink = PuppetSink()
    aicall = await new_aicall(store)
    async with relaying(make_relay(store, webhook_sinks={webhook.id: sink})):
        await until(lambda: sink.delivered)
        for _ in range(3):
            await asyncio.sleep(1.37)
            now = loop_clock()
            event = await add_event(store, aicall)
            await until(lambda event=event: event in sink.delivered)
            assert at(sink.tried_at(event.id)[0]) - now == at(0) - at(0)


async def test_no_more_run_than_there_is_room_for(store: Store) -> None:
    webhooks = [await webhook_in(store) for _ in range(3)]
    free = asyncio.Event()

    async def stall(event: Event) -> None:
        await free.wait()

    sinks = {webhook.id: PuppetSink(stall) for webhook in webhooks}
    await calls(store, 9)
    async with relaying(make_relay(store, webhook_sinks=sinks)):
        await asyncio.sleep(5)
        running = [sum(sink.running.values()) for sink in sinks.values()]
        assert max(running) == LIMITS.per_sink
        assert sum(running) == LIMITS.in_all
        free.set()
        await until(lambda: all(len(sink.delivered) == 9 for sink in sinks.values()))


async def test_a_slow_customer_does_not_slow_another(store: Store) -> None:
    slow, fast = await webhook_in(store), await webhook_in(store, customer_id=STRANGER)

    async def crawl(event: Event) -> None:
        await asyncio.sleep(100)

    sinks = {slow.id: PuppetSink(crawl), fast.id: PuppetSink()}
    await calls(store, 10)
    theirs = [await new_aicall(store, STRANGER) for _ in range(10)]
    async with relaying(make_relay(store, webhook_sinks=sinks)):
        await until(lambda: len(sinks[fast.id].delivered) == len(theirs))
        assert asyncio.get_running_loop().time() < 1
        assert sinks[slow.id].delivered == []


async def test_a_failing_aicall_holds_back_only_itself(store: Store) -> None:
    webhook = await webhook_in(store)
    bad, good = await calls(store, 2)

    async def refuse(event: Event) -> None:
        if event.aicall_id == bad.id and asyncio.get_running_loop().time() < 2.5:
            raise DeliveryFailed("http_500")

    sink = PuppetSink(refuse)
    async with relaying(make_relay(store, webhook_sinks={webhook.id: sink})):
        first = (await store.list_events(limit=1, customer_id=None))[0]
        for aicall in (bad, good):
            await add_event(store, aicall)
        await until(lambda: sink.sequences(good) == [1, 2])
        assert asyncio.get_running_loop().time() < 1
        assert sink.sequences(bad) == []
        await until(lambda: sink.sequences(bad) == [1, 2])
    # At once, then 1 s and 2 s later: doubled each time.
    assert sink.tried_at(first.id) == pytest.approx([0, 1, 3], abs=0.1)


async def test_what_is_never_taken_becomes_a_dead_letter_and_is_replayed(store: Store) -> None:
    webhook = await webhook_in(store)
    taken = asyncio.Event()

    async def refuse(event: Event) -> None:
        if event.sequence == 1 and not taken.is_set():
            raise DeliveryFailed("http_500")

    sink, nudged = PuppetSink(refuse), asyncio.Event()
    aicall = await new_aicall(store)
    second = await add_event(store, aicall)
    async with relaying(make_relay(store, webhook_sinks={webhook.id: sink}, nudged=nudged)):
        await until(lambda: sink.delivered == [second], 60)
        # 4 attempts with 1, 2 and 4 s between them.
        assert sink.tried_at(second.id) == pytest.approx([7], abs=0.2)
        letters = (await store.list_dead_letters(webhook.id, customer_id=CUSTOMER, page_size=9)).items
        assert [(letter.event.sequence, letter.attempts, letter.error) for letter in letters] == [(1, 4, "http_500")]
        taken.set()
        await store.replay_dead_letters(webhook.id, customer_id=CUSTOMER, now=loop_clock())
        nudged.set()
        now_s = asyncio.get_running_loop().time()
        await until(lambda: sink.sequences(aicall) == [2, 1])
        assert sink.attempts[-1][0] == pytest.approx(now_s, abs=0.05)


async def test_an_event_that_is_too_old_is_not_tried_for_ever(store: Store) -> None:
    webhook = await webhook_in(store)

    async def linger(event: Event) -> None:
        await asyncio.sleep(700)
        raise DeliveryFailed("timeout")

    await new_aicall(store)
    sink = PuppetSink(linger)
    async with relaying(make_relay(store, webhook_sinks={webhook.id: sink})) as running:
        await asyncio.sleep(701)
        letters = (await store.list_dead_letters(webhook.id, customer_id=CUSTOMER, page_size=9)).items
        assert [(letter.attempts, letter.error) for letter in letters] == [(1, "timeout")]
        assert not running.done()


async def test_a_sink_that_asks_for_rest_gets_it(store: Store) -> None:
    webhook = await webhook_in(store)
    one, other = await calls(store, 2)

    async def busy(event: Event) -> None:
        if event.aicall_id == one.id and not asked:
            asked.append(True)
            raise DeliveryFailed("http_429", retry_after_s=30)
        if event.aicall_id == one.id and event.sequence == 2:
            raise DeliveryFailed("http_503", retry_after_s=1e9)

    asked: list[bool] = []
    sink = PuppetSink(busy)
    limits = RelayLimits(per_sink=1)
    async with relaying(make_relay(store, webhook_sinks={webhook.id: sink}, limits=limits)):
        await asyncio.sleep(29)
        assert len(sink.attempts) == 1
        await until(lambda: sink.sequences(one) == [1] == sink.sequences(other))
        assert [moment for moment, _ in sink.attempts] == pytest.approx([0, 30, 30], abs=0.1)
        event = await add_event(store, one)
        await asyncio.sleep(100)
        # A rest without bound would be a way to have nothing delivered any more.
        assert sink.tried_at(event.id)[1] - sink.tried_at(event.id)[0] == pytest.approx(60, abs=0.1)


async def test_a_webhook_that_is_gone_is_disabled(store: Store) -> None:
    webhook = await webhook_in(store)

    async def gone(event: Event) -> None:
        raise DeliveryFailed("gone", gone=True)

    sink = PuppetSink(gone)
    aicall = await new_aicall(store)
    async with relaying(make_relay(store, webhook_sinks={webhook.id: sink})):
        await until(lambda: sink.attempts)
        await asyncio.sleep(1)
        assert (await store.get_webhook(webhook.id, customer_id=None)).status is WebhookStatus.DISABLED
        await add_event(store, aicall)
        await asyncio.sleep(100)
        assert len(sink.attempts) == 1


async def test_deleting_a_webhook_stops_its_retries(store: Store) -> None:
    webhook = await webhook_in(store)

    async def refuse(event: Event) -> None:
        raise DeliveryFailed("http_500")

    sink = PuppetSink(refuse)
    await new_aicall(store)
    async with relaying(make_relay(store, webhook_sinks={webhook.id: sink})):
        await asyncio.sleep(1.5)
        assert len(sink.attempts) == 2
        await store.delete_webhook(webhook.id, customer_id=CUSTOMER, now=loop_clock())
        await asyncio.sleep(100)
        assert len(sink.attempts) == 2


async def test_a_sink_with_a_bug_costs_no_event(store: Store) -> None:
    mistakes = [RuntimeError("a bug")]

    async def stumble(event: Event) -> None:
        if mistakes:
            raise mistakes.pop()

    sink = PuppetSink(stumble)
    await new_aicall(store)
    async with relaying(make_relay(store, sinks={"nats": sink})):
        await until(lambda: len(sink.delivered) == 1)


async def test_two_processes_share_a_database_and_one_delivers(tmp_path: Path) -> None:
    stores = [create_store(str(tmp_path / "a.db"), secret_key=KEY) for _ in range(2)]
    for store in stores:
        await store.open()
    sinks = [PuppetSink(), PuppetSink()]
    relays = [make_relay(store, sinks={"nats": sink}) for store, sink in zip(stores, sinks, strict=True)]
    aicall = await new_aicall(stores[0])
    leader = asyncio.create_task(relays[0].run())
    await until(lambda: sinks[0].delivered)
    async with relaying(relays[1]):
        await add_event(stores[1], aicall)
        await until(lambda: sinks[0].sequences(aicall) == [1, 2])
        # It dies: its lease is taken over when it has run out, and not before.
        died_at = asyncio.get_running_loop().time()
        await stores[0].close()
        await add_event(stores[1], aicall)
        await until(lambda: sinks[1].sequences(aicall) == [3], 60)
        took_s = sinks[1].attempts[0][0] - died_at
        assert LIMITS.lease_s * 2 / 3 <= took_s <= LIMITS.lease_s * 4 / 3 + 0.5
        leader.cancel()
        await asyncio.wait((leader,))
    assert sinks[1].sequences(aicall) == [3]
    await stores[1].close()


async def test_a_relay_that_stops_hands_over_at_once(tmp_path: Path) -> None:
    stores = [create_store(str(tmp_path / "a.db"), secret_key=KEY) for _ in range(2)]
    for store in stores:
        await store.open()
    sinks = [PuppetSink(), PuppetSink()]
    relays = [make_relay(store, sinks={"nats": sink}) for store, sink in zip(stores, sinks, strict=True)]
    aicall = await new_aicall(stores[0])
    async with relaying(relays[0]):
        await until(lambda: sinks[0].delivered)
        last = await add_event(stores[0], aicall)
    # What was there when it was told to stop is delivered.
    assert sinks[0].delivered[-1] == last
    stopped_at = asyncio.get_running_loop().time()
    async with relaying(relays[1]):
        await add_event(stores[1], aicall)
        await until(lambda: sinks[1].sequences(aicall) == [3])
        assert asyncio.get_running_loop().time() - stopped_at < 1
    for store in stores:
        await store.close()


async def test_an_outage_of_the_store_loses_and_repeats_nothing(tmp_path: Path) -> None:
    store = create_store(str(tmp_path / "a.db"), secret_key=KEY)
    await store.open()
    on_its_way, arrived = asyncio.Event(), asyncio.Event()

    async def linger(event: Event) -> None:
        on_its_way.set()
        await arrived.wait()

    sink = PuppetSink(linger)
    aicall = await new_aicall(store)
    async with relaying(make_relay(store, sinks={"nats": sink})):
        await on_its_way.wait()
        await store.close()
        arrived.set()
        await asyncio.sleep(2)
        await store.open()
        await add_event(store, aicall)
        await until(lambda: sink.sequences(aicall) == [1, 2], 60)
        await asyncio.sleep(5)
    assert sink.sequences(aicall) == [1, 2]
    await store.close()


async def test_an_attempt_that_was_broken_off_is_repeated_under_the_same_id(store: Store) -> None:
    async def stall(event: Event) -> None:
        await asyncio.Event().wait()

    stalled, sink = PuppetSink(stall), PuppetSink()
    await new_aicall(store)
    first = asyncio.create_task(make_relay(store, sinks={"nats": stalled}).run())
    await until(lambda: stalled.attempts)
    first.cancel()
    await asyncio.wait((first,))
    async with relaying(make_relay(store, sinks={"nats": sink})):
        await until(lambda: sink.delivered)
    assert sink.delivered[0].id == stalled.attempts[0][1].id


async def test_where_nobody_listens_nothing_is_done_for_events(store: Store) -> None:
    sink = PuppetSink()
    nudged = asyncio.Event()
    await new_aicall(store)
    webhook = make_webhook()
    async with relaying(make_relay(store, webhook_sinks={webhook.id: sink}, nudged=nudged)):
        await asyncio.sleep(10)
        aicall = await new_aicall(store)
        await store.create_webhook(webhook)
        event = await add_event(store, aicall)
        nudged.set()
        await until(lambda: sink.delivered == [event])
    assert sink.sequences(aicall) == [2]


async def test_it_counts(store: Store) -> None:
    webhook = await webhook_in(store)

    async def refuse(event: Event) -> None:
        if event.sequence == 1:
            raise DeliveryFailed("http_500")

    metrics = DeliveryMetrics()
    sink = PuppetSink(refuse)
    aicall = await new_aicall(store)
    await add_event(store, aicall)
    async with relaying(make_relay(store, webhook_sinks={webhook.id: sink}, metrics=metrics)):
        await until(lambda: sink.delivered, 60)
        await asyncio.sleep(1)
        found = {
            (sample.name, sample.labels.get("outcome", "")): sample.value
            for metric in metrics.collect()
            for sample in metric.samples
            if sample.labels.get("sink", "webhook") == "webhook"
        }
    assert found["aicall_event_deliveries_total", "failed"] == 3
    assert found["aicall_event_deliveries_total", "dead"] == 1
    assert found["aicall_event_deliveries_total", "delivered"] == 1
    assert found["aicall_event_delivery_lag_seconds_count", ""] == 1
    assert found["aicall_event_delivery_lag_seconds_sum", ""] == pytest.approx(7, abs=0.2)
    assert found["aicall_event_relay_leading", ""] == 1
    assert found["aicall_event_deliveries_in_flight", ""] == 0
