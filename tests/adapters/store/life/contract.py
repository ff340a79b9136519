"""What every store must do about who runs an AIcall, until when, and what others ask of them."""

import asyncio
from uuid import UUID, uuid4

import pytest

from adapters.store.base import Store
from adapters.store.life.contract import LifeRequest, LifeStep
from models.aicall import Aicall, EndReason
from models.errors import Conflict, IllegalTransition, LostLease, NotFound
from models.event import NewEvent
from models.status import AicallStatus
from tests.adapters.store.samples import at, make_aicall, make_message

S = AicallStatus


async def owned(store: Store, owner: str = "a", lease_s: float | None = 10, *moves: LifeStep) -> Aicall:
    aicall = make_aicall()
    await store.create_aicall(aicall, owner=owner, tm_lease=None if lease_s is None else at(lease_s))
    for step in moves:
        assert await store.record_life(aicall.id, step, owner=owner, now=at(1))
    return aicall


async def kinds(store: Store, aicall_id: UUID) -> list[str]:
    events = await store.list_events(limit=100, customer_id=None, aicall_id=aicall_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    return [event.type.removeprefix("aicall_status_") for event in events]


class TenureContract:
    async def test_who_runs_an_aicall(self, store: Store) -> None:
        aicall = make_aicall()
        await store.create_aicall(aicall)
        tenure = await store.get_tenure(aicall.id)
        assert (tenure.aicall, tenure.owner, tenure.tm_lease, tenure.tm_media, tenure.held) == (
            aicall,
            "",
            None,
            None,
            False,
        )
        assert not tenure.alive(at(0))
        await store.claim_aicall(aicall.id, owner="a", tm_lease=at(10))
        tenure = await store.get_tenure(aicall.id)
        assert (tenure.owner, tenure.tm_lease) == ("a", at(10))
        assert tenure.alive(at(9))
        assert not tenure.alive(at(10))
        with pytest.raises(NotFound):
            await store.get_tenure(uuid4())

    async def test_an_owner_records_its_steps_once(self, store: Store) -> None:
        aicall = await owned(store)
        lost = LifeStep(S.PAUSING, tm_media=at(20))
        for step, moved in [
            (LifeStep(S.PROGRESSING), True),
            (LifeStep(S.PROGRESSING), False),
            (lost, True),
            (lost, False),
            (LifeStep(None, tm_media=at(25), held=True), False),
        ]:
            assert await store.record_life(aicall.id, step, owner="a", now=at(1)) is moved
        tenure = await store.get_tenure(aicall.id)
        assert (tenure.aicall.status, tenure.tm_media, tenure.held) == (S.PAUSING, at(25), True)
        assert await kinds(store, aicall.id) == ["initiating", "progressing", "pausing"]
        with pytest.raises(IllegalTransition):
            await store.record_life(aicall.id, LifeStep(S.TERMINATED), owner="a", now=at(1))
        with pytest.raises(NotFound):
            await store.record_life(uuid4(), LifeStep(None), owner="a", now=at(1))

    async def test_nobody_else_records_anything(self, store: Store) -> None:
        aicall = await owned(store)
        event = NewEvent(type="x", aicall_id=aicall.id, tm_create=at(), data={})
        with pytest.raises(LostLease):
            await store.record_life(aicall.id, LifeStep(S.PROGRESSING), owner="b", now=at(1))
        with pytest.raises(LostLease):
            await store.add_event(event, owner="b")
        with pytest.raises(LostLease):
            await store.add_message(make_message(aicall), owner="b")
        assert await kinds(store, aicall.id) == ["initiating"]
        with pytest.raises(NotFound):
            await store.add_event(event.model_copy(update={"aicall_id": uuid4()}), owner="b")

    async def test_a_write_that_is_repeated_is_there_once(self, store: Store) -> None:
        aicall = await owned(store)
        event, key = NewEvent(type="x", aicall_id=aicall.id, tm_create=at(), data={}), uuid4()
        message = make_message(aicall)
        first = await store.add_event(event, owner="a", key=key)
        assert (await store.add_event(event, owner="a", key=key)).id == first.id
        said = await store.add_message(message, owner="a")
        assert (await store.add_message(message, owner="a")).id == said.id
        with pytest.raises(Conflict):
            await store.add_message(message)
        await store.add_event(event, owner="a", key=uuid4())
        assert await kinds(store, aicall.id) == ["initiating", "x", "aimessage_created", "x"]


class ReattachContract:
    async def test_a_lost_phone_system_is_taken_once(self, store: Store) -> None:
        aicall = await owned(store, "a", 10, LifeStep(S.PROGRESSING), LifeStep(S.PAUSING, at(20), held=True))

        async def take(owner: str) -> str:
            try:
                tenure = await store.attach_aicall(aicall.id, from_owner="a", owner=owner, now=at(5), tm_lease=at(30))
            except Conflict:
                return ""
            assert (tenure.aicall.status, tenure.owner, tenure.held) == (S.PAUSING, owner, True)
            assert (tenure.tm_media, tenure.tm_lease) == (None, at(30))
            return owner

        taken = await asyncio.gather(*(take(f"o{number}") for number in range(6)))
        [winner] = [owner for owner in taken if owner]
        with pytest.raises(LostLease):
            await store.record_life(aicall.id, LifeStep(S.TERMINATING), owner="a", now=at(6))
        assert await store.record_life(aicall.id, LifeStep(S.RESUMING), owner=winner, now=at(6))

    async def test_not_when_connected_or_over_or_too_late(self, store: Store) -> None:
        lost = [LifeStep(S.PROGRESSING), LifeStep(S.PAUSING, at(20))]
        connected = await owned(store, "a", 10, lost[0])
        waiting = await owned(store, "a", 10, *lost)
        over = await owned(store, "a", 10, *lost, LifeStep(S.TERMINATING))
        for aicall, now_s in ((connected, 5), (waiting, 20), (over, 5)):
            with pytest.raises(Conflict):
                await store.attach_aicall(aicall.id, from_owner="a", owner="b", now=at(now_s), tm_lease=at(30))
        with pytest.raises(NotFound):
            await store.attach_aicall(uuid4(), from_owner="a", owner="b", now=at(5), tm_lease=at(30))


class LeaseContract:
    async def test_leases_are_renewed_together(self, store: Store) -> None:
        mine = [await owned(store) for _ in range(3)]
        other = await owned(store, "b")
        ids = [aicall.id for aicall in (*mine, other)]
        kept = await store.renew_leases(ids, owner="a", tm_lease=at(99))
        assert kept == {aicall.id for aicall in mine}
        assert [(await store.get_tenure(it)).tm_lease for it in ids] == [at(99)] * 3 + [at(10)]
        assert await store.renew_leases([], owner="a", tm_lease=at(99)) == frozenset()

    async def test_more_than_one_statement_takes(self, store: Store) -> None:
        aicall = await owned(store)
        ids = [uuid4() for _ in range(1200)]
        assert await store.renew_leases([*ids, aicall.id], owner="a", tm_lease=at(99)) == {aicall.id}

    async def test_orphans_are_found_when_their_lease_is_over(self, store: Store) -> None:
        never, early, late = await owned(store, "a", None), await owned(store, "a", 5), await owned(store, "a", 8)
        await store.create_aicall(make_aicall())
        await owned(store, "a", 5, LifeStep(S.TERMINATING), LifeStep(S.TERMINATED))

        async def found(now_s: float) -> set[UUID]:
            return {orphan.aicall.id for orphan in await store.list_orphans(now=at(now_s))}

        assert await found(4) == {never.id}
        assert await found(5) == {never.id, early.id}
        assert await found(9) == {never.id, early.id, late.id}
        assert len(await store.list_orphans(now=at(9), limit=2)) == 2
        halfway = make_aicall()
        await store.create_aicall(halfway)
        await store.move_aicall(halfway.id, S.TERMINATING, now=at(1))
        assert await found(4) == {never.id, halfway.id}

    async def test_an_orphan_is_adopted_once_and_only_as_it_was_found(self, store: Store) -> None:
        aicall = await owned(store, "dead", 5, LifeStep(S.PROGRESSING))
        [orphan] = await store.list_orphans(now=at(6))
        step = LifeStep(S.PAUSING, tm_media=at(20))

        async def adopt(owner: str) -> bool:
            return await store.adopt_aicall(orphan, step, owner=owner, now=at(6), tm_lease=at(20))

        done = await asyncio.gather(*(adopt(f"o{number}") for number in range(6)))
        assert sum(done) == 1
        tenure = await store.get_tenure(aicall.id)
        assert (tenure.owner, tenure.tm_lease, tenure.tm_media) == (f"o{done.index(True)}", at(20), at(20))
        assert await kinds(store, aicall.id) == ["initiating", "progressing", "pausing"]
        with pytest.raises(LostLease):
            await store.record_life(aicall.id, LifeStep(S.TERMINATING), owner="dead", now=at(7))

    async def test_one_whose_owner_is_back_is_left_alone(self, store: Store) -> None:
        aicall = await owned(store, "slow", None, LifeStep(S.PROGRESSING))
        [orphan] = await store.list_orphans(now=at(6))
        await store.renew_leases([aicall.id], owner="slow", tm_lease=at(99))
        step = LifeStep(S.PAUSING, tm_media=at(20))
        assert not await store.adopt_aicall(orphan, step, owner="b", now=at(6), tm_lease=at(20))
        assert (await store.get_tenure(aicall.id)).aicall.status is S.PROGRESSING


class RequestContract:
    async def test_requests_reach_the_owner_once_and_in_order(self, store: Store) -> None:
        mine, other = await owned(store), await owned(store, "b")
        for aicall, request in (
            (mine, LifeRequest.PAUSE),
            (other, LifeRequest.TERMINATE),
            (mine, LifeRequest.RESUME),
        ):
            await store.ask_owner(aicall.id, request, now=at(1))
        assert await store.take_requests(owner="a") == [
            (mine.id, LifeRequest.PAUSE),
            (mine.id, LifeRequest.RESUME),
        ]
        assert await store.take_requests(owner="a") == []
        assert await store.take_requests(owner="b") == [(other.id, LifeRequest.TERMINATE)]
        with pytest.raises(NotFound):
            await store.ask_owner(uuid4(), LifeRequest.PAUSE, now=at(1))

    async def test_the_reason_of_an_end_is_kept(self, store: Store) -> None:
        end = LifeStep(S.TERMINATING, end_reason=EndReason.IDLE)
        aicall = await owned(store, "a", 10, end, LifeStep(S.TERMINATED, end_reason=EndReason.HANGUP))
        row = await store.get_aicall(aicall.id, customer_id=None)
        assert (row.end_reason, row.tm_end) == (EndReason.IDLE, at(1))
