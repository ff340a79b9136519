"""What every store must do. A test module derives its classes from these and gives a ``store`` fixture."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from adapters.store.base import GrantKind, Page, Store
from models.ai import AiWrite
from models.aicall import EndReason
from models.errors import Conflict, IllegalTransition, InvalidField, NotFound, Unavailable
from models.event import NewEvent
from models.message import Direction, Role, ToolCall, ToolCallFunction
from models.status import AicallStatus
from models.timestamps import NOT_YET
from tests.adapters.store.samples import (
    CUSTOMER,
    STRANGER,
    at,
    make_ai,
    make_aicall,
    make_grant,
    make_message,
    stored_aicall,
    terminate,
)

S = AicallStatus


async def all_pages(load: Callable[[str], Awaitable[Page[Any]]]) -> list[Any]:
    """Follow page tokens to the end."""
    items, token = [], ""
    while True:
        page = await load(token)
        items.extend(page.items)
        token = page.next_page_token
        if not token:
            return items
        assert page.items


class AiContract:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {
                "vad_config": {"stop_secs": 0, "confidence": 1},
                "tool_names": ["all"],
                "smart_turn_enabled": True,
                "rag_id": uuid4(),
                "stt_language": "de-DE",
                "detail": "d" * 10_000,
            },
            {"vad_config": {}, "tool_names": []},
            {"vad_config": None, "tool_names": None, "parameter": None, "engine_key": None},
        ],
    )
    async def test_an_ai_comes_back_as_it_was_stored(self, store: Store, fields: dict[str, Any]) -> None:
        ai = make_ai(at(0.123456), **fields)
        await store.create_ai(ai)
        loaded = await store.get_ai(ai.id, customer_id=CUSTOMER)
        assert loaded == ai
        assert loaded.secrets == ai.secrets
        assert loaded == await store.get_ai(ai.id, customer_id=None)

    async def test_the_vendors_in_use_are_those_of_all_ais_that_are_there(self, store: Store) -> None:
        assert await store.providers_in_use() == frozenset()
        fallback = {"llm": [{"engine_model": "anthropic.claude-sonnet-4-6"}]}
        kept = make_ai(engine_model="openai.gpt-4o", parameter={"fallback": fallback})
        gone = make_ai(engine_model="groq.some/model")
        for ai in (kept, gone):
            await store.create_ai(ai)
        assert await store.providers_in_use() == kept.providers | gone.providers
        await store.delete_ai(gone.id, customer_id=CUSTOMER, now=at(5))
        assert await store.providers_in_use() == kept.providers
        assert {("llm", "openai"), ("llm", "anthropic")} < kept.providers

    async def test_secrets_come_back(self, store: Store) -> None:
        ai = make_ai(parameter={"stt_key": "stt-secret", "tts_key": "tts-sécret"})
        await store.create_ai(ai)
        secrets = (await store.get_ai(ai.id, customer_id=CUSTOMER)).secrets
        assert secrets.engine_key == SecretStr("sk-very-secret")
        assert secrets.stt_key == SecretStr("stt-secret")
        assert secrets.tts_key == SecretStr("tts-sécret")

    async def test_an_id_is_taken_once(self, store: Store) -> None:
        ai = make_ai()
        await store.create_ai(ai)
        with pytest.raises(Conflict):
            await store.create_ai(ai)

    async def test_another_customers_ai_is_not_there(self, store: Store) -> None:
        ai = make_ai()
        await store.create_ai(ai)
        with pytest.raises(NotFound):
            await store.get_ai(ai.id, customer_id=STRANGER)
        with pytest.raises(NotFound):
            await store.delete_ai(ai.id, customer_id=STRANGER, now=at())
        with pytest.raises(NotFound):
            await store.update_ai(ai.model_copy(update={"customer_id": STRANGER}))
        assert (await store.list_ais(customer_id=STRANGER, page_size=10)).items == []
        assert await store.get_ai(ai.id, customer_id=CUSTOMER) == ai

    async def test_update_replaces(self, store: Store) -> None:
        ai = make_ai(vad_config={"stop_secs": 1})
        other = make_ai()
        await store.create_ai(ai)
        await store.create_ai(other)
        body = AiWrite(
            name="b", engine_model="anthropic.claude-x/y.z", init_prompt="", tts_type="openai", stt_type="deepgram"
        )
        replaced = ai.replaced(body, now=at(5))
        await store.update_ai(replaced)
        loaded = await store.get_ai(ai.id, customer_id=CUSTOMER)
        assert loaded == replaced
        assert loaded.vad_config is None
        assert loaded.secrets.engine_key == SecretStr("sk-very-secret")
        assert await store.get_ai(other.id, customer_id=CUSTOMER) == other

    async def test_a_deleted_ai_is_gone_with_its_token(self, store: Store) -> None:
        ai = make_ai()
        await store.create_ai(ai)
        await store.put_grant(make_grant(ai.id, NOT_YET, GrantKind.AI))
        deleted = await store.delete_ai(ai.id, customer_id=CUSTOMER, now=at(9))
        assert deleted == ai.model_copy(update={"tm_delete": at(9)})
        assert await store.get_grant(ai.id) is None
        assert (await store.list_ais(customer_id=CUSTOMER, page_size=10)).items == []
        with pytest.raises(NotFound):
            await store.get_ai(ai.id, customer_id=None)
        with pytest.raises(NotFound):
            await store.update_ai(ai)
        with pytest.raises(NotFound):
            await store.delete_ai(ai.id, customer_id=CUSTOMER, now=at(10))

    async def test_pages_are_newest_first_and_whole_although_times_are_equal(self, store: Store) -> None:
        ais = [make_ai(at(second)) for second in (0, 1, 1, 1, 1, 2)]
        for ai in ais:
            await store.create_ai(ai)
        listed = await all_pages(lambda token: store.list_ais(customer_id=CUSTOMER, page_size=2, page_token=token))
        assert [ai.tm_create for ai in listed] == sorted((ai.tm_create for ai in ais), reverse=True)
        assert {ai.id for ai in listed} == {ai.id for ai in ais}
        assert len(listed) == len(ais)

    async def test_a_page_goes_on_where_it_stopped_whatever_came_and_went(self, store: Store) -> None:
        ais = [make_ai(at(second)) for second in range(4)]
        for ai in ais:
            await store.create_ai(ai)
        first = await store.list_ais(customer_id=CUSTOMER, page_size=2)
        await store.create_ai(make_ai(at(10)))
        await store.delete_ai(ais[2].id, customer_id=CUSTOMER, now=at(11))
        second = await store.list_ais(customer_id=CUSTOMER, page_size=2, page_token=first.next_page_token)
        assert [ai.id for ai in second.items] == [ais[1].id, ais[0].id]
        assert second.next_page_token == ""

    async def test_page_tokens_are_checked(self, store: Store) -> None:
        for _ in range(2):
            await store.create_ai(make_ai())
            aicall = await stored_aicall(store)
        token = (await store.list_ais(customer_id=CUSTOMER, page_size=1)).next_page_token
        for bad in ("x", "2026-03-01T10:00:00.000000Z", token[:-1], "é"):
            with pytest.raises(InvalidField) as caught:
                await store.list_ais(customer_id=CUSTOMER, page_size=1, page_token=bad)
            assert caught.value.field == "page_token"
        with pytest.raises(InvalidField):
            await store.list_aicalls(customer_id=CUSTOMER, page_size=1, page_token=token)
        with pytest.raises(InvalidField):
            await store.list_messages(aicall.id, customer_id=CUSTOMER, page_size=1, page_token=token)

    async def test_a_resource_has_one_media_token(self, store: Store) -> None:
        resource = uuid4()
        assert await store.get_grant(resource) is None
        first = make_grant(resource, at(60), GrantKind.AI)
        second = make_grant(resource, at(120), GrantKind.AICALL)
        await store.put_grant(first)
        assert await store.get_grant(resource) == first
        await store.put_grant(second)
        assert await store.get_grant(resource) == second

    async def test_a_media_token_is_found_by_its_audiosocket_uuid(self, store: Store) -> None:
        digest, other = bytes(32), bytes([1] * 32)
        assert await store.find_grant_by_audiosocket(digest) is None
        without = [make_grant(uuid4(), at(60)) for _ in range(2)]
        grant = replace(make_grant(uuid4(), at(60), GrantKind.TEAM), audiosocket_sha256=digest)
        for each in (*without, grant):
            await store.put_grant(each)
        assert await store.find_grant_by_audiosocket(digest) == grant
        assert await store.get_grant(without[0].resource_id) == without[0]
        await store.put_grant(replace(grant, audiosocket_sha256=other))
        assert await store.find_grant_by_audiosocket(digest) is None
        assert await store.find_grant_by_audiosocket(other) == replace(grant, audiosocket_sha256=other)


class AicallContract:
    async def test_an_aicall_comes_back_as_it_was_stored(self, store: Store) -> None:
        aicall = make_aicall(at(0.000001))
        grant = make_grant(aicall.id, at(60))
        event = await store.create_aicall(aicall, grant=grant, owner="worker-1")
        assert await store.get_aicall(aicall.id, customer_id=CUSTOMER) == aicall
        assert await store.get_grant(aicall.id) == grant
        assert (event.type, event.sequence, event.aicall_id) == ("aicall_status_initiating", 1, aicall.id)
        assert event.data == aicall.public()
        assert event.tm_create == aicall.tm_create

    async def test_an_aicall_without_vad_comes_back(self, store: Store) -> None:
        aicall = make_aicall().model_copy(update={"ai_vad_config": None})
        await store.create_aicall(aicall)
        assert await store.get_aicall(aicall.id, customer_id=None) == aicall

    async def test_an_id_is_taken_once(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        with pytest.raises(Conflict):
            await store.create_aicall(aicall, grant=make_grant(aicall.id, at(60)))
        assert await store.get_grant(aicall.id) is None
        assert len(await store.list_events(limit=10, customer_id=None)) == 1

    async def test_a_new_aicall_is_initiating(self, store: Store) -> None:
        with pytest.raises(InvalidField) as caught:
            await store.create_aicall(make_aicall().moved(S.PROGRESSING, now=at()))
        assert caught.value.field == "status"

    async def test_another_customers_aicall_is_not_there(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        await terminate(store, aicall)
        with pytest.raises(NotFound):
            await store.get_aicall(aicall.id, customer_id=STRANGER)
        with pytest.raises(NotFound):
            await store.delete_aicall(aicall.id, customer_id=STRANGER, now=at())
        with pytest.raises(NotFound):
            await store.list_messages(aicall.id, customer_id=STRANGER, page_size=1)
        with pytest.raises(NotFound):
            await store.add_message(make_message(aicall, customer_id=STRANGER))
        assert (await store.list_aicalls(customer_id=STRANGER, page_size=10)).items == []
        assert await store.list_events(limit=10, customer_id=STRANGER) == []
        assert len(await store.list_events(limit=10, customer_id=CUSTOMER)) == 3

    async def test_a_whole_life(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        path = [S.PROGRESSING, S.PAUSING, S.RESUMING, S.PROGRESSING, S.TERMINATING, S.TERMINATED]
        for second, target in enumerate(path, start=1):
            reason = EndReason.HANGUP if target is S.TERMINATING else EndReason.DRAIN
            moved = await store.move_aicall(
                aicall.id, target, now=at(second), end_reason=reason if second > 4 else EndReason.NONE
            )
            assert moved == await store.get_aicall(aicall.id, customer_id=None)
            assert (moved.status, moved.tm_update) == (target, at(second))
        assert (moved.tm_end, moved.end_reason) == (at(6), EndReason.HANGUP)
        events = await store.list_events(limit=100, customer_id=CUSTOMER, aicall_id=aicall.id)
        assert [event.type for event in events] == [f"aicall_status_{status}" for status in (S.INITIATING, *path)]
        assert [event.sequence for event in events] == [1, 2, 3, 4, 5, 6, 7]
        assert [event.tm_create for event in events] == [at(second) for second in range(7)]
        assert events[-1].data == moved.public()

    async def test_illegal_and_unexpected_moves_change_nothing(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        with pytest.raises(IllegalTransition):
            await store.move_aicall(aicall.id, S.TERMINATED, now=at(1))
        with pytest.raises(IllegalTransition) as caught:
            await store.move_aicall(aicall.id, S.TERMINATING, now=at(1), expected=S.PROGRESSING)
        assert (caught.value.source, caught.value.target) == (S.INITIATING, S.TERMINATING)
        assert await store.get_aicall(aicall.id, customer_id=None) == aicall
        assert len(await store.list_events(limit=10, customer_id=None)) == 1
        await store.move_aicall(aicall.id, S.TERMINATING, now=at(1), expected=S.INITIATING)

    async def test_nobody_moves_what_is_not_there(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.move_aicall(uuid4(), S.PROGRESSING, now=at())

    async def test_one_of_many_moves_at_once_wins(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        moves = (store.move_aicall(aicall.id, S.TERMINATING, now=at(i)) for i in range(8))
        results = await asyncio.gather(*moves, return_exceptions=True)
        assert sum(not isinstance(result, BaseException) for result in results) == 1
        assert sum(isinstance(result, IllegalTransition) for result in results) == 7
        assert len(await store.list_events(limit=10, customer_id=None)) == 2

    async def test_one_of_many_claims_wins(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        results = await asyncio.gather(
            *(store.claim_aicall(aicall.id, owner=f"worker-{i}") for i in range(8)), return_exceptions=True
        )
        assert [result for result in results if not isinstance(result, Conflict)] == [aicall]

    async def test_only_a_free_initiating_aicall_is_claimed(self, store: Store) -> None:
        aicall, owned = make_aicall(), make_aicall()
        await store.create_aicall(owned, owner="worker-1")
        with pytest.raises(Conflict):
            await store.claim_aicall(owned.id, owner="worker-1")
        with pytest.raises(NotFound):
            await store.claim_aicall(aicall.id, owner="worker-1")
        await store.create_aicall(aicall)
        with pytest.raises(InvalidField):
            await store.claim_aicall(aicall.id, owner="")
        await store.move_aicall(aicall.id, S.TERMINATING, now=at(1))
        with pytest.raises(Conflict):
            await store.claim_aicall(aicall.id, owner="worker-1")

    async def test_only_an_ended_aicall_is_deleted(self, store: Store) -> None:
        aicall = make_aicall()
        await store.create_aicall(aicall, grant=make_grant(aicall.id, at(60)))
        with pytest.raises(Conflict):
            await store.delete_aicall(aicall.id, customer_id=CUSTOMER, now=at(1))
        ended = await terminate(store, aicall)
        deleted = await store.delete_aicall(aicall.id, customer_id=CUSTOMER, now=at(3))
        assert deleted == ended.model_copy(update={"tm_delete": at(3)})
        assert await store.get_grant(aicall.id) is None
        assert (await store.list_aicalls(customer_id=CUSTOMER, page_size=10)).items == []
        for attempt in (
            store.get_aicall(aicall.id, customer_id=None),
            store.delete_aicall(aicall.id, customer_id=CUSTOMER, now=at(4)),
            store.move_aicall(aicall.id, S.PROGRESSING, now=at(4)),
            store.claim_aicall(aicall.id, owner="worker-1"),
            store.add_message(make_message(aicall)),
            store.add_event(NewEvent(type="x", aicall_id=aicall.id, tm_create=at(4), data={})),
            store.list_messages(aicall.id, customer_id=None, page_size=1),
        ):
            with pytest.raises(NotFound):
                await attempt
        assert len(await store.list_events(limit=10, customer_id=CUSTOMER)) == 3

    async def test_expired_are_those_that_nobody_took_in_time(self, store: Store) -> None:
        expected = [make_aicall(at(second)) for second in (0, 1)]
        for aicall in reversed(expected):
            await store.create_aicall(aicall, grant=make_grant(aicall.id, at(60)))
        late, owned, moved, without = (make_aicall() for _ in range(4))
        await store.create_aicall(late, grant=make_grant(late.id, at(60.000001)))
        await store.create_aicall(owned, grant=make_grant(owned.id, at(60)), owner="worker-1")
        await store.create_aicall(moved, grant=make_grant(moved.id, at(60)))
        await store.move_aicall(moved.id, S.TERMINATING, now=at(1))
        await store.create_aicall(without)
        assert await store.expired_aicalls(now=at(60)) == expected
        assert await store.expired_aicalls(now=at(59)) == []

    async def test_list_by_status(self, store: Store) -> None:
        aicalls = [await stored_aicall(store, at(second)) for second in range(5)]
        for aicall in aicalls[:3]:
            await store.move_aicall(aicall.id, S.PROGRESSING, now=at(9))
        listed = await all_pages(
            lambda token: store.list_aicalls(customer_id=CUSTOMER, page_size=2, page_token=token, status=S.PROGRESSING)
        )
        assert [aicall.id for aicall in listed] == [aicall.id for aicall in reversed(aicalls[:3])]
        everything = await store.list_aicalls(customer_id=CUSTOMER, page_size=5)
        assert [aicall.id for aicall in everything.items] == [aicall.id for aicall in reversed(aicalls)]
        assert everything.next_page_token == ""


class EventContract:
    async def test_a_message_comes_back_with_its_event(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        message = make_message(
            aicall,
            at(1.5),
            role=Role.ASSISTANT,
            direction=Direction.OUTGOING,
            interrupted=True,
            tool_calls=[ToolCall(id="c1", function=ToolCallFunction(name="stop_service", arguments="{}"))],
        )
        event = await store.add_message(message)
        assert (event.type, event.sequence, event.tm_create) == ("aimessage_created", 2, at(1.5))
        assert event.data == message.public()
        assert (await store.list_messages(aicall.id, customer_id=CUSTOMER, page_size=5)).items == [message]
        with pytest.raises(Conflict):
            await store.add_message(message)
        with pytest.raises(NotFound):
            await store.add_message(make_message(make_aicall()))
        assert await store.list_events(after=event.id, limit=5, customer_id=None) == []

    async def test_messages_of_one_moment_keep_their_order(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        other = await stored_aicall(store)
        messages = [make_message(aicall, at(second)) for second in (1, 2, 2, 2, 2, 2, 2, 2, 3)]
        for message in messages:
            await store.add_message(message)
            await store.add_message(make_message(other))
        listed = await all_pages(
            lambda token: store.list_messages(aicall.id, customer_id=None, page_size=2, page_token=token)
        )
        assert listed == messages[::-1]

    async def test_no_messages_of_an_unknown_aicall(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.list_messages(uuid4(), customer_id=None, page_size=1)

    async def test_events_are_listed_in_order_after_any_of_them(self, store: Store) -> None:
        aicalls = [await stored_aicall(store) for _ in range(3)]
        for aicall in aicalls * 2:
            data = {"greeting": "grüß", "n": [1.5, None, True]}
            await store.add_event(
                NewEvent(type="aicall_turn_completed", aicall_id=aicall.id, tm_create=at(1), data=data)
            )
        events = await store.list_events(limit=100, customer_id=None)
        assert len(events) == 9
        assert events[-1].data == data
        ids = [int(event.id) for event in events]
        assert ids == sorted(set(ids))
        for index, event in enumerate(events):
            assert await store.list_events(after=event.id, limit=100, customer_id=CUSTOMER) == events[index + 1 :]
        assert await store.list_events(limit=2, customer_id=None) == events[:2]
        own = await store.list_events(limit=100, customer_id=None, aicall_id=aicalls[1].id)
        assert own == [event for event in events if event.aicall_id == aicalls[1].id]
        assert [event.sequence for event in own] == [1, 2, 3]

    async def test_no_event_of_an_unknown_aicall(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.add_event(NewEvent(type="x", aicall_id=uuid4(), tm_create=at(), data={}))

    @pytest.mark.parametrize(
        "after", ["x", "-1", "1.0", " 1", "\u0661", "9" * 19, "9" * 40, "73e63205-a034-471b-be13-b34cbd9a7798"]
    )
    async def test_event_ids_are_checked(self, store: Store, after: str) -> None:
        for attempt in (
            store.list_events(after=after, limit=1, customer_id=None),
            store.wait_events(after=after, timeout_s=0),
        ):
            with pytest.raises(InvalidField) as caught:
                await attempt
            assert caught.value.field == "after"

    async def test_waiting_ends_with_the_next_event(self, store: Store) -> None:
        assert not await store.wait_events(after="", timeout_s=0)
        aicall = await stored_aicall(store)
        (first,) = await store.list_events(limit=10, customer_id=None)
        assert await store.wait_events(after="", timeout_s=0)
        assert not await store.wait_events(after=first.id, timeout_s=0)
        async with asyncio.timeout(10):
            waiting = [asyncio.create_task(store.wait_events(after=first.id, timeout_s=60)) for _ in range(3)]
            await asyncio.sleep(0)
            await store.add_message(make_message(aicall))
            assert await asyncio.gather(*waiting) == [True, True, True]

    @pytest.mark.parametrize("yields", range(12))
    async def test_closing_sends_waiters_home(self, store: Store, yields: int) -> None:
        waiting = asyncio.create_task(store.wait_events(after="", timeout_s=60))
        for _ in range(yields):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await store.close()
            if yields:
                assert not await waiting
            else:
                with pytest.raises(Unavailable):
                    await waiting


class LifeContract:
    async def test_a_closed_store_is_unavailable(self, store: Store) -> None:
        await store.ping()
        await store.close()
        await store.close()
        with pytest.raises(Unavailable):
            await store.ping()
        with pytest.raises(Unavailable):
            await store.create_ai(make_ai())

    async def test_opening_twice_keeps_everything(self, store: Store) -> None:
        ai = make_ai()
        await store.create_ai(ai)
        await store.open()
        assert await store.get_ai(ai.id, customer_id=None) == ai

    async def test_a_cancelled_caller_breaks_nothing(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        for yields in range(40):
            task = asyncio.create_task(store.add_message(make_message(aicall, at(yields))))
            for _ in range(yields):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))
        # Writers take turns in order: once this one is through, so are those whose callers have left.
        await store.add_message(make_message(aicall, at(99)))
        events = await store.list_events(limit=100, customer_id=None)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        messages = (await store.list_messages(aicall.id, customer_id=None, page_size=100)).items
        assert {event.data["id"] for event in events[1:]} == {str(message.id) for message in messages}

    async def test_readers_and_writers_do_not_disturb_each_other(self, store: Store) -> None:
        aicall = await stored_aicall(store)

        async def write(number: int) -> None:
            await store.add_message(make_message(aicall, at(number)))

        async def read() -> None:
            events = await store.list_events(limit=100, customer_id=None)
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))

        await asyncio.gather(*(act for number in range(20) for act in (write(number), read(), read())))
        assert len(await store.list_events(limit=100, customer_id=None)) == 21

    async def test_ids_of_other_kinds_are_not_found(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        with pytest.raises(NotFound) as caught:
            await store.get_ai(aicall.id, customer_id=None)
        assert (caught.value.kind, UUID(caught.value.id)) == ("ai", aicall.id)
