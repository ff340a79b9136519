"""Measures, all the time, how late the event loop runs its timers and how much of the time it works.

A timer that should run and does not, because a callback takes long, is what stops every call's audio at once. The lag
of a timer of our own says so: 40 times a second, at the price of a few microseconds each.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

INTERVAL_S = 0.025
"""Pause between two looks at the clock, seconds."""

STALL_S = 0.05
"""Lag from which on it counts as a stall, seconds."""

_PERIOD_S = 1.0
_WORST_OF = 10
"""How many periods `LoopWatch.worst_s` looks back."""

_QUANTILE = 0.9


@dataclass(frozen=True, slots=True)
class LoopPeriod:
    """What was measured over about a second.

    Attributes:
        lag_s: 90th percentile of the lag over time, seconds.
        worst_s: Longest lag, seconds.
        busy: Share of the time that the loop's thread worked, 0 to 1.
    """

    lag_s: float
    worst_s: float
    busy: float


def lag_quantile(lags_s: list[float], quantile: float, interval_s: float) -> float:
    """Return a quantile of the lag over time.

    While the loop stands still no timer runs, so a stall of a second would be one lag among many. It counts as the lags
    that timers every `interval_s` would have had.

    Args:
        lags_s: The lags that were measured, seconds.
        quantile: 0 to 1.
        interval_s: Pause between two of them, seconds.

    Returns:
        Seconds; 0 for no lags.
    """
    weighed: list[float] = []
    for lag_s in lags_s:
        weighed.append(lag_s)
        weighed.extend(max(0.0, lag_s - missed * interval_s) for missed in range(1, int(lag_s / interval_s) + 1))
    weighed.sort()
    return weighed[min(len(weighed) - 1, int(quantile * len(weighed)))] if weighed else 0.0


class LoopWatch:
    """The watch of the running event loop. Made, started and stopped on the loop.

    Args:
        on_lag: Gets every lag, seconds; called 40 times a second.
        on_stall: Gets every lag of `STALL_S` and more, and the moment when the timer was due, both seconds.
        on_period: Gets what was measured, about once a second.
        cpu_clock: Returns the CPU time of the loop's thread, seconds.

    Attributes:
        due_s: When the next look at the clock is due, on the loop's clock, seconds; other threads may read it.
    """

    def __init__(
        self,
        *,
        on_lag: Callable[[float], None],
        on_stall: Callable[[float, float], None],
        on_period: Callable[[LoopPeriod], None],
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._on_lag = on_lag
        self._on_stall = on_stall
        self._on_period = on_period
        self._cpu_clock = cpu_clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._lags_s: list[float] = []
        self._worst_s: deque[float] = deque(maxlen=_WORST_OF)
        self._period_began_s = 0.0
        self._period_cpu_s = 0.0
        self.due_s = 0.0

    def start(self) -> None:
        """Begin to watch."""
        self._begin_period(self._loop.time())
        self._look_again(self._period_began_s)

    def stop(self) -> None:
        """End watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def worst_s(self) -> float:
        """Longest lag of the last ten seconds, seconds."""
        return max((*self._worst_s, *self._lags_s), default=0.0)

    def _look(self) -> None:
        now_s = self._loop.time()
        due_s = self.due_s
        lag_s = max(0.0, now_s - due_s)
        self._look_again(now_s)
        self._lags_s.append(lag_s)
        self._on_lag(lag_s)
        if lag_s >= STALL_S:
            self._on_stall(lag_s, due_s)
        if now_s - self._period_began_s >= _PERIOD_S:
            self._end_period(now_s)

    def _look_again(self, now_s: float) -> None:
        self.due_s = now_s + INTERVAL_S
        self._timer = self._loop.call_at(self.due_s, self._look)

    def _begin_period(self, now_s: float) -> None:
        self._period_began_s = now_s
        self._period_cpu_s = self._cpu_clock()
        self._lags_s = []

    def _end_period(self, now_s: float) -> None:
        worst_s = max(self._lags_s)
        period = LoopPeriod(
            lag_s=lag_quantile(self._lags_s, _QUANTILE, INTERVAL_S),
            worst_s=worst_s,
            busy=min(1.0, (self._cpu_clock() - self._period_cpu_s) / (now_s - self._period_began_s)),
        )
        self._worst_s.append(worst_s)
        self._begin_period(now_s)
        self._on_period(period)
