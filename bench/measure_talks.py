"""Conversations: how soon the bot answers, and what a call costs the processor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.callers import talk
from bench.figures import Quantity
from bench.load import Load, placing
from bench.processes import BenchError, Server
from bench.scenario import VAD_STOP_MS
from runtime.replay.analysis import measure_run
from runtime.replay.load import Plan, Run
from runtime.replay.report import failures_of
from runtime.replay.utterance import Utterance

_RAMP_S = 5.0
"""Calls begin over as long as a turn takes, so that their turns are spread, seconds."""
_GREETED_S = 3.0
"""From the last beginning to the steady part, seconds."""
_SHORTEST_S = 5.0
"""A steady part shorter than this says nothing about the processor, seconds."""
_LOOK_S = 0.25


@dataclass(slots=True)
class Talk:
    """One load.

    Attributes:
        measured: Its figures.
        remarks: What a reader has to know.
    """

    measured: dict[Quantity, float | None]
    remarks: list[str] = field(default_factory=list)


async def measure_talk(
    server: Server, url: str, utterances: Sequence[Utterance], *, calls: int, turns: int, label: str
) -> Talk:
    """Let callers talk to the bot.

    Args:
        server: The server.
        url: Its media URL.
        utterances: What the callers say.
        calls: How many at once.
        turns: How often each speaks.
        label: Which end-of-turn policy the server runs with.

    Raises:
        BenchError: Every call failed.
    """
    plan = Plan(url, talk(utterances, turns), calls=calls, ramp_s=_RAMP_S if calls > 1 else 0.0)
    async with placing(plan) as load:
        share = await _steady_share(server, load, plan.ramp_s + _GREETED_S)
        run = await load.finished()
    return _talk(run, share, calls, label)


async def _steady_share(server: Server, load: Load, begins_s: float) -> float | None:
    """Return the share of a core that the server takes while all calls are up, or None when that was too short."""
    await asyncio.sleep(begins_s)
    begun_s, begun_cpu_s = time.monotonic(), server.cpu_s()
    now_s, cpu_s = begun_s, begun_cpu_s
    while load.steady:
        now_s, cpu_s = time.monotonic(), server.cpu_s()
        await asyncio.sleep(_LOOK_S)
    return (cpu_s - begun_cpu_s) / (now_s - begun_s) if now_s - begun_s >= _SHORTEST_S else None


def _talk(run: Run, share: float | None, calls: int, label: str) -> Talk:
    metrics = measure_run(run.records)
    if not metrics.voice_to_voice_ms.values:
        detail = "; ".join(group.line(calls) for group in failures_of(run.records))
        raise BenchError(f"no turn was answered: {detail}")
    remarks = [group.line(calls) for group in failures_of(run.records)]
    if metrics.answered_early:
        remarks.append(f"{metrics.answered_early} turns were answered before the caller had finished")
    late_ms = metrics.lag_ms.percentile(99)
    if late_ms is not None and late_ms > VAD_STOP_MS / 10:
        remarks.append(f"the callers themselves were up to {late_ms:.0f} ms late (p99)")
    suffix = "" if label == "silence" else f" ({label})"
    plural = "call" if calls == 1 else "calls"
    audio = max(1, metrics.audio_messages)

    def quantity(key: str, title: str, unit: str = "ms", digits: int = 0) -> Quantity:
        return Quantity(f"{key}.{label}.{calls}", f"{title}, {calls} {plural}{suffix}", unit, digits)

    measured: dict[Quantity, float | None] = {
        quantity(f"beyond_vad_p{percent}", f"Voice-to-voice beyond the VAD window, p{percent}"): _beyond(
            metrics.voice_to_voice_ms.percentile(percent)
        )
        for percent in (50, 95)
    }
    if calls > 1:
        per_call = None if share is None else 100 * share / calls
        measured[quantity("cpu_per_call", "Processor per call", "% of a core", 1)] = per_call
        measured[quantity("late_audio", "Audio messages too late for gapless playout", "%", 2)] = (
            100 * len(metrics.late_ms.values) / audio
        )
    return Talk(measured, [f"{label}, {calls} {plural}: {remark}" for remark in remarks])


def _beyond(latency_ms: float | None) -> float | None:
    return None if latency_ms is None else latency_ms - VAD_STOP_MS
