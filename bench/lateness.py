"""How late the bot's audio is against its playout deadline. Pure.

The first frame of an utterance is played when it arrives, and sets the deadlines of all that follow: frame ``n`` is due
``n`` x 20 ms later. A frame that has arrived by then, through whatever look-ahead, is not late. A phone without a
jitter buffer plays a frame late when it, or one before it in the same utterance, came late: its lateness is the sum of
the times at which the phone ran dry before it. Nothing is forgiven within an utterance, so a sender that never catches
up after a stall is late until the utterance is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.media.playout import Gap
from runtime.replay.activity import Span
from runtime.replay.record import FRAME_MS, CallRecord

UTTERANCE_PAUSE_MS: Final = 1000.0
"""A silence of the bot longer than this separates two utterances, milliseconds."""

_LEAD_IN_MS: Final = 250.0
"""Audio before the first audible sample that may belong to an utterance already, milliseconds."""


def playout_lateness_ms(record: CallRecord) -> list[float]:
    """Return the lateness of every 20 ms of the bot's speech in a call, milliseconds.

    Args:
        record: The call.
    """
    late_ms: list[float] = []
    behind_ms = 0.0
    for spans in _utterances(record):
        begin_ms, end_ms = spans[0].start_ms, spans[-1].end_ms
        earliest_ms = max(begin_ms - _LEAD_IN_MS, behind_ms)
        gaps = [gap for gap in record.gaps if earliest_ms <= gap.at_ms < end_ms]
        late_ms += _lateness(gaps, begin_ms, end_ms)
        behind_ms = end_ms
    return late_ms


def _lateness(gaps: list[Gap], begin_ms: float, end_ms: float) -> Iterator[float]:
    at_ms, late_ms, left = begin_ms, 0.0, iter(sorted(gaps, key=lambda gap: gap.at_ms))
    gap = next(left, None)
    while at_ms < end_ms:
        while gap is not None and gap.at_ms <= at_ms:
            late_ms += gap.duration_ms
            at_ms = max(at_ms, gap.at_ms + gap.duration_ms)
            gap = next(left, None)
        if at_ms < end_ms:
            yield late_ms
        at_ms += FRAME_MS


def _utterances(record: CallRecord) -> Iterator[list[Span]]:
    """Group the spans in which the bot was audible: a long silence or the caller's turn separates utterances."""
    group: list[Span] = []
    for span in record.bot_speech:
        if group:
            silent_ms = group[-1].end_ms
            turn = any(silent_ms <= turn.start_ms <= span.start_ms for turn in record.turns)
            if turn or span.start_ms - silent_ms > UTTERANCE_PAUSE_MS:
                yield group
                group = []
        group.append(span)
    if group:
        yield group
