"""How busy a thread is: the share of the last seconds in which it worked."""

from __future__ import annotations

import threading
from time import perf_counter

SPAN_S = 5.0
"""Over how long the share is taken, seconds."""


class BusyTime:
    """Sums up the working time of one thread; read from any.

    Two half spans are kept, so that a reading covers between one half and the whole of `SPAN_S`.

    Attributes:
        total_s: Working time since the beginning, seconds.
    """

    def __init__(self) -> None:
        self.total_s = 0.0
        self._lock = threading.Lock()
        self._half_began_s = perf_counter()
        self._half_busy_s = 0.0
        self._before_s = SPAN_S / 2
        self._before_busy_s = 0.0

    def add(self, began_s: float, ended_s: float) -> None:
        """Note a stretch of work by its ends on ``time.perf_counter``, seconds."""
        with self._lock:
            self.total_s += ended_s - began_s
            self._half_busy_s += ended_s - began_s
            self._turn(ended_s)

    def share(self, now_s: float | None = None) -> float:
        """Return the share of the last seconds in which the thread worked, in [0, 1].

        Args:
            now_s: The moment on ``time.perf_counter``; None for now.
        """
        now_s = perf_counter() if now_s is None else now_s
        with self._lock:
            self._turn(now_s)
            span_s = self._before_s + now_s - self._half_began_s
            return min(1.0, (self._before_busy_s + self._half_busy_s) / span_s)

    def _turn(self, now_s: float) -> None:
        lasted_s = now_s - self._half_began_s
        if lasted_s < SPAN_S / 2:
            return
        self._before_s, self._before_busy_s = lasted_s, self._half_busy_s
        self._half_began_s, self._half_busy_s = now_s, 0.0
