"""What one more call costs in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from bench.callers import stay, talk
from bench.figures import Quantity, slope
from bench.load import placing
from bench.processes import BenchError, Server
from runtime.replay.load import Plan, run_plan
from runtime.replay.utterance import Utterance

MEMORY = Quantity("memory_per_call.silence", "Memory per added call", "MB", 1)

_SETTLE_S = 7.0
"""From the last beginning to the look at the memory: greeting, one turn, seconds."""
_PATIENCE_S = 60.0
"""Longest wait for all calls to be accepted, seconds."""


async def measure_memory(
    server: Server, url: str, utterances: Sequence[Utterance], counts: tuple[int, int], ramp_s: float
) -> dict[Quantity, float | None]:
    """Compare the resident memory with few calls up to that with many; each has been greeted and has had one turn.

    A whole call goes before, so that what every process takes once is not counted.

    Args:
        server: A fresh server.
        url: Its media URL.
        utterances: What the callers say.
        counts: How many calls are up at the first and at the second look.
        ramp_s: Time over which those in between begin, seconds.

    Raises:
        BenchError: Not all calls could be placed.
    """
    first, second = counts
    await run_plan(Plan(url, talk(utterances, 1)))
    points: list[tuple[float, float]] = []
    async with AsyncExitStack() as up:
        for calls, over_s in ((first, 2.0), (second - first, ramp_s)):
            plan = Plan(url, stay(utterances[0]), calls=calls, ramp_s=over_s, connect_timeout_s=_PATIENCE_S)
            load = await up.enter_async_context(placing(plan))
            await asyncio.sleep(over_s + _SETTLE_S)
            if not load.steady or load.progress.talking != calls:
                raise BenchError("not all calls stayed up")
            points.append((calls if not points else second, server.rss_mb()))
    return {MEMORY: slope(points)}
