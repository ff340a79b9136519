"""Whether memory stays flat over many calls."""

from __future__ import annotations

import asyncio

from bench.callers import greeted
from bench.figures import Quantity, slope
from bench.processes import BenchError, Server
from runtime.replay.load import Plan, run_plan

GROWTH = Quantity("memory_growth", "Memory growth per 1,000 calls, over the last 80 % of them", "MB", 1)
FIRST = Quantity("memory_in_soak", "Memory after the first fifth of the short calls", "MB", 0)
LAST = Quantity("memory_after_soak", "Memory after all short calls", "MB", 0)
MEASURED_SHARE = 0.8
"""The calls before the last so many of them fill pools and caches."""

LEAST_CALLS = 100
"""From fewer no growth is worked out: what single calls leave to the next collection is more than what stays."""

_STAY_S = 0.4
_TOLERATED = 0.01


async def measure_soak(server: Server, url: str, calls: int, at_once: int) -> dict[Quantity, float | None]:
    """Place short calls one after the other: each waits for its greeting and hangs up.

    Args:
        server: A fresh server.
        url: Its media URL.
        calls: How many.
        at_once: How many are up at a time.

    Raises:
        BenchError: More than one in a hundred failed.
    """
    left = calls
    failed = 0
    points: list[tuple[float, float]] = []

    async def caller() -> None:
        nonlocal left, failed
        while left > 0:
            left -= 1
            run = await run_plan(Plan(url, greeted(_STAY_S), connect_timeout_s=30.0))
            failed += run.records[0].failure is not None
            points.append((len(points) + 1.0, server.rss_mb()))

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(caller())
    if failed > calls * _TOLERATED:
        raise BenchError(f"{failed} of {calls} short calls failed")
    per_call_mb = growth_mb(points)
    return {
        GROWTH: None if per_call_mb is None else per_call_mb * 1000,
        FIRST: points[round(len(points) * (1 - MEASURED_SHARE))][1],
        LAST: points[-1][1],
    }


def growth_mb(points: list[tuple[float, float]]) -> float | None:
    """Return the slope of the memory over the last calls, MB a call; None with too few calls.

    Args:
        points: Calls so far and resident memory, MB, in order.
    """
    if len(points) < LEAST_CALLS:
        return None
    return slope(points[round(len(points) * (1 - MEASURED_SHARE)) :])
