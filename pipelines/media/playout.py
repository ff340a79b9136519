"""What is still to be sent to the phone system, and what waits to be heard there; no task and no clock of its own.

Everything that must happen when a certain point was heard (the end of an answer, the result of a tool) waits with its
position. Positions are milliseconds of audio since the call began.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipelines.media.playback_clock import LONGEST_DELAY_MS, PlaybackClock

Item = TypeVar("Item")

OVERLAP_MS = 160.0
"""How much the caller hears twice after a hold, milliseconds: about a syllable, so that a word cut in two is
understood."""

_MARK_EVERY_MS = 1_000.0


@dataclass(slots=True)
class _Waiting(Generic[Item]):
    position_ms: float
    item: Item


class Playout(Generic[Item]):
    """The queue of audio, and what waits in it.

    Sending is two steps, so that only what was handed over counts as sent: `next_frame`, then `sent`.

    Args:
        sample_rate_hz: Rate of the audio, Hz.
        look_ahead_ms: How much audio may be at the far end unplayed. Small enough that little is lost on a flush, large
            enough that a stall of this process is not heard.
        frame_bytes: Size of one message's audio, 16-bit mono PCM.

    Attributes:
        clock: What the caller has heard.
    """

    def __init__(self, sample_rate_hz: int, look_ahead_ms: int, frame_bytes: int) -> None:
        self.clock = PlaybackClock(sample_rate_hz)
        self._bytes_per_ms = sample_rate_hz * 2 / 1000
        self._look_ahead_ms = look_ahead_ms
        self._frame_bytes = frame_bytes
        self._frame_ms = frame_bytes / self._bytes_per_ms
        self._frames: deque[bytes] = deque()
        self._rest = b""
        # What was sent last, back to what the caller would hear again after a hold, however late the far end plays.
        most_ms = look_ahead_ms + LONGEST_DELAY_MS + OVERLAP_MS
        self._kept: deque[bytes] = deque(maxlen=math.ceil(most_ms / self._frame_ms) + 1)
        self._waiting: deque[_Waiting[Item]] = deque()
        self._marks: deque[float] = deque()
        self._next_mark_ms = _MARK_EVERY_MS

    @property
    def end_ms(self) -> float:
        """Position behind everything that was queued, milliseconds."""
        return self.clock.sent_ms + len(self._frames) * self._frame_ms + len(self._rest) / self._bytes_per_ms

    @property
    def idle(self) -> bool:
        """Whether there is nothing to send and nothing waits to be heard."""
        return not self._frames and not self._rest and not self._waiting

    def queue_audio(self, pcm: bytes) -> None:
        """Add audio behind everything queued so far."""
        if self._rest:
            pcm = self._rest + pcm
        size = self._frame_bytes
        whole = len(pcm) - len(pcm) % size
        self._frames.extend([pcm[at : at + size] for at in range(0, whole, size)])
        self._rest = pcm[whole:]

    def pad(self) -> None:
        """Complete the last frame with silence, because the audio ends here."""
        if self._rest:
            self.queue_audio(bytes(self._frame_bytes - len(self._rest)))

    def queue_item(self, item: Item, position_ms: float | None = None) -> None:
        """Let something wait until a position was heard.

        Args:
            item: What waits.
            position_ms: Position; None for behind everything queued so far. Never earlier than what waits already:
                items come out in the order in which they went in.
        """
        position_ms = self.end_ms if position_ms is None else position_ms
        if self._waiting:
            position_ms = max(position_ms, self._waiting[-1].position_ms)
        self._waiting.append(_Waiting(position_ms, item))

    def queue_mark(self) -> None:
        """Let a mark follow everything queued so far."""
        self._marks.append(self.end_ms)

    # Sending.

    def wants_audio(self, now_s: float) -> bool:
        """Whether the look-ahead is not full."""
        return self.clock.ahead_ms(now_s) < self._look_ahead_ms

    def next_frame(self, now_s: float) -> bytes | None:
        """Return the frame to send now, or None: the look-ahead is full, or there is no whole frame.

        A shorter rest stays until more comes or `pad` completes it.
        """
        if not self._frames or not self.wants_audio(now_s):
            return None
        return self._frames[0]

    def sent(self, now_s: float) -> None:
        """Note that `next_frame` was handed over."""
        self._kept.append(self._frames.popleft())
        self.clock.sent(self._frame_bytes, now_s)

    def mark_due(self) -> bool:
        """Whether a mark is to follow what was sent so far: one a second, and those queued. Answers yes once."""
        sent_ms = self.clock.sent_ms
        due = sent_ms >= self._next_mark_ms
        while self._marks and self._marks[0] <= sent_ms:
            self._marks.popleft()
            due = True
        if due:
            self._next_mark_ms = sent_ms + _MARK_EVERY_MS
        return due

    # Hearing.

    def due_items(self, now_s: float) -> Iterator[Item]:
        """Take what waited for a position that was heard by now."""
        heard_ms = self.clock.heard_ms(now_s)
        while self._waiting and self._waiting[0].position_ms <= heard_ms:
            yield self._waiting.popleft().item

    # Stopping.

    def flush(self, now_s: float) -> list[Item]:
        """Drop all audio, sent or not.

        Returns:
            What was still waiting, in order.
        """
        self._frames.clear()
        self._rest = b""
        self._kept.clear()
        self._marks.clear()
        self.clock.flushed(now_s)
        self._next_mark_ms = self.clock.sent_ms + _MARK_EVERY_MS
        waiting, self._waiting = self._waiting, deque()
        return [entry.item for entry in waiting]

    def rewind(self, now_s: float, not_before_ms: float = 0.0) -> None:
        """Queue again what was sent and not heard, `OVERLAP_MS` of what was heard included; the far end has dropped it.

        What waits keeps its positions, and marks that have not come back are sent again.

        Args:
            now_s: The moment, seconds.
            not_before_ms: Where the answer begins: nothing before it is heard again.
        """
        heard_ms = self.clock.heard_ms(now_s)
        sent_ms = self.clock.sent_ms
        if sent_ms <= heard_ms:
            return
        back_ms = sent_ms - max(heard_ms - OVERLAP_MS, min(not_before_ms, heard_ms))
        # Whole frames, since the padding at an answer's end counts on them.
        count = min(len(self._kept), math.ceil(back_ms / self._frame_ms - 1e-6))
        for _ in range(count):
            self._frames.appendleft(self._kept.pop())
        to_ms = sent_ms - count * self._frame_ms
        self._marks.extendleft(reversed(self.clock.rewound(to_ms)))
        self._next_mark_ms = to_ms + _MARK_EVERY_MS
