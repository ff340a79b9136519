from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.store.life.contract import LifeRequest
from runtime.calls.keeping import keep_lives
from tests.adapters.store.samples import at, make_aicall
from tests.runtime.calls.test_requests import Noted
from tests.runtime.calls.wires import services_in


async def test_leases_are_renewed_and_requests_taken_until_it_is_cancelled(tmp_path: Path) -> None:
    async with services_in(tmp_path, lease_s=0.3) as services:
        aicall, call = make_aicall(), Noted(refuses=False)
        await services.store.create_aicall(aicall, owner=services.live_calls.owner)
        services.live_calls.add(aicall.id, call)  # type: ignore[arg-type]
        await services.store.ask_owner(aicall.id, LifeRequest.PAUSE, now=at())
        keeping = asyncio.create_task(keep_lives(services))
        async with asyncio.timeout(20):
            while not call.asked or (await services.store.get_tenure(aicall.id)).tm_lease is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.wait({keeping})
        assert keeping.cancelled()
        services.live_calls.remove(aicall.id)
