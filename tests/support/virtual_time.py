"""An event loop on virtual time: timers fire in order, and no test waits for them.

Mark an async test with ``@pytest.mark.virtual_time``; ``asyncio.sleep``, ``asyncio.timeout``, ``call_later`` and
``loop.time`` then run on virtual time. ``time.monotonic`` does not: logic under test takes its clock as an argument,
and the test passes ``asyncio.get_running_loop().time``.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from typing_extensions import TypeVarTuple, Unpack

_Ts = TypeVarTuple("_Ts")

STALL_S = 5.0
"""Real seconds that a loop without any timer waits for I/O or a thread before it counts as stalled."""


class VirtualTimeStalled(AssertionError):
    """Nothing is ready, no timer is set and nothing arrives from outside: the test would wait for ever."""


class _JumpingSelector(selectors.BaseSelector):
    """A selector that moves the clock on instead of waiting.

    What is ready for real (a loopback socket, another thread's wake-up) always goes before the next timer.
    """

    def __init__(self, start_s: float, stall_s: float) -> None:
        self.now_s = start_s
        self.jobs_in_threads = 0
        self._stall_s = stall_s
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        # A job in a thread takes no virtual time, so no timer may overtake it.
        if timeout is None or self.jobs_in_threads:
            ready = self._real.select(self._stall_s)
            if not ready:
                raise VirtualTimeStalled("nothing is left to wait for on virtual time")
            return ready
        self.now_s += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """A selector event loop whose clock stands still while anything is ready, then jumps to the next timer.

    Loopback sockets work, but their bytes take no virtual time: a peer that answers from another process or thread
    may be overtaken by a timer. Jobs of ``run_in_executor`` are waited for and take no virtual time either.

    Args:
        start_s: What `time` says at first, seconds.
        stall_s: See `STALL_S`.
    """

    def __init__(self, start_s: float = 0.0, stall_s: float = STALL_S) -> None:
        self._jumping = _JumpingSelector(start_s, stall_s)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], Any], *args: *_Ts
    ) -> asyncio.Future[Any]:
        """Like the base class; virtual time stands still until the job is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.jobs_in_threads += 1
        future.add_done_callback(self._job_done)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Like the base class; its time-out does not overtake the threads that it waits for."""
        self._jumping.jobs_in_threads += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._jumping.jobs_in_threads -= 1

    def _job_done(self, future: asyncio.Future[Any]) -> None:
        del future
        self._jumping.jobs_in_threads -= 1
