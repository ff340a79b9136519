"""One step of a load: so many callers talk to the bot at once, and what that does to all of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.callers import TURN_S, talk
from bench.lateness import playout_lateness_ms
from bench.load import Load, placing
from bench.processes import Server
from bench.steps import Step
from bench.vad_floor import MAX_JUDGED, beyond_vad_ms, silences_ms
from bench.watch import Books, Watch
from runtime.replay.analysis import GAP_MS, Distribution, measure_call, measure_run
from runtime.replay.load import Plan, Run
from runtime.replay.record import CallRecord, TurnKind
from runtime.replay.report import failures_of
from runtime.replay.utterance import Utterance

_RAMP_S = 5.0
"""Calls begin over as long as a turn takes at least, so that their turns are spread, seconds."""
_START_EVERY_S = 0.2
"""So far are the beginnings of many calls apart, seconds: what is measured is talking calls, not a stampede."""
_GREETED_S = 3.0
"""From the last beginning to the steady part, seconds."""
_SHORTEST_S = 4.0
"""A steady part shorter than this says nothing about the processor, seconds."""
_LOOK_S = 0.25
_LIMIT_S = 100.0
"""A step that takes longer has failed, seconds."""


@dataclass(slots=True)
class Taken:
    """A step that was taken.

    Attributes:
        step: Its figures.
        remarks: What a reader has to know.
    """

    step: Step
    remarks: list[str] = field(default_factory=list)


async def measure_step(
    server: Server,
    url: str,
    utterances: Sequence[Utterance],
    watch: Watch,
    *,
    calls: int,
    steady_s: float,
    single_turns: int,
) -> Taken:
    """Let callers talk to the bot.

    Args:
        server: The server.
        url: Its media URL.
        utterances: What the callers say.
        watch: Looks at the machine meanwhile.
        calls: How many at once.
        steady_s: How long all of them are up at least, seconds.
        single_turns: How often a caller speaks who is alone.

    Raises:
        BenchError: A process is gone.
    """
    ramp_s = max(_RAMP_S, _START_EVERY_S * calls) if calls > 1 else 0.0
    turns = math.ceil((ramp_s + _GREETED_S + steady_s) / TURN_S) if calls > 1 else single_turns
    plan = Plan(
        url, talk(utterances, turns), calls=calls, ramp_s=ramp_s, keep_audio=calls <= MAX_JUDGED, connect_timeout_s=30.0
    )
    try:
        async with asyncio.timeout(_LIMIT_S), placing(plan) as load:
            first, last = await _steady(server, load, watch, ramp_s + _GREETED_S)
            run = await load.finished()
    except TimeoutError:
        await watch.control.ask("report")
        return Taken(Step(calls, failed=calls), [f"not over after {_LIMIT_S:.0f} s"])
    noise = await watch.end(first, last, measure_run(run.records).lag_ms.percentile(99))
    taken = await figures_of(run, steady_from_ms=(ramp_s + (_GREETED_S if calls > 1 else 0.0)) * 1000)
    steady_s = last.at_s - first.at_s
    share = (last.server_s - first.server_s) / steady_s if steady_s >= _SHORTEST_S else None
    step = replace(
        taken.step,
        cpu_per_call_pct=None if share is None else 100 * share / calls,
        rss_mb=last.rss_mb,
        noise=noise,
    )
    return Taken(step, [*taken.remarks, *step.noise.disturbances])


async def _steady(server: Server, load: Load, watch: Watch, begins_s: float) -> tuple[Books, Books]:
    """Return the books at the beginning and at the end of the time in which all calls are up."""
    await asyncio.sleep(begins_s)
    first = last = await watch.begin(server)
    while load.steady:
        last = watch.read(server)
        await asyncio.sleep(_LOOK_S)
    return first, last


async def figures_of(run: Run, *, steady_from_ms: float) -> Taken:
    """Measure what a run left behind, all but processor and memory.

    Args:
        run: The calls.
        steady_from_ms: Turns count that begin from here on, while no call has ended yet; milliseconds of the run.
    """
    records = run.records
    remarks = [group.line(len(records)) for group in failures_of(records)]
    ends = [_offset_ms(run, record) + record.ended_ms for record in records if record.failure is None]
    steady_to_ms = min(ends, default=0.0)
    v2v: list[float] = []
    beyond: list[float] = []
    lateness: list[float] = []
    late = messages = early = 0
    for index, record in enumerate(records):
        offset_ms = _offset_ms(run, record)
        begin_ms, end_ms = steady_from_ms - offset_ms, steady_to_ms - offset_ms
        replies = _replies_ms(record, begin_ms, end_ms)
        early += sum(reply_ms < 0 for reply_ms in replies)
        v2v += [reply_ms for reply_ms in replies if reply_ms >= 0]
        lateness += playout_lateness_ms(record)
        late += sum(gap.duration_ms > GAP_MS for gap in record.gaps)
        messages += record.audio_messages
        if record.tracks is not None and index < MAX_JUDGED:
            silences = await silences_ms(bytes(record.tracks.caller), record.tracks.sample_rate_hz)
            beyond += beyond_vad_ms(record, silences, from_ms=begin_ms, to_ms=end_ms)
    if early:
        remarks.append(f"{early} turns were answered before the caller had finished")
    answers, floors, lates = Distribution.of(v2v), Distribution.of(beyond), Distribution.of(lateness)
    step = Step(
        calls=len(records),
        turns=len(v2v),
        failed=sum(record.failure is not None for record in records),
        v2v_p50_ms=answers.percentile(50),
        v2v_p95_ms=answers.percentile(95),
        beyond_vad_p50_ms=floors.percentile(50),
        beyond_vad_p95_ms=floors.percentile(95),
        lateness_p50_ms=lates.percentile(50),
        lateness_p99_ms=lates.percentile(99),
        late_pct=100 * late / messages if messages else None,
    )
    return Taken(step, remarks)


def _replies_ms(record: CallRecord, from_ms: float, to_ms: float) -> list[float]:
    ended = [turn for turn in record.turns if turn.end_ms <= record.ended_ms]
    return [
        metrics.reply_ms
        for turn, metrics in zip(ended, measure_call(record).turns, strict=True)
        if turn.kind is TurnKind.SPEECH
        and metrics.reply_ms is not None
        and turn.start_ms >= from_ms
        and turn.end_ms < to_ms
    ]


def _offset_ms(run: Run, record: CallRecord) -> float:
    """From the run's beginning to the opening of the call's media stream, milliseconds."""
    if record.started_at is None:
        return 0.0
    return (record.started_at - run.started_at).total_seconds() * 1000
