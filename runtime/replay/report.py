"""The report of a run as a JSON document, and the words in which failures are told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any, Final

from models.timestamps import format_timestamp
from runtime.replay.analysis import CallMetrics, Distribution, RunMetrics, measure_call, measure_run
from runtime.replay.answers import answers_of
from runtime.replay.content import SoundKind
from runtime.replay.load import Run
from runtime.replay.record import CallRecord, FailureKind
from runtime.replay.server_load import server_of

PERCENTILES: Final = (50, 90, 95, 99)
"""Which percentiles are reported, per cent."""

BUSY_LAG_MS: Final = 20.0
"""From here on (99th percentile) the harness's own delay makes its figures doubtful, milliseconds."""

_MEDIA_PATH: Final = re.compile(r"(/ws/[^/?#]+/)[^/?#]+")
_SECRET_PARTS: Final = re.compile(r"(?<=://)[^/@]*@|[?#].*$")
_SHOWN_CALLS: Final = 8


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Calls that failed in the same way.

    Attributes:
        kind: How they failed.
        detail: What is known beyond that.
        calls: Their numbers, from 1.
    """

    kind: FailureKind
    detail: str
    calls: Sequence[int]

    def line(self, of: int) -> str:
        """One line for people.

        Args:
            of: How many calls the run had.
        """
        detail = f": {self.detail}" if self.detail else ""
        if of == 1:
            return f"call failed, {self.kind}{detail}"
        shown = ", ".join(str(call) for call in self.calls[:_SHOWN_CALLS])
        more = f" and {len(self.calls) - _SHOWN_CALLS} more" if len(self.calls) > _SHOWN_CALLS else ""
        return f"{len(self.calls)} of {of} calls failed, {self.kind}{detail} (call {shown}{more})"


def public_url(url: str) -> str:
    """Return a media URL for people: without token, password and query, which may hold numbers."""
    return _MEDIA_PATH.sub(r"\1…", _SECRET_PARTS.sub("", url))


def failures_of(records: Sequence[CallRecord]) -> list[FailureGroup]:
    """Group equal failures, the most frequent first."""
    groups: dict[tuple[FailureKind, str], list[int]] = {}
    for record in records:
        if record.failure:
            groups.setdefault((record.failure.kind, record.failure.detail), []).append(record.index + 1)
    found = [FailureGroup(kind, detail, calls) for (kind, detail), calls in groups.items()]
    return sorted(found, key=lambda group: -len(group.calls))


def remarks_of(run: Run, metrics: RunMetrics) -> list[str]:
    """Say what a reader of the figures should know, one sentence each."""
    remarks = []
    lag_ms = metrics.lag_ms.percentile(99)
    if lag_ms is not None and lag_ms > BUSY_LAG_MS:
        remarks.append(
            f"The harness itself was up to {lag_ms:.0f} ms late (99th percentile): this machine is too busy for "
            f"{run.plan.calls} calls, and the latencies contain its own delay."
        )
    if metrics.answered_early:
        remarks.append(f"{metrics.answered_early} turns were answered before the caller had finished.")
    if metrics.barge_ins_ignored:
        remarks.append(f"{metrics.barge_ins_ignored} of {metrics.barge_ins} barge-ins did not stop the bot.")
    cut_off = [value for value in metrics.unplayed_ms.values if value >= BUSY_LAG_MS]
    if cut_off:
        remarks.append(f"{len(cut_off)} calls were ended with audio unplayed, up to {max(cut_off):.0f} ms.")
    odd = [answer for answer in run.answers if answer.kind in {SoundKind.TONE, SoundKind.NOISE}]
    if odd:
        remarks.append(f"{len(odd)} stretches of the bot's audio do not sound like speech.")
    mismatched = sum(answer.expected is False for answer in run.answers)
    if mismatched:
        compared = sum(answer.expected is not None for answer in run.answers)
        remarks.append(f"{mismatched} of {compared} stretches of the bot's audio are not what was expected.")
    return remarks


def report_of(run: Run) -> dict[str, Any]:
    """Return the JSON document of a run. Lengths of time end in ``_ms`` or ``_s``; latencies are `None` without values.

    It holds no token and no audio.
    """
    metrics = measure_run(run.records)
    plan = run.plan
    failed = sum(record.failure is not None for record in run.records)
    return {
        "url": public_url(plan.url),
        "protocol": plan.protocol,
        "sample_rate_hz": plan.sample_rate_hz,
        "calls": plan.calls,
        "ramp_s": plan.ramp_s,
        "hold_s": plan.hold_s,
        "phase": plan.phase,
        "tm_start": format_timestamp(run.started_at),
        "duration_s": round(run.duration_s, 3),
        "ok": len(run.records) - failed,
        "failed": failed,
        "failures": [
            {"kind": group.kind, "detail": group.detail, "calls": list(group.calls)}
            for group in failures_of(run.records)
        ],
        "remarks": remarks_of(run, metrics),
        "setup_ms": summary(metrics.setup_ms),
        "first_audio_ms": summary(metrics.first_audio_ms),
        "greeting_ms": summary(metrics.greeting_ms),
        "voice_to_voice_ms": summary(metrics.voice_to_voice_ms),
        "keys_to_voice_ms": summary(metrics.keys_to_voice_ms),
        "barge_in_stop_ms": summary(metrics.barge_in_stop_ms),
        "barge_in_clear_ms": summary(metrics.barge_in_clear_ms),
        "barge_ins": metrics.barge_ins,
        "barge_ins_ignored": metrics.barge_ins_ignored,
        "answered_early": metrics.answered_early,
        "gaps_ms": summary(metrics.gaps_ms),
        "late_ms": summary(metrics.late_ms),
        "lead_ms": summary(metrics.lead_ms),
        "audio_messages": metrics.audio_messages,
        "answers": answers_of(run.answers) if plan.keep_speech else None,
        "server": server_of(run.server),
        "harness": {"lag_ms": summary(metrics.lag_ms), "cpu_s": round(run.cpu_s, 3)},
        "per_call": [
            _call_of(record, measure_call(record), begun_s)
            for record, begun_s in zip_longest(run.records, run.begun_s[: len(run.records)])
        ],
    }


def summary(values: Distribution) -> dict[str, float | int | None]:
    """Return a distribution's figures: count, min, mean, percentiles, max."""
    figures: dict[str, float | None] = {"min": values.values[0] if values.values else None, "mean": values.mean}
    figures |= {f"p{percent}": values.percentile(percent) for percent in PERCENTILES}
    figures["max"] = values.values[-1] if values.values else None
    return {"count": len(values.values)} | {name: _rounded(value) for name, value in figures.items()}


def _call_of(record: CallRecord, metrics: CallMetrics, begun_s: float | None) -> dict[str, Any]:
    return {
        "call": record.index + 1,
        "begun_s": None if begun_s is None else round(begun_s, 3),
        "ok": record.failure is None,
        "failure": str(record.failure) if record.failure else None,
        "setup_ms": _rounded(metrics.setup_ms),
        "first_audio_ms": _rounded(metrics.first_audio_ms),
        "greeting_ms": _rounded(metrics.greeting_ms),
        "ended_ms": _rounded(record.ended_ms),
        "ended_by": "far end" if record.ended_by_far_end else "caller",
        "close_code": record.close_code,
        "close_reason": record.close_reason,
        "turns": [
            {name: _rounded(value) if isinstance(value, float) else value for name, value in asdict(turn).items()}
            for turn in metrics.turns
        ],
        "gaps_ms": [_rounded(value) for value in metrics.gaps_ms],
        "late_messages": len(metrics.late_ms),
        "audio_messages": record.audio_messages,
        "bot_speech_ms": [[_rounded(span.start_ms), _rounded(span.end_ms)] for span in record.bot_speech],
        "caller_speech_ms": [[_rounded(turn.start_ms), _rounded(turn.end_ms)] for turn in record.turns],
        "clears_ms": [_rounded(value) for value in record.clears_ms],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
