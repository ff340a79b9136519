"""The conversations and tasks in which this process does something at the moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol
from uuid import UUID


class TextWork(Protocol):
    """What does something in one conversation or task."""

    def wake(self) -> None:
        """Say that there may be something new to do. Returns at once."""

    def stop(self) -> None:
        """Ask it to leave everything as it is, for somebody else to go on with. Returns at once."""

    async def run(self) -> None:
        """Do what is to be done. Never raises, unless it is cancelled."""


class TextDesk:
    """Registry of the work in hand. Nothing of a conversation is here while it rests."""

    def __init__(self) -> None:
        self._works: dict[UUID, tuple[TextWork, asyncio.Task[None]]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._works)

    def wake(self, aicall_id: UUID, make: Callable[[], TextWork]) -> None:
        """See that what is to be done in an AIcall is done; `make` is called when nobody is at it."""
        if self._closed:
            return
        if aicall_id in self._works:
            self._works[aicall_id][0].wake()
            return
        work = make()
        task = asyncio.get_running_loop().create_task(self._run(aicall_id, work), name=f"text-{aicall_id}")
        self._works[aicall_id] = work, task

    async def stop(self, aicall_id: UUID) -> None:
        """Stop what is being done in an AIcall, and wait until nothing is."""
        if aicall_id in self._works:
            work, task = self._works[aicall_id]
            work.stop()
            await asyncio.wait({task})

    async def close(self) -> None:
        """Stop all work, and take none any more. What waits in the store is for another process, or the next start."""
        self._closed = True
        while self._works:
            for work, _ in self._works.values():
                work.stop()
            await asyncio.wait({task for _, task in self._works.values()})

    async def _run(self, aicall_id: UUID, work: TextWork) -> None:
        try:
            await work.run()
        finally:
            del self._works[aicall_id]
