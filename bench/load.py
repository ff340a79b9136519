"""Calls in progress: a plan of the load harness as a task that ends with its context."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.replay.load import Plan, Progress, Run, run_plan


class Load:
    """Calls in progress; `placing` makes it.

    Attributes:
        progress: How far they have come.
        running: The harness's task.
    """

    def __init__(self, plan: Plan) -> None:
        self.progress = Progress()
        self.running = asyncio.create_task(run_plan(plan, self._note))

    @property
    def steady(self) -> bool:
        """Whether no call has ended yet."""
        return not self.progress.ended and not self.running.done()

    async def finished(self) -> Run:
        """Wait until all calls are over; return what they left behind."""
        return await self.running

    def _note(self, progress: Progress) -> None:
        self.progress = progress


@asynccontextmanager
async def placing(plan: Plan) -> AsyncIterator[Load]:
    """Place calls while the context lasts; what is still up at its end is hung up.

    Args:
        plan: The calls.
    """
    load = Load(plan)
    try:
        yield load
    finally:
        load.running.cancel()
        await asyncio.wait([load.running])
