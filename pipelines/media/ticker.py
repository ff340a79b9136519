"""Wakes one task on a grid of moments, and at once when there is something to do."""

from __future__ import annotations

import asyncio


class Ticker:
    """One call's ticker: one future and one timer a tick, on the loop's clock. For a single waiting task.

    Args:
        step_s: Distance of the ticks, seconds.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._next_s = 0.0
        self._waiting: asyncio.Future[None] | None = None
        self._woken = False

    def wake(self) -> None:
        """End the wait now, or the next one before it begins."""
        self._woken = True
        _finish(self._waiting)

    async def wait(self, *, ticking: bool) -> float:
        """Wait for the next tick.

        Being woken early does not put the next tick off. Ticks that were missed are not made up for.

        Args:
            ticking: Whether time matters; False waits until woken, and the grid begins there.

        Returns:
            The moment, seconds.
        """
        loop = asyncio.get_running_loop()
        if not self._woken:
            waiting = self._waiting = loop.create_future()
            timer = loop.call_at(self._next_s, _finish, waiting) if ticking else None
            try:
                await waiting
            finally:
                self._waiting = None
                if timer is not None:
                    timer.cancel()
        self._woken = False
        now_s = loop.time()
        if not ticking:
            self._next_s = now_s + self._step_s
        elif self._next_s <= now_s:
            missed = (now_s - self._next_s) // self._step_s
            self._next_s += (missed + 1) * self._step_s
            if self._next_s <= now_s:
                self._next_s += self._step_s
        return now_s


def _finish(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
