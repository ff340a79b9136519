"""Says in the log what the event loop was doing while it stood still.

The loop cannot look at itself then, so a thread does. It needs the interpreter's lock only 20 times a second, for
microseconds; code that holds the lock while it stalls is seen at the moment when it lets go, which is still inside it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from loguru import logger

from runtime.loop_watch import STALL_S

_POLL_S = 0.05
_FRAMES = 8
_PAUSE_S = 10.0
"""Shortest time between two lines in the log, seconds: a process that stalls must not also write."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which the loop stood still.

    Attributes:
        lag_s: How late a timer ran after it, seconds.
        frames: What the loop's thread was in, innermost first, as ``file:line function``; empty when nobody looked.
    """

    lag_s: float
    frames: tuple[str, ...]


def frames_of(frame: FrameType | None, limit: int = _FRAMES) -> tuple[str, ...]:
    """Name a frame and its callers, innermost first, as ``file:line function``. Reads no source file."""
    found: list[str] = []
    while frame is not None and len(found) < limit:
        code = frame.f_code
        line, frame = frame.f_lineno, frame.f_back
        if code.co_filename.startswith("<frozen "):
            # An import: which one it is, is said by whoever wanted it.
            continue
        file = "/".join(code.co_filename.replace("\\", "/").rsplit("/", 3)[-3:])
        found.append(f"{file}:{line} {code.co_qualname}")
    return tuple(found)


class StallReports:
    """Which stalls are told: the worst of those since the last one told, and not too often.

    Args:
        tell: Gets the stall, and how many there were since the last one that was told.
        pause_s: Shortest time between two, seconds.
    """

    def __init__(self, tell: Callable[[Stall, int], None], pause_s: float = _PAUSE_S) -> None:
        self._tell = tell
        self._pause_s = pause_s
        self._next_s = float("-inf")
        self._worst: Stall | None = None
        self._count = 0

    def add(self, stall: Stall) -> None:
        """Note a stall."""
        self._count += 1
        if self._worst is None or stall.lag_s > self._worst.lag_s:
            self._worst = stall

    def flush(self, now_s: float) -> None:
        """Tell what is to be told by now."""
        if self._worst is not None and now_s >= self._next_s:
            worst, count = self._worst, self._count
            self._next_s, self._worst, self._count = now_s + self._pause_s, None, 0
            self._tell(worst, count)


class StallWitness:
    """The thread that looks. The thread that makes it is the one that is watched.

    Args:
        tell: Gets what is worth telling, on the witness's thread; None for the log.
        clock: Returns the present moment on the loop's clock, seconds.
    """

    def __init__(
        self,
        tell: Callable[[Stall, int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._watched = threading.get_ident()
        self._seen: tuple[float, tuple[str, ...]] = (0.0, ())
        self._stalls: deque[tuple[float, float]] = deque(maxlen=100)
        self._reports = StallReports(_log if tell is None else tell)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, due_s: Callable[[], float]) -> None:
        """Begin to look.

        Args:
            due_s: Returns when the loop's watch is due next, seconds on the loop's clock.
        """
        self._thread = threading.Thread(target=self._look_out, args=(due_s,), name="aicall-stalls", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End looking; waits for the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def stalled(self, lag_s: float, due_s: float) -> None:
        """Note that the loop has stood still; cheap, and called on the loop.

        Args:
            lag_s: How late the watch was, seconds.
            due_s: When it was due, seconds.
        """
        self._stalls.append((lag_s, due_s))

    def _look_out(self, due_s: Callable[[], float]) -> None:
        while not self._stop.wait(_POLL_S):
            self._look(due_s)
            while self._stalls:
                lag_s, missed_s = self._stalls.popleft()
                seen_s, frames = self._seen
                self._reports.add(Stall(lag_s, frames if seen_s == missed_s else ()))
            self._reports.flush(self._clock())

    def _look(self, due_s: Callable[[], float]) -> None:
        missed_s = due_s()
        if self._clock() - missed_s < STALL_S:
            return
        # Documented, underscore and all, for just this: the stack of a thread that cannot be asked.
        frame = sys._current_frames().get(self._watched)  # noqa: SLF001
        frames = frames_of(frame)
        # The loop may have gone on between the two looks at the clock.
        if due_s() == missed_s:
            self._seen = (missed_s, frames)


def _log(stall: Stall, count: int) -> None:
    where = " < ".join(stall.frames) or "nobody looked in time"
    logger.warning("the event loop stood still for {:.0f} ms ({} times lately): {}", stall.lag_s * 1000, count, where)
