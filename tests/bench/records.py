"""Call records as a load would leave them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from adapters.media.playout import Gap
from runtime.replay.activity import Span
from runtime.replay.load import Plan, Run
from runtime.replay.record import CallerTurn, CallRecord, TurnKind

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def record(
    *,
    speech: Sequence[tuple[float, float]] = (),
    gaps: Sequence[tuple[float, float]] = (),
    turns: Sequence[tuple[float, float]] = (),
    offset_ms: float = 0.0,
    ended_ms: float = 60_000.0,
) -> CallRecord:
    made = CallRecord(started_at=BEGAN + timedelta(milliseconds=offset_ms), ended_ms=ended_ms)
    made.bot_speech = [Span(*span) for span in speech]
    made.gaps = [Gap(*gap) for gap in gaps]
    made.turns = [CallerTurn("said", TurnKind.SPEECH, *turn) for turn in turns]
    made.audio_messages = 100
    return made


def run(*records: CallRecord) -> Run:
    plan = Plan("ws://127.0.0.1:9/", (), calls=len(records))
    return Run(plan, BEGAN, duration_s=60.0, cpu_s=1.0, records=list(records))
