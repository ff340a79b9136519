"""What the caller has heard: a model of the phone system's playback, with no task and no clock of its own.

Audio that was sent plays at real time, one piece after the other. How late the far end really plays, and how much its
clock differs from ours, is learnt from the marks it echoes. Positions are milliseconds of audio since the call began.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

LONGEST_DELAY_MS = 1_500.0
"""More delay than that is a phone system that echoes marks late, not one that plays late."""

_SLEW_MS = 1.0
"""Most by which one mark corrects the pace, milliseconds: a mark a second follows clocks that differ by 1000 ppm, and
an echo that was merely late moves little."""


@dataclass(slots=True)
class _Burst:
    """Audio that plays without a gap, from the moment at which its first piece was sent.

    Attributes:
        start_s: That moment, corrected for the far end's own pace since.
        start_ms: Its position.
        delay_ms: How late its first mark came back; None before.
    """

    start_s: float
    start_ms: float
    delay_ms: float | None = None


class PlaybackClock:
    """How far the far end's playback has come.

    Args:
        sample_rate_hz: Rate of the audio, Hz.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._bytes_per_ms = sample_rate_hz * 2 / 1000
        self._sent_ms = 0.0
        self._bursts: deque[_Burst] = deque()
        self._delay_ms = 0.0
        self._floor_ms = 0.0
        self._marks: dict[str, float] = {}

    @property
    def sent_ms(self) -> float:
        """Position behind everything that was sent, milliseconds."""
        return self._sent_ms

    @property
    def delay_ms(self) -> float:
        """How late the far end plays, as its marks show, milliseconds."""
        return self._delay_ms

    @property
    def awaits_mark(self) -> bool:
        """Whether a mark that was sent has not come back."""
        return bool(self._marks)

    def sent(self, pcm_bytes: int, now_s: float) -> None:
        """Note that audio was sent.

        Args:
            pcm_bytes: Its size as 16-bit mono PCM.
            now_s: The moment, seconds.
        """
        if self.ahead_ms(now_s) <= 0:
            self._bursts.append(_Burst(now_s, self._sent_ms))
            while len(self._bursts) > 1 and self._bursts[1].start_s <= now_s - LONGEST_DELAY_MS / 1000:
                self._bursts.popleft()
        self._sent_ms += pcm_bytes / self._bytes_per_ms

    def ahead_ms(self, now_s: float) -> float:
        """How much of what was sent would still be unplayed if the far end played without delay, milliseconds."""
        return max(0.0, self._sent_ms - self._position_ms(now_s))

    def heard_ms(self, now_s: float) -> float:
        """Position up to which the caller has heard, milliseconds."""
        return min(self._sent_ms, max(self._floor_ms, self._position_ms(now_s - self._delay_ms / 1000)))

    def silent_from_s(self) -> float | None:
        """Return the moment at which the caller has heard all that was sent; None when nothing was."""
        if not self._bursts:
            return None
        burst = self._bursts[-1]
        return burst.start_s + (self._sent_ms - burst.start_ms + self._delay_ms) / 1000

    def mark_sent(self, name: str) -> None:
        """Note that a mark was sent behind everything so far."""
        self._marks[name] = self._sent_ms

    def mark_reached(self, name: str, now_s: float) -> None:
        """Learn from an echoed mark. Marks that were flushed, or never sent, teach nothing."""
        position_ms = self._marks.pop(name, None)
        if position_ms is None:
            return
        self._floor_ms = max(self._floor_ms, position_ms)
        burst = next((burst for burst in reversed(self._bursts) if burst.start_ms < position_ms), None)
        if burst is None:
            return
        late_ms = (now_s - burst.start_s) * 1000 - (position_ms - burst.start_ms)
        if burst.delay_ms is None:
            burst.delay_ms = late_ms
        elif burst is self._bursts[-1]:
            # Within one burst the delay only changes when the far end's clock is not ours.
            shift_ms = min(max(late_ms - burst.delay_ms, -_SLEW_MS), _SLEW_MS)
            burst.start_s += shift_ms / 1000
            late_ms -= shift_ms
        self._delay_ms = min(max(0.0, late_ms), LONGEST_DELAY_MS)

    def flushed(self, now_s: float) -> float:
        """Note that the far end was told to drop what it has not played, and that it is not wanted any more.

        Returns:
            The position up to which the caller has heard, milliseconds.
        """
        heard_ms = self.heard_ms(now_s)
        self.rewound(self._sent_ms)
        return heard_ms

    def rewound(self, to_ms: float) -> list[float]:
        """Note that the far end was told to drop what it has not played, and that it gets it again from a position on.

        Args:
            to_ms: That position, milliseconds; at most `sent_ms`.

        Returns:
            Positions behind it of the marks that had not come back, in order. They mean nothing any more.
        """
        marks = [position_ms for position_ms in self._marks.values() if position_ms > to_ms]
        self._marks.clear()
        self._bursts.clear()
        self._sent_ms = self._floor_ms = to_ms
        return marks

    def _position_ms(self, now_s: float) -> float:
        end_ms = self._sent_ms
        for burst in reversed(self._bursts):
            if now_s >= burst.start_s:
                return min(end_ms, burst.start_ms + (now_s - burst.start_s) * 1000)
            end_ms = burst.start_ms
        return end_ms
