"""An event loop that knows how much CPU time each of its callbacks took.

How long a callback takes by the clock says how busy the machine is. The CPU time of the loop's own thread does not
grow when other processes or threads get their turn, so a limit on it holds on a loaded machine too. What the garbage
collector took is left out: that depends on everything else that the process has ever made.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NOTED_S = 0.001
"""CPU time from which on a callback is noted, seconds."""

_YARDSTICK_S = 0.0008
"""CPU time of `_yardstick` where the limits of the tests were set, seconds."""


def slowness() -> float:
    """How much slower this machine is than the one where limits were set; 1 for one that is as fast, or faster."""
    return max(1.0, min(_yardstick() for _ in range(20)) / _YARDSTICK_S)


def _yardstick() -> float:
    """CPU time of a piece of work like that of a callback: calls, attributes, dictionaries, seconds."""
    began_s = time.thread_time()
    seen: dict[int, str] = {}
    for number in range(4000):
        seen[number % 97] = str(number).partition("7")[2]
    return time.thread_time() - began_s


@dataclass(frozen=True, slots=True)
class Burst:
    """A time in which the loop did nothing else.

    Attributes:
        cpu_s: CPU time of the loop's thread, seconds.
        name: What ran: a callback, or a task's coroutine and where it stood before and after.
    """

    cpu_s: float
    name: str

    def __str__(self) -> str:
        return f"{self.cpu_s * 1000:.1f} ms: {self.name}"


class _EndsOfRounds(selectors.DefaultSelector):  # type: ignore[valid-type, misc]
    """A selector that says when a round of callbacks ends and when the next begins."""

    def __init__(self, ended: Callable[[], None], began: Callable[[], None]) -> None:
        super().__init__()
        self._ended = ended
        self._began = began

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._ended()
        try:
            ready: list[tuple[selectors.SelectorKey, int]] = super().select(timeout)
            return ready
        finally:
            self._began()


class CpuLoop(asyncio.SelectorEventLoop):
    """A selector event loop that notes what takes `NOTED_S` of CPU time or more.

    Callbacks and task steps are timed one by one. What sockets call directly is not seen from outside; it is timed as
    what is left of each round of the loop.

    Attributes:
        bursts: What was noted, in order; clear it at will.
    """

    def __init__(self) -> None:
        self.bursts: list[Burst] = []
        self._timed_s = 0.0
        self._round_s = 0.0
        self._collected_s = 0.0
        self._collection_began_s = 0.0
        gc.callbacks.append(self._collecting)
        super().__init__(_EndsOfRounds(self._round_ended, self._round_began))

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Like the base class."""
        return super().call_soon(self._timed, callback, args, context=context)

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Like the base class."""
        return super().call_soon_threadsafe(self._timed, callback, args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Like the base class."""
        return super().call_at(when, self._timed, callback, args, context=context)

    def close(self) -> None:
        """Like the base class."""
        if self._collecting in gc.callbacks:
            gc.callbacks.remove(self._collecting)
        super().close()

    def cpu_s(self) -> float:
        """CPU time of this thread without the garbage collector's, seconds."""
        return time.thread_time() - self._collected_s

    def _timed(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        task = getattr(callback, "__self__", None)
        before = _where(task) if isinstance(task, asyncio.Task) else ""
        began_s = self.cpu_s()
        try:
            callback(*args)
        finally:
            took_s = self.cpu_s() - began_s
            # Naming is part of the round and of nothing else.
            self._timed_s += took_s
            if took_s >= NOTED_S:
                after = f" {before} -> {_where(task)}" if isinstance(task, asyncio.Task) else ""
                self.bursts.append(Burst(took_s, f"{_name(callback)}{after}"))

    def _round_began(self) -> None:
        self._round_s, self._timed_s = self.cpu_s(), 0.0

    def _round_ended(self) -> None:
        # The first round has no beginning.
        left_s = self.cpu_s() - self._round_s - self._timed_s if self._round_s else 0.0
        if left_s >= NOTED_S:
            self.bursts.append(Burst(left_s, "sockets, and the loop itself"))

    def _collecting(self, phase: str, info: object) -> None:
        del info
        if phase == "start":
            self._collection_began_s = time.thread_time()
        else:
            self._collected_s += max(0.0, time.thread_time() - self._collection_began_s)


def _name(callback: Callable[..., Any]) -> str:
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return f"task {task.get_name()}"
    return getattr(callback, "__qualname__", repr(callback))


def _where(task: asyncio.Task[Any]) -> str:
    """The innermost place where a task waits, as ``file:line``."""
    waiting: Any = task.get_coro()
    place = "end"
    while waiting is not None:
        frame = _first(waiting, "cr_frame", "ag_frame", "gi_frame")
        if frame is not None:
            place = f"{'/'.join(frame.f_code.co_filename.rsplit('/', 3)[-3:])}:{frame.f_lineno}"
        waiting = _first(waiting, "cr_await", "ag_await", "gi_yieldfrom")
    return place


def _first(it: object, *names: str) -> Any:
    return next((found for name in names if (found := getattr(it, name, None)) is not None), None)
