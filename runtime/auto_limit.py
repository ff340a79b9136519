"""The automatic limit: from what the process is busy with, whether one more call would be late.

Three signals are watched, each smoothed over seconds: how late the event loop's timers run, and which share of the time
the loop's thread and the inference threads work. Lag says that calls *are* late; the two shares grow with every call,
so they say beforehand that the next one would be. All three close the door with hysteresis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

LAG_LIMIT_S = 0.04
"""Smoothed p90 of the loop's lag at which callers hear it, seconds: an answer waits for the loop about four times."""

LOOP_LIMIT = 0.85
"""Share of the time that the loop's thread may work: beyond it, work that comes in bursts has to queue."""

ENGINE_LIMIT = 0.85
"""Share of the time that the inference threads may work; beyond it, verdicts wait for each other."""

REOPEN = 0.8
"""A signal that closed the door opens it again below this share of its limit."""

_SMOOTHING_S = 3.0
_LEARNING_S = 60.0

_WORST_LAG_S = 3 * LAG_LIMIT_S
"""What a single observation can count for, seconds: one bad second alone does not close the door, two do."""

_FIRST_GUESS = 0.015
"""What a call costs before any was seen, as a share of one core: so a cold process takes about 55 calls at once."""

_MAX_ROOM = 10_000


class Busy(StrEnum):
    """Which signal says that one more call would be late."""

    LOOP_LAG = "loop_lag"
    LOOP_LOAD = "loop_load"
    ENGINE_LOAD = "engine_load"


class _Share:
    """A load that grows with every call: smoothed, with the share that one call adds learned on the way.

    A load that is smoothed lags behind the calls that cause it. What they will add is told from the number of calls
    smoothed in the same way, so that a burst of calls is counted before its load is seen.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.closed = False
        self._load = 0.0
        self._calls = 0.0
        self._learned_load = _FIRST_GUESS
        self._learned_calls = 1.0

    def observe(self, share: float, calls: int, elapsed_s: float) -> None:
        share = min(max(share, 0.0), 1.0)
        weight = -math.expm1(-elapsed_s / _SMOOTHING_S)
        self._load += weight * (share - self._load)
        self._calls += weight * (calls - self._calls)
        if calls:
            # Quiet hours teach nothing about what a call costs.
            weight = -math.expm1(-elapsed_s / _LEARNING_S)
            self._learned_load += weight * (self._load - self._learned_load)
            self._learned_calls += weight * (self._calls - self._learned_calls)
        self.closed = self.exceeded(calls, REOPEN if self.closed else 1.0)

    @property
    def cost(self) -> float:
        """What one call adds."""
        return max(self._learned_load / max(self._learned_calls, 1.0), 1e-6)

    def exceeded(self, calls: int, margin: float = 1.0) -> bool:
        """Whether the load would pass this share of the limit with one call more than `calls`."""
        return self._load + self.cost * (calls + 1 - self._calls) > self.limit * margin

    def room(self) -> float:
        """How many calls fit in all."""
        return self._calls + (self.limit - self._load) / self.cost


class AutoLimit:
    """Decides whether one more call fits. Holds no calls itself.

    Args:
        clock: Returns the present moment on a clock that never goes back, seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._observed_s = clock()
        self._lag_s = 0.0
        self._lag_closed = False
        self._loop = _Share(LOOP_LIMIT)
        self._engine = _Share(ENGINE_LIMIT)

    def observe(self, *, lag_s: float, loop_busy: float, engine_busy: float, calls: int) -> None:
        """Take in what was measured since the last observation; meant to be called about once a second.

        Args:
            lag_s: The loop's lag, 90th percentile, seconds.
            loop_busy: Share of the time that the loop's thread worked, 0 to 1.
            engine_busy: Share of the time that the inference threads worked, 0 to 1.
            calls: The calls at this moment.
        """
        now_s = self._clock()
        elapsed_s, self._observed_s = max(0.0, now_s - self._observed_s), now_s
        weight = -math.expm1(-min(elapsed_s, 1.0) / _SMOOTHING_S)
        self._lag_s += weight * (min(max(lag_s, 0.0), _WORST_LAG_S) - self._lag_s)
        self._lag_closed = self._lag_s > LAG_LIMIT_S * (REOPEN if self._lag_closed else 1.0)
        self._loop.observe(loop_busy, calls, elapsed_s)
        self._engine.observe(engine_busy, calls, elapsed_s)

    def busy(self, calls: int) -> Busy | None:
        """Say why one call more than `calls` would be late; None when it fits, and always when there are none.

        Args:
            calls: The calls at this moment, those that are being accepted included.
        """
        if calls <= 0:
            return None
        if self._lag_closed:
            return Busy.LOOP_LAG
        if self._loop.closed or self._loop.exceeded(calls):
            return Busy.LOOP_LOAD
        if self._engine.closed or self._engine.exceeded(calls):
            return Busy.ENGINE_LOAD
        return None

    def room(self, calls: int) -> int:
        """Estimate how many calls fit in all.

        Args:
            calls: The calls at this moment.

        Returns:
            At least 1; `calls` itself (or 1) when no more fit at this moment.
        """
        if self.busy(calls):
            return calls
        return max(1, calls, min(_MAX_ROOM, int(min(self._loop.room(), self._engine.room()))))
