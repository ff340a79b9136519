"""What every store promises about conversations in writing and tasks. Runs on the fixture ``store``."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from adapters.store.base import Store
from models.aicall import Aicall, ReferenceType
from models.errors import Conflict, InvalidField, LostLease, NotFound
from models.event import EventType, NewEvent
from models.message import Role
from models.status import AicallStatus
from tests.adapters.store.samples import CUSTOMER, STRANGER, at, make_aicall, make_message, stored_aicall, terminate

LIMIT = 3


async def stored_text(store: Store, kind: ReferenceType = ReferenceType.CONVERSATION, expire_s: float = 100) -> Aicall:
    aicall = make_aicall().model_copy(update={"reference_type": kind})
    await store.create_text(aicall, tm_expire=at(expire_s))
    return aicall


async def queued(store: Store, aicall: Aicall, content: str) -> UUID:
    message = make_message(aicall, content=content)
    await store.queue_message(message, run_llm=True, limit=LIMIT)
    return message.id


async def contents(store: Store, aicall: Aicall) -> list[str]:
    return [waiting.message.content for waiting in await store.waiting_messages(aicall.id)]


class TextContract:
    async def test_one_that_is_created_is_an_aicall_with_its_event(self, store: Store) -> None:
        aicall = await stored_text(store)
        assert await store.get_aicall(aicall.id, customer_id=CUSTOMER) == aicall
        (event,) = await store.list_events(limit=10, customer_id=CUSTOMER)
        assert (event.type, event.sequence) == ("aicall_status_initiating", 1)
        with pytest.raises(Conflict):
            await store.create_text(aicall, tm_expire=at(1))
        progressing = make_aicall().model_copy(update={"status": AicallStatus.PROGRESSING})
        with pytest.raises(InvalidField):
            await store.create_text(progressing, tm_expire=at(1))

    async def test_messages_wait_in_the_order_in_which_they_came(self, store: Store) -> None:
        aicall, other = await stored_text(store), await stored_text(store)
        first = make_message(aicall, now=at(5), content="first")
        event = await store.queue_message(first, run_llm=False, at_once=True, limit=LIMIT)
        assert (event.type, event.data) == (EventType.MESSAGE_CREATED, first.public())
        # Earlier by its time; a clock may have been set back.
        await queued(store, aicall, "second")
        await queued(store, other, "elsewhere")
        waiting = await store.waiting_messages(aicall.id)
        assert [(it.message.content, it.run_llm, it.at_once) for it in waiting] == [
            ("first", False, True),
            ("second", True, False),
        ]
        assert waiting[0].message == first
        assert await contents(store, other) == ["elsewhere"]

    async def test_no_more_wait_than_may(self, store: Store) -> None:
        aicall = await stored_text(store)
        for number in range(LIMIT):
            await queued(store, aicall, str(number))
        refused = make_message(aicall)
        with pytest.raises(Conflict):
            await store.queue_message(refused, run_llm=True, limit=LIMIT)
        page = await store.list_messages(aicall.id, customer_id=CUSTOMER, page_size=10)
        assert refused not in page.items
        assert len(await store.list_events(limit=10, customer_id=CUSTOMER)) == 1 + LIMIT

    async def test_who_takes_no_messages(self, store: Store) -> None:
        task, over, call = await stored_text(store, ReferenceType.TASK), await stored_text(store), make_aicall()
        await terminate(store, over)
        for aicall in (task, over):
            with pytest.raises(Conflict):
                await queued(store, aicall, "no")
        with pytest.raises(NotFound):
            await queued(store, call, "no")
        await store.create_aicall(call)
        await queued(store, call, "a phone call does")
        foreign = make_message(call).model_copy(update={"customer_id": STRANGER})
        with pytest.raises(NotFound):
            await store.queue_message(foreign, run_llm=True, limit=LIMIT)

    async def test_messages_are_taken_once(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        for number in range(LIMIT):
            await queued(store, aicall, str(number))
        taken = await asyncio.gather(*(store.take_messages(aicall.id) for _ in range(3)))
        assert sorted(it.message.content for part in taken for it in part) == ["0", "1", "2"]
        assert await contents(store, aicall) == []

    async def test_only_one_has_it_at_a_time(self, store: Store) -> None:
        aicall = await stored_text(store)
        took = await asyncio.gather(
            *(store.take_text(aicall.id, owner=str(number), now=at(), tm_lease=at(10)) for number in range(5))
        )
        assert took.count(True) == 1
        owner = str(took.index(True))
        assert await store.take_text(aicall.id, owner=owner, now=at(5), tm_lease=at(15))
        assert not await store.take_text(aicall.id, owner="other", now=at(14), tm_lease=at(30))
        # Its lease is over.
        assert await store.take_text(aicall.id, owner="other", now=at(15), tm_lease=at(30))
        await store.leave_text(aicall.id, owner=owner)
        assert not await store.take_text(aicall.id, owner=owner, now=at(16), tm_lease=at(30))
        await store.leave_text(aicall.id, owner="other")
        assert await store.take_text(aicall.id, owner=owner, now=at(16), tm_lease=at(30))
        assert not await store.take_text(uuid4(), owner=owner, now=at(), tm_lease=at(1))

    async def test_an_owner_records_all_or_nothing(self, store: Store) -> None:
        aicall = await stored_text(store)
        await store.take_text(aicall.id, owner="me", now=at(), tm_lease=at(10))
        question = await queued(store, aicall, "question")
        answer = make_message(aicall, role=Role.ASSISTANT, content="answer", in_reply_to_message_id=question)
        event = NewEvent(type=EventType.MESSAGE_INTERMEDIATE, aicall_id=aicall.id, tm_create=at(), data={"a": 1})
        for _ in range(2):
            # A second time, since the answer to the first one got lost.
            await store.record_text(aicall.id, owner="me", messages=[answer], answered=question)
        await store.record_text(aicall.id, owner="me", events=[event])
        assert await contents(store, aicall) == []
        kinds = [it.type for it in await store.list_events(limit=10, customer_id=CUSTOMER)]
        assert kinds == ["aicall_status_initiating", *(["aimessage_created"] * 2), "aimessage_intermediate"]
        page = await store.list_messages(aicall.id, customer_id=CUSTOMER, page_size=10)
        assert page.items[0] == answer

    async def test_nobody_else_records(self, store: Store) -> None:
        aicall = await stored_text(store)
        question = await queued(store, aicall, "question")
        await store.take_text(aicall.id, owner="other", now=at(), tm_lease=at(10))
        with pytest.raises(LostLease):
            await store.record_text(aicall.id, owner="me", messages=[make_message(aicall)], answered=question)
        await terminate(store, aicall)
        with pytest.raises(LostLease):
            await store.record_text(aicall.id, owner="other", messages=[make_message(aicall)], answered=question)
        assert await contents(store, aicall) == ["question"]
        events = await store.list_events(limit=10, customer_id=CUSTOMER)
        assert events[-1].type == "aicall_status_terminated"

    async def test_what_is_to_be_done_is_found(self, store: Store) -> None:
        resting, waiting, owned, paused, over = [await stored_text(store) for _ in range(5)]
        task = await stored_text(store, ReferenceType.TASK)
        for aicall in (waiting, owned, paused, over):
            await queued(store, aicall, "question")
        await store.take_text(owned.id, owner="me", now=at(), tm_lease=at(10))
        for status in (AicallStatus.PROGRESSING, AicallStatus.PAUSING):
            await store.move_aicall(paused.id, status, now=at())
        await terminate(store, over)
        assert set(await store.unattended_texts(now=at(9))) == {waiting.id, task.id}
        assert set(await store.unattended_texts(now=at(10))) == {waiting.id, task.id, owned.id}
        assert resting.id not in await store.unattended_texts(now=at(10))
        assert len(await store.unattended_texts(now=at(10), limit=1)) == 1

    async def test_what_is_over_is_found(self, store: Store) -> None:
        late, early, ended = [await stored_text(store, expire_s=expire_s) for expire_s in (20, 10, 5)]
        await terminate(store, ended)
        assert await store.expired_texts(now=at(9)) == []
        assert [aicall.id for aicall in await store.expired_texts(now=at(10))] == [early.id]
        assert [aicall.id for aicall in await store.expired_texts(now=at(20))] == [early.id, late.id]
        assert [aicall.id for aicall in await store.expired_texts(now=at(20), limit=1)] == [early.id]
