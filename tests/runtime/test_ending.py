from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from models.aicall import EndReason
from models.errors import NotFound
from models.status import AicallStatus
from runtime.calls.control import end_aicall
from runtime.ending import end_unattended, wait_ended
from tests.runtime.serving import Api, NotedCall, serving


async def status_of(api: Api, aicall_id: UUID) -> tuple[AicallStatus, EndReason]:
    aicall = await api.services.store.get_aicall(aicall_id, customer_id=None)
    return aicall.status, aicall.end_reason


async def test_many_hands_end_it_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall_id = UUID((await api.new_aicall())["id"])
        ended = await asyncio.gather(*(end_unattended(api.services, aicall_id, EndReason.EXPIRED) for _ in range(8)))
        assert [aicall.status for aicall in ended] == [AicallStatus.TERMINATED] * 8
        events = await api.services.store.list_events(limit=10, customer_id=None)
        assert [event.type.rpartition("_")[2] for event in events] == ["initiating", "terminating", "terminated"]


async def test_the_first_reason_stays_and_an_ended_one_is_left_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall_id = UUID((await api.new_aicall())["id"])
        ended = await end_unattended(api.services, aicall_id, EndReason.EXPIRED)
        assert await end_aicall(api.services, ended, EndReason.TERMINATE) == ended
        again = await end_unattended(api.services, aicall_id, EndReason.TERMINATE)
        assert again.end_reason is EndReason.EXPIRED
        with pytest.raises(NotFound):
            await end_unattended(api.services, uuid4(), EndReason.EXPIRED)


async def test_waiting_for_an_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        ai = await api.new_ai()
        call = NotedCall(api.services, await api.new_aicall(ai))
        store = api.services.store
        assert not await wait_ended(store, call.aicall_id, timeout_s=0.01)
        waiting = asyncio.create_task(wait_ended(store, call.aicall_id, timeout_s=5))
        # Events of others wake the wait and must not end it.
        other = NotedCall(api.services, await api.new_aicall(ai))
        await other.finish()
        assert not waiting.done()
        await call.finish()
        assert await waiting
        assert await wait_ended(store, call.aicall_id, timeout_s=5)


async def test_a_call_that_will_not_end_cannot_be_deleted(tmp_path: Path) -> None:
    async with serving(tmp_path, teardown_timeout_s=0.01) as api:
        aicall = await api.new_aicall()
        call = NotedCall(api.services, aicall, stubborn=True)
        await api.problem("DELETE", f"/v1.0/aicalls/{aicall['id']}", 409)
        assert (await status_of(api, call.aicall_id))[0] is AicallStatus.INITIATING
        await call.finish()
        await api.ok("DELETE", f"/v1.0/aicalls/{aicall['id']}")
