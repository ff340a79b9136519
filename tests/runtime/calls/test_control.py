"""Requests of one process for a call that another one runs, on one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.store.life.contract import LifeStep
from models.aicall import Aicall, EndReason
from models.errors import Conflict
from models.status import AicallStatus
from runtime.calls.control import end_aicall, pause_aicall, resume_aicall
from runtime.calls.leases import lease_end
from runtime.calls.live_calls import LiveCalls
from runtime.calls.requests import RequestTaker
from runtime.services import Services
from tests.adapters.store.samples import make_aicall
from tests.runtime.calls.wires import services_in

S = AicallStatus


class Running:
    """A call that does at once what it is asked, and records it."""

    detached = False

    def __init__(self, services: Services, aicall: Aicall) -> None:
        self._services = services
        self._aicall = aicall
        self.ended = asyncio.Event()
        services.live_calls.add(aicall.id, self)  # type: ignore[arg-type]

    async def pause(self) -> None:
        await self._record(LifeStep(S.PAUSING, held=True))

    async def resume(self) -> None:
        await self._record(LifeStep(S.RESUMING), LifeStep(S.PROGRESSING))

    def end(self, reason: EndReason) -> None:
        steps = [LifeStep(S.TERMINATING, end_reason=reason), LifeStep(S.TERMINATED)]
        self._ending = asyncio.create_task(self._record(*steps))
        self._services.live_calls.remove(self._aicall.id)

    async def _record(self, *steps: LifeStep) -> None:
        owner = self._services.live_calls.owner
        for step in steps:
            await self._services.store.record_life(self._aicall.id, step, owner=owner, now=self._services.clock())


@asynccontextmanager
async def two_processes(folder: Path) -> AsyncIterator[tuple[Services, Services, Aicall]]:
    async with services_in(folder) as here:
        there = replace(here, live_calls=LiveCalls())
        taking = asyncio.create_task(RequestTaker(there).keep())
        aicall = make_aicall()
        owner = there.live_calls.owner
        await here.store.create_aicall(aicall, owner=owner, tm_lease=lease_end(there))
        await here.store.record_life(aicall.id, LifeStep(S.PROGRESSING), owner=owner, now=here.clock())
        try:
            yield here, there, aicall
        finally:
            taking.cancel()
            await asyncio.wait({taking})


async def now(services: Services, aicall: Aicall) -> Aicall:
    return await services.store.get_aicall(aicall.id, customer_id=None)


async def test_another_process_does_what_is_asked(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (here, there, aicall):
        Running(there, aicall)
        for _ in range(2):
            assert (await pause_aicall(here, await now(here, aicall))).status is S.PAUSING
        for _ in range(2):
            assert (await resume_aicall(here, await now(here, aicall))).status is S.PROGRESSING
        both = await asyncio.gather(*(end_aicall(here, aicall, EndReason.TERMINATE) for _ in range(2)))
        assert {(ended.status, ended.end_reason) for ended in both} == {(S.TERMINATED, EndReason.TERMINATE)}
        events = await here.store.list_events(limit=50, customer_id=None, aicall_id=aicall.id)
        assert [event.type.rpartition("_")[2] for event in events] == [
            "initiating",
            "progressing",
            "pausing",
            "resuming",
            "progressing",
            "terminating",
            "terminated",
        ]


async def test_a_dead_owners_call_is_ended_by_whoever_is_asked_and_not_paused(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (here, there, aicall):
        await here.store.renew_leases([aicall.id], owner=there.live_calls.owner, tm_lease=here.clock())
        with pytest.raises(Conflict, match="gone"):
            await pause_aicall(here, await now(here, aicall))
        ended = await end_aicall(here, await now(here, aicall), EndReason.TERMINATE)
        assert (ended.status, ended.end_reason) == (S.TERMINATED, EndReason.TERMINATE)
        assert await end_aicall(here, ended, EndReason.DRAIN) == ended


@pytest.mark.parametrize("status", [S.INITIATING, S.TERMINATING, S.TERMINATED])
async def test_a_wrong_status_is_said(tmp_path: Path, status: AicallStatus) -> None:
    async with two_processes(tmp_path) as (here, _, aicall):
        wrong = aicall.model_copy(update={"status": status})
        for request in (pause_aicall, resume_aicall):
            with pytest.raises(Conflict, match=status):
                await request(here, wrong)
