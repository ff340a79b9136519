"""Runs that never took place, for reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.media.playout import Gap
from runtime.replay.activity import Span
from runtime.replay.answers import Answer
from runtime.replay.content import Match, SoundKind
from runtime.replay.load import Plan, Run
from runtime.replay.record import CallerTurn, CallRecord, Failure, FailureKind, TurnKind
from runtime.replay.server_load import ServerSample

URL = "wss://pbx.example.com/ws/11111111-2222-3333-4444-555555555555/s3cret?from=%2B15550100"


def record(index: int = 0, **fields: object) -> CallRecord:
    """A call of one spoken turn, answered after 300 ms, and one barge-in that took 240 ms."""
    usual: dict[str, object] = {
        "index": index,
        "setup_ms": 20.0 + index,
        "first_audio_ms": 5.0,
        "ended_ms": 9000.0,
        "turns": [
            CallerTurn("one.wav", TurnKind.SPEECH, 1500, 2000),
            CallerTurn("two.wav", TurnKind.SPEECH, 4000, 5000),
        ],
        "bot_speech": [Span(5, 1000), Span(2300, 4240), Span(5400, 7000)],
        "clears_ms": [4230.0],
        "audio_messages": 250,
        "gaps": [Gap(3000, 45.0)],
        "lead_ms": [0.0, 20.0, 60.0],
        "lag_ms": [0.0, 0.5, 1.5],
    }
    return CallRecord(**{**usual, **fields})  # type: ignore[arg-type]


def failed(index: int, kind: FailureKind, detail: str) -> CallRecord:
    return CallRecord(index=index, failure=Failure(kind, detail))


def run(*records: CallRecord, url: str = URL) -> Run:
    plan = Plan(url=url, script=(), calls=len(records), ramp_s=2.0)
    return Run(
        plan,
        datetime(2024, 3, 1, 10, tzinfo=UTC),
        12.5,
        0.25,
        list(records),
        [0.5 * index for index in range(len(records))],
    )


def answered(of: Run) -> Run:
    """The run with its answers judged: one as expected, one that is a tone, one that nobody can tell."""
    answers = (
        Answer(0, 5.0, SoundKind.SPEECH, Match("hello.wav", 1.0, 0.97)),
        Answer(0, 2300.0, SoundKind.TONE, Match("", 0.0, 0.41)),
        Answer(0, 5400.0, SoundKind.SHORT),
    )
    return replace(of, plan=replace(of.plan, keep_speech=True), answers=answers)


def watched(of: Run) -> Run:
    """The run with its server watched."""
    samples = [ServerSample(1.0, 10.0, 100.0, 1), ServerSample(2.0, 40.0, 130.0, 4), ServerSample(3.0, 20.0, 112.0, 4)]
    return replace(of, server=samples)
