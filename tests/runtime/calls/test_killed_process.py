"""``kill -9`` of a worker process, with real processes on one database: no call is left in ``progressing``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import psutil
import pytest

from tests.runtime.calls.phones import dial
from tests.runtime.supervisor.servers import WAIT_S, live_calls, new_call, serving


async def statuses(http: httpx.AsyncClient) -> list[str]:
    events = (await http.get("/v1.0/events", params={"limit": 100})).raise_for_status().json()["result"]
    prefix = "aicall_status_"
    return [event["type"].removeprefix(prefix) for event in events if event["type"].startswith(prefix)]


async def until_status(http: httpx.AsyncClient, status: str, times: int = 1) -> list[str]:
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                path = await statuses(http)
            except httpx.HTTPError:
                # The process that answered was the one that died.
                path = []
            if path.count(status) >= times:
                return path
            await asyncio.sleep(0.05)


async def kill_the_owner(http: httpx.AsyncClient) -> None:
    [pid] = [pid for pid, calls in (await live_calls(http)).items() if calls]
    psutil.Process(pid).kill()


@pytest.mark.timeout(240)
async def test_the_phone_system_connects_again_and_the_call_goes_on(tmp_path: Path) -> None:
    changes = {"AICALL_LEASE_S": "2", "AICALL_REATTACH_GRACE_S": "60"}
    async with serving(tmp_path, 2, **changes) as server, server.client() as http:
        url = await new_call(http)
        async with dial(url) as phone:
            await phone.start()
            await phone.until_heard()
            await kill_the_owner(http)
            await phone.closed()
        assert await until_status(http, "pausing") == ["initiating", "progressing", "pausing"]
        async with dial(url) as phone:
            await phone.start()
            await until_status(http, "progressing", 2)
        path = await until_status(http, "terminated")
        assert path[3:] == ["resuming", "progressing", "terminating", "terminated"]


@pytest.mark.timeout(240)
async def test_without_its_phone_system_the_call_is_ended(tmp_path: Path) -> None:
    changes = {"AICALL_LEASE_S": "2", "AICALL_REATTACH_GRACE_S": "1"}
    async with serving(tmp_path, 2, **changes) as server, server.client() as http:
        async with dial(await new_call(http)) as phone:
            await phone.start()
            await phone.until_heard()
            await kill_the_owner(http)
            await phone.closed()
        path = await until_status(http, "terminated")
        assert path == ["initiating", "progressing", "pausing", "terminating", "terminated"]
        [aicall] = (await http.get("/v1.0/aicalls")).raise_for_status().json()["result"]
        assert aicall["end_reason"] == "worker_lost"
