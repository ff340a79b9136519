"""Waking those who wait for events: at once for events of this process, by polling for those of other processes.

A database that tells of other processes' events (`EventNotifier.nudge`) has them found sooner.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from models.errors import Unavailable


class EventNotifier:
    """Lets any number of tasks wait for an event id. One task polls for all of them, only while somebody waits.

    Args:
        newest: Reads the newest event id from the database.
        poll_interval_s: Pause between two looks, seconds: what an event of another process is late at most.
        sleep: Waits that long.
    """

    def __init__(
        self,
        newest: Callable[[], Awaitable[int]],
        *,
        poll_interval_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._newest = newest
        self._poll_interval_s = poll_interval_s
        self._sleep = sleep
        self._latest = 0
        self._stops = 0
        self._waiters: dict[asyncio.Future[bool], int] = {}
        self._poller: asyncio.Task[None] | None = None
        self._is_nudged = False
        self._looker: asyncio.Task[None] | None = None

    def seen(self, event_id: int) -> None:
        """Wake those who wait for this event or an earlier one."""
        self._latest = max(self._latest, event_id)
        for waiter, after in self._waiters.items():
            if self._latest > after and not waiter.done():
                waiter.set_result(True)

    def nudge(self) -> None:
        """Look now, if somebody waits: another process has written an event."""
        self._is_nudged = True
        if self._waiters and (self._looker is None or self._looker.done()):
            self._looker = asyncio.create_task(self._look())

    async def wait(self, after: int, *, timeout_s: float) -> bool:
        """Wait until there is an event after the given id.

        Args:
            after: Id of the last event that the reader has.
            timeout_s: Longest wait, seconds; 0 only looks.

        Returns:
            False when the time is over, or the notifier was stopped, without one.

        Raises:
            Unavailable: The database does not answer.
        """
        stops = self._stops
        if self._latest <= after:
            self.seen(await self._newest())
        if self._latest > after:
            return True
        if self._stops != stops:
            return False
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = after
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            await asyncio.wait((waiter,), timeout=timeout_s)
            return waiter.done() and waiter.result()
        finally:
            del self._waiters[waiter]

    async def stop(self) -> None:
        """Send everybody home and end the polling. May be called twice; waiting again starts it anew."""
        self._stops += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(False)
        tasks = [task for task in (self._poller, self._looker) if task is not None]
        self._poller = self._looker = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _look(self) -> None:
        while self._is_nudged and self._waiters:
            self._is_nudged = False
            with contextlib.suppress(Unavailable):
                self.seen(await self._newest())

    async def _poll(self) -> None:
        while self._waiters:
            await self._sleep(self._poll_interval_s)
            try:
                self.seen(await self._newest())
            except Unavailable:
                # Whoever waits can do nothing about it, and learns of it by the next read.
                continue
