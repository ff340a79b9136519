"""What every store must do with webhooks, queues and dead letters. A test module gives a ``store`` fixture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from adapters.store.base import Store
from adapters.store.deliveries.contract import Outcome, Queued, Settlement
from models.aicall import Aicall
from models.errors import Changed, Conflict, InvalidField, NotFound
from models.event import Event, NewEvent
from models.ids import NIL_ID
from models.timestamps import NOT_YET
from models.webhook import Webhook, WebhookStatus, WebhookWrite
from tests.adapters.store.contract import all_pages
from tests.adapters.store.samples import CUSTOMER, STRANGER, at, make_aicall

SECRET = SecretStr("whsec_c2VjcmV0LW9mLWEtd2ViaG9vay1pbi10ZXN0cw==")
ME, RIVAL = "me", "rival"


def make_webhook(now: float = 0.0, customer_id: UUID = CUSTOMER, **fields: Any) -> Webhook:
    body = WebhookWrite(**{"url": "https://hooks.example.com/x", "name": "CRM", **fields})
    return Webhook.create(body, id=uuid4(), customer_id=customer_id, secret=SECRET, now=at(now))


async def new_aicall(store: Store, customer_id: UUID = CUSTOMER) -> Aicall:
    aicall = make_aicall(customer_id=customer_id)
    await store.create_aicall(aicall)
    return aicall


async def new_event(store: Store, aicall: Aicall, event_type: str = "aicall_variables_set") -> Event:
    return await store.add_event(NewEvent(type=event_type, aicall_id=aicall.id, tm_create=at(), data={"ä": [1, None]}))


async def lead(store: Store, holder: str = ME, now: float = 0.0) -> bool:
    return await store.lead_relay(holder, now=at(now), tm_expire=at(now + 10))


async def queue(store: Store, *, now: float = 0.0, limit: int = 100, sinks: Sequence[str] = ()) -> Queued:
    return await store.queue_deliveries(ME, now=at(now), limit=limit, sinks=sinks)


async def due(
    store: Store, sink: object, now: float = 0.0, limit: int = 100, without: Sequence[UUID] = ()
) -> list[str]:
    found = await store.due_deliveries(str(sink), now=at(now), limit=limit, without=without)
    return [item.event.id for item in found.items]


def settlement(sink: object, event: Event, outcome: Outcome, *, due_at: float | None = None) -> Settlement:
    tm_due = None if due_at is None else at(due_at)
    error = "" if outcome is Outcome.DELIVERED else "http_500"
    return Settlement(str(sink), event.id, event.aicall_id, outcome, tm_due, error)


async def settle(store: Store, *settled: Settlement, now: float = 0.0) -> None:
    await store.settle_deliveries(ME, settled, now=at(now))


class WebhookContract:
    async def test_a_webhook_comes_back_as_it_was_stored(self, store: Store) -> None:
        webhook = make_webhook(0.123456, event_types=["aicall_status_*", "aimessage_created"])
        await store.create_webhook(webhook)
        for customer_id in (CUSTOMER, None):
            loaded = await store.get_webhook(webhook.id, customer_id=customer_id)
            assert loaded == webhook
            assert loaded.secret == SECRET
        with pytest.raises(Conflict):
            await store.create_webhook(webhook)

    async def test_another_customers_webhook_is_not_there(self, store: Store) -> None:
        webhook = make_webhook()
        await store.create_webhook(webhook)
        with pytest.raises(NotFound):
            await store.get_webhook(webhook.id, customer_id=STRANGER)
        with pytest.raises(NotFound):
            await store.update_webhook(webhook.model_copy(update={"customer_id": STRANGER}))
        with pytest.raises(NotFound):
            await store.delete_webhook(webhook.id, customer_id=STRANGER, now=at())
        with pytest.raises(NotFound):
            await store.list_dead_letters(webhook.id, customer_id=STRANGER, page_size=10)
        with pytest.raises(NotFound):
            await store.replay_dead_letters(webhook.id, customer_id=STRANGER, now=at())
        assert (await store.list_webhooks(customer_id=STRANGER, page_size=10)).items == []

    async def test_update_replaces(self, store: Store) -> None:
        webhook, other = make_webhook(), make_webhook()
        await store.create_webhook(webhook)
        await store.create_webhook(other)
        body = WebhookWrite(url="https://other.example.com", secret=SecretStr("whsec_" + "A" * 40))
        replaced = webhook.replaced(body, now=at(5))
        await store.update_webhook(replaced, unchanged_since=NOT_YET)
        loaded = await store.get_webhook(webhook.id, customer_id=CUSTOMER)
        assert loaded == replaced
        assert loaded.secret == body.secret
        assert await store.get_webhook(other.id, customer_id=CUSTOMER) == other
        with pytest.raises(Changed):
            await store.update_webhook(replaced, unchanged_since=NOT_YET)

    async def test_pages_hold_every_webhook_once_newest_first(self, store: Store) -> None:
        made = [make_webhook(second) for second in (0, 0, 1, 2, 2)]
        for webhook in made:
            await store.create_webhook(webhook)
        await store.delete_webhook(made[3].id, customer_id=CUSTOMER, now=at(9))
        found = await all_pages(lambda token: store.list_webhooks(customer_id=CUSTOMER, page_size=2, page_token=token))
        expected = sorted((w for w in made if w is not made[3]), key=lambda w: (w.tm_create, w.id.hex), reverse=True)
        assert found == expected
        with pytest.raises(InvalidField):
            await store.list_webhooks(customer_id=CUSTOMER, page_size=2, page_token="nonsense")

    async def test_deleted_is_gone(self, store: Store) -> None:
        webhook = make_webhook()
        await store.create_webhook(webhook)
        deleted = await store.delete_webhook(webhook.id, customer_id=CUSTOMER, now=at(3))
        assert (deleted.tm_delete, deleted.id) == (at(3), webhook.id)
        with pytest.raises(NotFound):
            await store.get_webhook(webhook.id, customer_id=CUSTOMER)
        with pytest.raises(NotFound):
            await store.delete_webhook(webhook.id, customer_id=CUSTOMER, now=at(4))
        with pytest.raises(NotFound):
            await store.update_webhook(webhook)


class RelayContract:
    async def test_one_leads_at_a_time(self, store: Store) -> None:
        assert await lead(store, ME, 0)
        assert not await lead(store, RIVAL, 9)
        assert await lead(store, ME, 9)
        assert not await lead(store, RIVAL, 18)
        assert await lead(store, RIVAL, 19)
        assert not await lead(store, ME, 19)
        await store.leave_relay(ME)
        assert not await lead(store, ME, 20)
        await store.leave_relay(RIVAL)
        assert await lead(store, ME, 20)

    async def test_who_does_not_lead_changes_nothing(self, store: Store) -> None:
        webhook = make_webhook()
        await store.create_webhook(webhook)
        event = await new_event(store, await new_aicall(store))
        with pytest.raises(Conflict):
            await queue(store)
        assert await lead(store)
        await queue(store)
        before = await due(store, webhook.id)
        assert len(before) == 1
        assert await lead(store, RIVAL, 10)
        for outcome in Outcome:
            with pytest.raises(Conflict):
                await settle(store, settlement(webhook.id, event, outcome, due_at=5))
        with pytest.raises(Conflict):
            await queue(store)
        assert await due(store, webhook.id) == before
        assert (await store.list_dead_letters(webhook.id, customer_id=CUSTOMER, page_size=9)).items == []
        assert await store.get_webhook(webhook.id, customer_id=CUSTOMER) == webhook

    async def test_each_is_told_of_what_it_wants(self, store: Store) -> None:
        everything, some, foreign = (
            make_webhook(),
            make_webhook(event_types=["aicall_turn_completed", "aimessage_*"]),
            make_webhook(customer_id=STRANGER),
        )
        off = make_webhook(status=WebhookStatus.DISABLED)
        for webhook in (everything, some, foreign, off):
            await store.create_webhook(webhook)
        aicall, theirs = await new_aicall(store), await new_aicall(store, STRANGER)
        await lead(store)
        queued = await queue(store, sinks=["nats"])
        assert queued.listening
        assert not queued.more
        assert queued.sinks == {str(everything.id), str(foreign.id), "nats"}
        first = (await store.due_deliveries(str(everything.id), now=at(), limit=9)).items[0]
        assert (first.event.type, first.customer_id, first.attempts) == ("aicall_status_initiating", CUSTOMER, 0)
        assert first.event.aicall_id == aicall.id
        assert len(await due(store, "nats")) == 2
        told = await store.due_deliveries(str(foreign.id), now=at(), limit=9)
        assert [item.event.aicall_id for item in told.items] == [theirs.id]
        assert told.webhook == foreign
        assert told.webhook.secret == SECRET
        wanted = await new_event(store, aicall, "aicall_turn_completed")
        assert await queue(store) == Queued(wanted.id, frozenset({str(everything.id), str(some.id)}), False, True)
        assert await due(store, some.id) == [wanted.id]
        assert await due(store, off.id) == []

    async def test_a_webhook_is_told_of_what_comes_after_it(self, store: Store) -> None:
        await lead(store)
        aicall = await new_aicall(store)
        webhook = make_webhook()
        await store.create_webhook(webhook)
        later = await new_event(store, aicall)
        await queue(store)
        assert await due(store, webhook.id) == [later.id]

    async def test_the_outbox_is_read_in_pages_and_each_event_once(self, store: Store) -> None:
        webhook = make_webhook()
        await store.create_webhook(webhook)
        await lead(store)
        events = [await new_event(store, await new_aicall(store)) for _ in range(2)]
        cursors = []
        for more in (True, True, False, False):
            queued = await queue(store, limit=2)
            assert queued.more == (more and len(cursors) < 2)
            cursors.append(queued.cursor)
        assert cursors[-1] == events[-1].id
        assert len(await due(store, webhook.id)) == 2
        assert await queue(store) == Queued(events[-1].id, frozenset(), False, True)

    async def test_where_nobody_listens_the_cursor_goes_on(self, store: Store) -> None:
        await lead(store)
        assert await queue(store) == Queued("", frozenset(), False, False)
        event = await new_event(store, await new_aicall(store))
        pending = await store.pending_deliveries()
        assert (pending.unread, pending.listening) == (True, False)
        assert await queue(store, limit=1) == Queued(event.id, frozenset(), False, False)
        assert not (await store.pending_deliveries()).unread
        assert await queue(store, sinks=["nats"]) == Queued(event.id, frozenset(), False, True)
        assert await due(store, "nats") == []

    async def test_an_aicalls_events_come_one_by_one_and_in_order(self, store: Store) -> None:
        webhook = make_webhook(event_types=["aicall_variables_set"])
        await store.create_webhook(webhook)
        one, other = await new_aicall(store), await new_aicall(store)
        first, theirs, second = [await new_event(store, aicall) for aicall in (one, other, one)]
        await lead(store)
        await queue(store)
        assert await due(store, webhook.id) == [first.id, theirs.id]
        assert await due(store, webhook.id, limit=1) == [first.id]
        assert await due(store, webhook.id, without=[one.id]) == [theirs.id]
        await settle(store, settlement(webhook.id, first, Outcome.DELIVERED))
        assert await due(store, webhook.id) == [theirs.id, second.id]
        await settle(
            store,
            settlement(webhook.id, theirs, Outcome.DELIVERED),
            settlement(webhook.id, second, Outcome.DELIVERED),
            settlement(webhook.id, second, Outcome.DELIVERED),
        )
        assert await due(store, webhook.id) == []
        assert (await store.pending_deliveries()).due == {}

    async def test_an_event_that_failed_holds_back_its_own_aicall_only(self, store: Store) -> None:
        webhook = make_webhook(event_types=["aicall_variables_set"])
        await store.create_webhook(webhook)
        one, other = await new_aicall(store), await new_aicall(store)
        first, second, theirs = [await new_event(store, aicall) for aicall in (one, one, other)]
        await lead(store)
        await queue(store, sinks=["nats"])
        await settle(store, settlement(webhook.id, first, Outcome.RETRY, due_at=7))
        third = await new_event(store, one)
        await queue(store, sinks=["nats"])
        found = await store.due_deliveries(str(webhook.id), now=at(6.9), limit=9)
        assert [item.event.id for item in found.items] == [theirs.id]
        assert found.tm_next == at(7)
        assert len(await due(store, "nats")) == 2
        again = (await store.due_deliveries(str(webhook.id), now=at(7), limit=9)).items
        assert [(item.event.id, item.attempts) for item in again] == [(first.id, 1), (theirs.id, 0)]
        await settle(store, settlement(webhook.id, theirs, Outcome.DELIVERED))
        assert (await store.pending_deliveries()).due[str(webhook.id)] == at(0)
        for event in (first, second, third):
            assert await due(store, webhook.id, 7) == [event.id]
            await settle(store, settlement(webhook.id, event, Outcome.DELIVERED))

    async def test_what_is_given_up_is_a_dead_letter_and_lets_the_next_go(self, store: Store) -> None:
        webhook = make_webhook(event_types=["aicall_variables_set"])
        await store.create_webhook(webhook)
        aicall = await new_aicall(store)
        events = [await new_event(store, aicall) for _ in range(3)]
        await lead(store)
        await queue(store)
        await settle(store, settlement(webhook.id, events[0], Outcome.RETRY, due_at=0))
        await settle(store, settlement(webhook.id, events[0], Outcome.DEAD), now=1)
        await settle(store, settlement(webhook.id, events[0], Outcome.DEAD), now=2)
        assert await due(store, webhook.id) == [events[1].id]
        await settle(store, settlement(webhook.id, events[1], Outcome.DEAD), now=3)
        letters = await all_pages(
            lambda token: store.list_dead_letters(webhook.id, customer_id=CUSTOMER, page_size=1, page_token=token)
        )
        assert [letter.event for letter in letters] == [events[1], events[0]]
        assert [(letter.id, letter.attempts, letter.error) for letter in letters] == [
            (events[1].id, 1, "http_500"),
            (events[0].id, 2, "http_500"),
        ]
        assert [letter.tm_create for letter in letters] == [at(3), at(1)]
        assert (letters[0].webhook_id, letters[0].customer_id) == (webhook.id, CUSTOMER)
        with pytest.raises(InvalidField):
            await store.list_dead_letters(webhook.id, customer_id=CUSTOMER, page_size=1, page_token="x")

    async def test_dead_letters_are_replayed(self, store: Store) -> None:
        webhook, other = make_webhook(event_types=["aicall_variables_set"]), make_webhook()
        await store.create_webhook(webhook)
        await store.create_webhook(other)
        aicall = await new_aicall(store)
        events = [await new_event(store, aicall) for _ in range(3)]
        await lead(store)
        await queue(store)
        for event in events:
            await settle(store, settlement(webhook.id, event, Outcome.DEAD))
        with pytest.raises(NotFound):
            await store.replay_dead_letters(webhook.id, customer_id=CUSTOMER, now=at(), event_id="999999")
        with pytest.raises(NotFound):
            await store.replay_dead_letters(webhook.id, customer_id=CUSTOMER, now=at(), event_id="x")
        one = await store.replay_dead_letters(webhook.id, customer_id=CUSTOMER, now=at(4), event_id=events[1].id)
        assert one == 1
        replayed = (await store.due_deliveries(str(webhook.id), now=at(4), limit=9)).items
        assert [(item.event, item.attempts, item.tm_create) for item in replayed] == [(events[1], 0, at(4))]
        assert await store.replay_dead_letters(webhook.id, customer_id=CUSTOMER, now=at(5)) == 2
        assert await store.replay_dead_letters(webhook.id, customer_id=CUSTOMER, now=at(5)) == 0
        for event in events:
            assert await due(store, webhook.id, 5) == [event.id]
            await settle(store, settlement(webhook.id, event, Outcome.DELIVERED))
        assert (await store.list_dead_letters(webhook.id, customer_id=CUSTOMER, page_size=9)).items == []

    async def test_what_a_system_will_never_take_is_dropped(self, store: Store) -> None:
        event = await new_event(store, await new_aicall(store))
        await lead(store)
        await queue(store, sinks=["nats"])
        before = await due(store, "nats")
        await settle(store, Settlement("nats", before[0], event.aicall_id, Outcome.DEAD, None, "too_large"))
        assert await due(store, "nats") == [event.id]

    async def test_a_webhook_that_is_gone_is_disabled(self, store: Store) -> None:
        webhook = make_webhook(event_types=["aicall_variables_set"])
        await store.create_webhook(webhook)
        aicall = await new_aicall(store)
        first, second = [await new_event(store, aicall) for _ in range(2)]
        await lead(store)
        await queue(store)
        await settle(store, settlement(webhook.id, first, Outcome.GONE), now=8)
        disabled = await store.get_webhook(webhook.id, customer_id=CUSTOMER)
        assert (disabled.status, disabled.tm_update) == (WebhookStatus.DISABLED, at(8))
        letters = (await store.list_dead_letters(webhook.id, customer_id=CUSTOMER, page_size=9)).items
        assert {letter.event.id: letter.error for letter in letters} == {first.id: "http_500", second.id: "disabled"}
        assert await due(store, webhook.id, 99) == []
        with pytest.raises(Conflict):
            await store.replay_dead_letters(webhook.id, customer_id=CUSTOMER, now=at())

    async def test_disabling_buries_the_queue_and_enabling_begins_anew(self, store: Store) -> None:
        webhook = make_webhook(event_types=["aicall_variables_set"])
        await store.create_webhook(webhook)
        aicall = await new_aicall(store)
        queued = await new_event(store, aicall)
        await lead(store)
        await queue(store)
        await store.update_webhook(webhook.model_copy(update={"status": WebhookStatus.DISABLED, "tm_update": at(2)}))
        assert (await store.due_deliveries(str(webhook.id), now=at(9), limit=9)).webhook is None
        await new_event(store, aicall)
        await store.update_webhook(webhook.model_copy(update={"tm_update": at(3)}))
        later = await new_event(store, aicall)
        await queue(store)
        assert await due(store, webhook.id) == [later.id]
        letters = (await store.list_dead_letters(webhook.id, customer_id=CUSTOMER, page_size=9)).items
        assert [(letter.event.id, letter.error) for letter in letters] == [(queued.id, "disabled")]

    async def test_a_deleted_webhook_is_told_nothing(self, store: Store) -> None:
        webhook = make_webhook(event_types=["aicall_variables_set"])
        await store.create_webhook(webhook)
        aicall = await new_aicall(store)
        event, last = [await new_event(store, aicall) for _ in range(2)]
        await lead(store)
        await queue(store)
        await settle(store, settlement(webhook.id, event, Outcome.DEAD))
        await store.delete_webhook(webhook.id, customer_id=CUSTOMER, now=at(1))
        found = await store.due_deliveries(str(webhook.id), now=at(9), limit=9)
        assert (found.webhook, list(found.items)) == (None, [])
        assert str(webhook.id) not in (await store.pending_deliveries()).due
        await settle(store, settlement(webhook.id, last, Outcome.DEAD), settlement(webhook.id, last, Outcome.GONE))
        assert (await store.pending_deliveries()).due == {}

    async def test_nobody_has_a_queue_without_having_listened(self, store: Store) -> None:
        found = await store.due_deliveries("nats", now=at() + timedelta(days=1), limit=9)
        assert (found.webhook, list(found.items), found.tm_next) == (None, [], None)
        assert (await store.due_deliveries(str(NIL_ID), now=at(), limit=9)).items == ()
