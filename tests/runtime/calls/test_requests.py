from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.store.life.contract import LifeRequest
from models.aicall import EndReason
from models.errors import Conflict
from runtime.calls.requests import RequestTaker
from tests.adapters.store.samples import at, make_aicall
from tests.runtime.calls.wires import services_in


class Noted:
    """A call that notes what it is asked, and may refuse it."""

    detached = False

    def __init__(self, *, refuses: bool) -> None:
        self.asked: list[object] = []
        self._refuses = refuses

    async def pause(self) -> None:
        self.asked.append("pause")
        if self._refuses:
            raise Conflict("no")

    async def resume(self) -> None:
        self.asked.append("resume")

    def end(self, reason: EndReason) -> None:
        self.asked.append(reason)


@pytest.mark.parametrize("refuses", [False, True])
async def test_each_request_reaches_its_call_once(tmp_path: Path, refuses: bool) -> None:
    async with services_in(tmp_path) as services:
        aicall, elsewhere = make_aicall(), make_aicall()
        for one in (aicall, elsewhere):
            await services.store.create_aicall(one, owner=services.live_calls.owner)
        call: Any = Noted(refuses=refuses)
        services.live_calls.add(aicall.id, call)
        for one in (aicall, elsewhere):
            for request in LifeRequest:
                await services.store.ask_owner(one.id, request, now=at())
        taking = asyncio.create_task(RequestTaker(services).keep())
        async with asyncio.timeout(20):
            while len(call.asked) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        taking.cancel()
        await asyncio.wait({taking})
        assert call.asked == ["pause", "resume", EndReason.TERMINATE]
        assert await services.store.take_requests(owner=services.live_calls.owner) == []
        services.live_calls.remove(aicall.id)
