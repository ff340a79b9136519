"""Leases on a real store and a clock that the test moves: two processes on one database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from adapters.store.life.contract import LifeStep
from models.aicall import EndReason
from models.errors import Unavailable
from models.status import AicallStatus
from runtime.calls.leases import LeaseKeeper, lease_end
from runtime.calls.live_calls import LiveCalls
from runtime.services import Services
from tests.adapters.store.samples import at, make_aicall
from tests.runtime.calls.wires import services_in

S = AicallStatus


class Taken:
    """A live call that only notes that it was taken."""

    def __init__(self) -> None:
        self.taken_times = 0
        self.detached = False

    def taken(self) -> None:
        self.taken_times += 1


class House:
    """A store with two processes, and their clock."""

    def __init__(self, services: Services) -> None:
        self.now_s = 0.0
        clock = lambda: at(self.now_s)  # noqa: E731
        self.a = replace(services, clock=clock)
        self.b = replace(services, clock=clock, live_calls=LiveCalls())
        self.keepers = LeaseKeeper(self.a), LeaseKeeper(self.b)

    async def progressing(self, owner: Services) -> UUID:
        aicall = make_aicall()
        store, name = owner.store, owner.live_calls.owner
        await store.create_aicall(aicall, owner=name, tm_lease=lease_end(owner))
        await store.record_life(aicall.id, LifeStep(S.PROGRESSING), owner=name, now=owner.clock())
        return aicall.id

    async def after(self, seconds: float, *keepers: LeaseKeeper) -> int:
        self.now_s += seconds
        return sum([await keeper.look() for keeper in keepers])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with services_in(tmp_path, database=str(tmp_path / "calls.db"), lease_s=10, reattach_grace_s=20) as services:
        yield House(services)


async def test_a_dead_owners_call_is_paused_and_then_ended_by_one_process(house: House) -> None:
    dead = await house.progressing(replace(house.a, live_calls=LiveCalls()))
    assert await house.after(0, *house.keepers) == 0
    assert await house.after(9, *house.keepers) == 0
    assert await house.after(2, *house.keepers) == 1
    tenure = await house.a.store.get_tenure(dead)
    assert (tenure.aicall.status, tenure.tm_media) == (S.PAUSING, at(31))
    assert await house.after(19, *house.keepers) == 0
    assert await house.after(2, *house.keepers) == 1
    ended = await house.a.store.get_aicall(dead, customer_id=None)
    assert (ended.status, ended.end_reason) == (S.TERMINATED, EndReason.WORKER_LOST)
    events = await house.a.store.list_events(limit=10, customer_id=None, aicall_id=dead)
    assert [event.type.rpartition("_")[2] for event in events] == [
        "initiating",
        "progressing",
        "pausing",
        "terminating",
        "terminated",
    ]


async def test_a_live_owners_calls_are_renewed_and_left_alone(house: House) -> None:
    aicall_id = await house.progressing(house.a)
    house.a.live_calls.add(aicall_id, Taken())  # type: ignore[arg-type]
    for _ in range(12):
        assert await house.after(4, *house.keepers) == 0
    assert (await house.a.store.get_aicall(aicall_id, customer_id=None)).status is S.PROGRESSING
    house.a.live_calls.remove(aicall_id)


async def test_an_owner_that_was_taken_for_dead_is_told(house: House) -> None:
    aicall_id = await house.progressing(house.a)
    call = Taken()
    house.a.live_calls.add(aicall_id, call)  # type: ignore[arg-type]
    await house.after(0, house.keepers[1])
    assert await house.after(11, house.keepers[1]) == 1
    assert call.taken_times == 0
    await house.after(0, house.keepers[0])
    assert call.taken_times == 1
    house.a.live_calls.remove(aicall_id)


async def test_after_an_outage_everybody_gets_a_lease_to_show_that_they_live(house: House) -> None:
    aicall_id = await house.progressing(house.a)
    house.a.live_calls.add(aicall_id, Taken())  # type: ignore[arg-type]
    await house.after(0, *house.keepers)
    await house.a.store.close()
    for keeper in house.keepers:
        with pytest.raises(Unavailable):
            await house.after(15, keeper)
    await house.a.store.open()
    fresh = LeaseKeeper(house.b)
    assert await house.after(0, fresh) == 0, "the owner may renew at any moment"
    assert await house.after(0, house.keepers[0]) == 0
    assert await house.after(11, house.keepers[0], fresh) == 0
    assert (await house.a.store.get_aicall(aicall_id, customer_id=None)).status is S.PROGRESSING
    house.a.live_calls.remove(aicall_id)


async def test_a_lease_ends_when_the_settings_say(house: House) -> None:
    assert lease_end(house.a) - house.a.clock() == timedelta(seconds=10)
