"""From what calls left behind to what they mean: latencies of each turn, percentiles of a run. Pure; no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from runtime.replay.record import CallerTurn, CallRecord, TurnKind

GAP_MS: Final = 20.0
"""Running dry for longer than this within speech is a gap that a caller notices, milliseconds."""

LATE_MS: Final = 1.0
"""A message that comes within this of running dry is in time: the clocks' own grain, milliseconds."""

_NEAR_SPEECH_MS: Final = 250.0
"""A gap is audible when the bot is audible this close on both sides of it, milliseconds."""


@dataclass(frozen=True, slots=True)
class TurnMetrics:
    """One turn of the caller.

    Attributes:
        turn: 1, 2, 3, … within the call.
        label: What was said or keyed.
        kind: Spoken or keyed.
        reply_ms: From the end of the caller's speech (or the last key) to the first audible audio of the answer, as
            heard. Negative when the bot answered before the caller had finished. None without an answer.
        barge_in: Whether the caller began while the bot was audible.
        clear_ms: Barge-in: from the caller's first voiced sample to the order to drop the buffered audio.
        stop_ms: Barge-in that was heeded: from the caller's first voiced sample to the bot's last audible one.
        overlap_ms: Barge-in: how long both were audible, heeded or not.
    """

    turn: int
    label: str
    kind: TurnKind
    reply_ms: float | None = None
    barge_in: bool = False
    clear_ms: float | None = None
    stop_ms: float | None = None
    overlap_ms: float | None = None


@dataclass(frozen=True, slots=True)
class CallMetrics:
    """One call.

    Attributes:
        setup_ms: From the first packet to the accepted WebSocket.
        first_audio_ms: From the first packet to the first audio of the bot.
        greeting_ms: From the first packet to the first audible audio of the bot, when it came before the caller's own.
        turns: The caller's turns.
        gaps_ms: Lengths of the audible gaps in the bot's speech.
        late_ms: For each late message, how long after its playout time it came.
    """

    setup_ms: float | None
    first_audio_ms: float | None
    greeting_ms: float | None
    turns: list[TurnMetrics]
    gaps_ms: list[float]
    late_ms: list[float]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values of one kind over a run, milliseconds, ascending."""

    values: Sequence[float] = field(default_factory=tuple)

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Distribution:
        """Collect the values that exist."""
        return cls(tuple(sorted(value for value in values if value is not None)))

    def percentile(self, percent: float) -> float | None:
        """Return the smallest value that ``percent`` per cent of the values do not exceed, or None without values."""
        if not self.values:
            return None
        return float(np.percentile(self.values, percent, method="inverted_cdf"))

    @property
    def mean(self) -> float | None:
        """The arithmetic mean, or None without values."""
        return float(np.mean(self.values)) if self.values else None


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """All calls of a run. Attributes that end in ``_ms`` are distributions of the fields of `CallMetrics`.

    Attributes:
        voice_to_voice_ms: `TurnMetrics.reply_ms` of spoken turns that the bot let the caller finish.
        keys_to_voice_ms: `TurnMetrics.reply_ms` of keyed turns.
        lag_ms: How late the harness itself was with each frame.
        answered_early: Spoken turns that the bot did not let the caller finish.
        barge_ins: Turns that began while the bot was audible.
        barge_ins_ignored: Those on which the bot did not drop its audio.
        audio_messages: Audio messages of the bot.
        lead_ms: How much audio still waited to be played when the next came: how far ahead of time the bot sends.
        unplayed_ms: For each call that the bot ended, audio that it sent and cut off by ending the call.
    """

    setup_ms: Distribution
    first_audio_ms: Distribution
    greeting_ms: Distribution
    voice_to_voice_ms: Distribution
    keys_to_voice_ms: Distribution
    barge_in_clear_ms: Distribution
    barge_in_stop_ms: Distribution
    gaps_ms: Distribution
    late_ms: Distribution
    lag_ms: Distribution
    answered_early: int
    barge_ins: int
    barge_ins_ignored: int
    audio_messages: int
    unplayed_ms: Distribution
    lead_ms: Distribution = field(default_factory=Distribution)


def measure_call(record: CallRecord) -> CallMetrics:
    """Measure one call."""
    setup_ms = record.setup_ms or 0.0
    first_turn_ms = record.turns[0].start_ms if record.turns else float("inf")
    first_speech_ms = record.bot_speech[0].start_ms if record.bot_speech else None
    greeted = first_speech_ms is not None and first_speech_ms < first_turn_ms
    turns = [turn for turn in record.turns if turn.end_ms <= record.ended_ms]
    following = [turn.start_ms for turn in record.turns[1:]] + [float("inf")]
    return CallMetrics(
        setup_ms=record.setup_ms,
        first_audio_ms=None if record.first_audio_ms is None else setup_ms + record.first_audio_ms,
        greeting_ms=setup_ms + first_speech_ms if greeted and first_speech_ms is not None else None,
        turns=[
            _measure_turn(record, number, turn, next_ms)
            for number, (turn, next_ms) in enumerate(zip(turns, following, strict=False), 1)
        ],
        gaps_ms=[gap.duration_ms for gap in record.gaps if _audible_gap(record, gap.at_ms, gap.duration_ms)],
        late_ms=[gap.duration_ms for gap in record.gaps if gap.duration_ms > LATE_MS],
    )


def measure_run(records: Sequence[CallRecord]) -> RunMetrics:
    """Measure all calls of a run."""
    calls = [measure_call(record) for record in records]
    turns = [turn for call in calls for turn in call.turns]
    spoken = [turn.reply_ms for turn in turns if turn.kind is TurnKind.SPEECH and turn.reply_ms is not None]
    return RunMetrics(
        setup_ms=Distribution.of(call.setup_ms for call in calls),
        first_audio_ms=Distribution.of(call.first_audio_ms for call in calls),
        greeting_ms=Distribution.of(call.greeting_ms for call in calls),
        voice_to_voice_ms=Distribution.of(reply_ms for reply_ms in spoken if reply_ms >= 0),
        keys_to_voice_ms=Distribution.of(turn.reply_ms for turn in turns if turn.kind is TurnKind.KEYS),
        barge_in_clear_ms=Distribution.of(turn.clear_ms for turn in turns),
        barge_in_stop_ms=Distribution.of(turn.stop_ms for turn in turns),
        gaps_ms=Distribution.of(gap_ms for call in calls for gap_ms in call.gaps_ms),
        late_ms=Distribution.of(late_ms for call in calls for late_ms in call.late_ms),
        lag_ms=Distribution.of(lag_ms for record in records for lag_ms in record.lag_ms),
        answered_early=sum(reply_ms < 0 for reply_ms in spoken),
        barge_ins=sum(turn.barge_in for turn in turns),
        barge_ins_ignored=sum(turn.barge_in and turn.clear_ms is None for turn in turns),
        audio_messages=sum(record.audio_messages for record in records),
        unplayed_ms=Distribution.of(record.unplayed_ms for record in records if record.ended_by_far_end),
        lead_ms=Distribution.of(lead_ms for record in records for lead_ms in record.lead_ms),
    )


def _measure_turn(record: CallRecord, number: int, turn: CallerTurn, next_ms: float) -> TurnMetrics:
    reply_from_ms = turn.reply_from_ms(record.clears_ms)
    onsets = (span.start_ms for span in record.bot_speech if reply_from_ms <= span.start_ms < next_ms)
    onset_ms = next(onsets, None)
    reply_ms = None if onset_ms is None else onset_ms - turn.end_ms
    over = next((span for span in record.bot_speech if span.start_ms < turn.start_ms < span.end_ms), None)
    if over is None or turn.kind is TurnKind.KEYS:
        return TurnMetrics(number, turn.label, turn.kind, reply_ms)
    clear_at_ms = next((clear_ms for clear_ms in record.clears_ms if turn.start_ms <= clear_ms <= reply_from_ms), None)
    overlap_ms = over.end_ms - turn.start_ms
    return TurnMetrics(
        number,
        turn.label,
        turn.kind,
        reply_ms,
        barge_in=True,
        clear_ms=None if clear_at_ms is None else clear_at_ms - turn.start_ms,
        stop_ms=None if clear_at_ms is None else overlap_ms,
        overlap_ms=overlap_ms,
    )


def _audible_gap(record: CallRecord, at_ms: float, duration_ms: float) -> bool:
    if duration_ms <= GAP_MS:
        return False
    end_ms = at_ms + duration_ms
    before = any(span.start_ms < at_ms and span.end_ms > at_ms - _NEAR_SPEECH_MS for span in record.bot_speech)
    behind = any(span.end_ms > end_ms and span.start_ms < end_ms + _NEAR_SPEECH_MS for span in record.bot_speech)
    return before and behind
