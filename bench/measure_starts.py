"""What the beginning of a call costs: the greeting's delay, and what it does to calls that are already running."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from datetime import datetime

from bench.callers import TURN_S, greeted, talk
from bench.figures import Quantity, median
from bench.load import placing
from bench.processes import BenchError, Server
from runtime.replay.analysis import Distribution
from runtime.replay.call import utc_now
from runtime.replay.load import Plan, Run, run_plan
from runtime.replay.record import CallRecord
from runtime.replay.utterance import Utterance

MODEL_LOAD = Quantity("model_load", "Model load per call on the event loop", digits=1)
SESSIONS = Quantity("model_sessions", "Model sessions made per call", unit="", digits=1)
LONGEST_STALL = Quantity("longest_stall", "Longest stall of the event loop per call start")
STALLED = Quantity("stalled", "Event loop stalled per call start (stalls over 5 ms)")
SETUP = Quantity("setup_p50", "Dialling to accepted WebSocket, p50")
FIRST_AUDIO_P50 = Quantity("first_audio_p50", "Accepted to first greeting byte, p50")
FIRST_AUDIO_P95 = Quantity("first_audio_p95", "Accepted to first greeting byte, p95")
OTHERS_AFTER = Quantity("others_late_after_start", "Other calls' latest audio within 500 ms of a call start", digits=1)
OTHERS_ELSE = Quantity("others_late_otherwise", "Other calls' latest audio at other times", digits=1)

AFTER_START_MS = 500.0
"""For so long a call's beginning is held responsible for what is late in others, milliseconds."""

BACKGROUND_CALLS = 4
_RAMP_S = 4.0
_GREETED_S = 3.0
_WATCHED_S = 1.2
"""How long the loop is watched from dialling on: longer than either system takes to greet, seconds."""
_REST_S = 1.0
"""Between two starts, for the end of the one before, seconds."""
_START_S = 3.2
"""What one start takes with everything around it, roughly, seconds."""


async def measure_starts(
    server: Server, url: str, utterances: Sequence[Utterance], starts: int
) -> dict[Quantity, float | None]:
    """Place calls one after the other beside some that talk the whole time.

    A further call goes first, unmeasured, since the first call of a process imports modules, fills pools and may keep
    the greeting for later ones.

    Args:
        server: The server.
        url: Its media URL.
        utterances: What the callers say.
        starts: How many calls to place.

    Raises:
        BenchError: A call failed.
    """
    await _greet(url)
    reports, records, started_at = [], [], []
    turns = math.ceil((_GREETED_S + _START_S * starts) / TURN_S)
    plan = Plan(url, talk(utterances, turns), calls=BACKGROUND_CALLS, ramp_s=_RAMP_S)
    async with placing(plan) as background:
        await asyncio.sleep(_RAMP_S + _GREETED_S)
        for _ in range(starts):
            await server.ask("watch")
            started_at.append(utc_now())
            call = asyncio.create_task(_greet(url))
            await asyncio.sleep(_WATCHED_S)
            reports.append(await server.ask("report"))
            records.append(await call)
            await asyncio.sleep(_REST_S)
        run = await background.finished()
    if failures := [str(record.failure) for record in run.records if record.failure]:
        raise BenchError(f"a call in the background failed: {failures[0]}")
    greetings = Distribution.of(record.first_audio_ms for record in records)
    after_ms, else_ms = others_late_ms(run, started_at, from_ms=(_RAMP_S + AFTER_START_MS / 1000) * 1000)
    return {
        MODEL_LOAD: median(report["model_load_ms"] for report in reports),
        SESSIONS: median(report["sessions"] for report in reports),
        LONGEST_STALL: median(report["longest_stall_ms"] for report in reports),
        STALLED: median(report["stalled_ms"] for report in reports),
        SETUP: median(record.setup_ms for record in records if record.setup_ms is not None),
        FIRST_AUDIO_P50: greetings.percentile(50),
        FIRST_AUDIO_P95: greetings.percentile(95),
        OTHERS_AFTER: after_ms,
        OTHERS_ELSE: else_ms,
    }


def others_late_ms(run: Run, started_at: Iterable[datetime], *, from_ms: float) -> tuple[float, float]:
    """Return how late the latest audio message of a run was soon after other calls began, and at all other times.

    Args:
        run: The calls that were up.
        started_at: When others began, UTC.
        from_ms: What was late before is left out: the run's own calls began then. Milliseconds of the run.

    Returns:
        Both in milliseconds; 0 when none was late.
    """
    starts_ms = [(moment - run.started_at).total_seconds() * 1000 for moment in started_at]
    after = otherwise = 0.0
    for record in run.records:
        if record.started_at is None:
            continue
        offset_ms = (record.started_at - run.started_at).total_seconds() * 1000
        for gap in record.gaps:
            came_ms = offset_ms + gap.at_ms + gap.duration_ms
            if came_ms < from_ms:
                continue
            if any(start_ms <= came_ms <= start_ms + AFTER_START_MS for start_ms in starts_ms):
                after = max(after, gap.duration_ms)
            else:
                otherwise = max(otherwise, gap.duration_ms)
    return after, otherwise


async def _greet(url: str) -> CallRecord:
    run = await run_plan(Plan(url, greeted(), connect_timeout_s=30.0))
    record = run.records[0]
    if record.failure:
        raise BenchError(f"a call failed: {record.failure}")
    return record
