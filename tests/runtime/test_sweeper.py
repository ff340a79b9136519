from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from models.aicall import EndReason
from models.status import AicallStatus
from runtime.ending import wait_ended
from runtime.sweeper import keep_sweeping, sweep
from tests.runtime.serving import serving


async def test_only_what_nobody_connected_to_in_time_is_ended(tmp_path: Path) -> None:
    async with serving(tmp_path, media_token_ttl_s=60) as api:
        unused, used = [UUID((await api.new_aicall())["id"]) for _ in range(2)]
        store = api.services.store
        await store.claim_aicall(used, owner="a process")
        assert await sweep(api.services) == 0

        in_an_hour = replace(api.services, clock=lambda: api.services.clock() + timedelta(hours=1))
        assert await sweep(in_an_hour) == 1
        ended = await store.get_aicall(unused, customer_id=None)
        assert (ended.status, ended.end_reason) == (AicallStatus.TERMINATED, EndReason.EXPIRED)
        assert (await store.get_aicall(used, customer_id=None)).status is AicallStatus.INITIATING
        assert await sweep(in_an_hour) == 0


async def test_a_failing_sweep_is_not_the_last(tmp_path: Path) -> None:
    async with serving(tmp_path, database=str(tmp_path / "calls.db"), sweep_interval_s=0.01) as api:
        aicall_id = UUID((await api.new_aicall())["id"])
        later = replace(api.services, clock=lambda: api.services.clock() + timedelta(hours=2))
        await api.services.store.close()
        sweeping = asyncio.create_task(keep_sweeping(later))
        await asyncio.wait([sweeping], timeout=0.05)
        assert not sweeping.done()
        await api.services.store.open()
        assert await wait_ended(api.services.store, aicall_id, timeout_s=5)
        sweeping.cancel()


async def test_a_server_sweeps(tmp_path: Path) -> None:
    async with serving(tmp_path, media_token_ttl_s=0.001, sweep_interval_s=0.01) as api:
        aicall = await api.new_aicall()
        assert await wait_ended(api.services.store, UUID(aicall["id"]), timeout_s=5)
        assert (await api.ok("GET", f"/v1.0/aicalls/{aicall['id']}"))["end_reason"] == "expired"
