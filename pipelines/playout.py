"""What the caller has heard: a model of the phone system's playback, with no task and no clock of its own.

Audio that was sent plays at exactly real time, one piece after the other. How late the far end really plays is learnt
from the marks it echoes. Everything that must happen when a certain point was heard (a word, the end of an answer)
waits in the `Playout` with its position. Positions are milliseconds of audio since the call began.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

_LONGEST_DELAY_MS = 1_500.0
"""More delay than that is a phone system that echoes marks late, not one that plays late."""


@dataclass(frozen=True, slots=True)
class _Burst:
    """Audio that plays without a gap, from the moment at which its first piece was sent."""

    start_s: float
    start_ms: float


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
            while len(self._bursts) > 1 and self._bursts[1].start_s <= now_s - _LONGEST_DELAY_MS / 1000:
                self._bursts.popleft()
        self._sent_ms += pcm_bytes / self._bytes_per_ms

    def ahead_ms(self, now_s: float) -> float:
        """How much of what was sent would still be unplayed if the far end played without delay, milliseconds."""
        return max(0.0, self._sent_ms - self._position_ms(now_s))

    def heard_ms(self, now_s: float) -> float:
        """Position up to which the caller has heard, milliseconds."""
        return min(self._sent_ms, max(self._floor_ms, self._position_ms(now_s - self._delay_ms / 1000)))

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
        if burst is not None:
            late_ms = (now_s - burst.start_s) * 1000 - (position_ms - burst.start_ms)
            self._delay_ms = min(max(0.0, late_ms), _LONGEST_DELAY_MS)

    def flushed(self, now_s: float) -> float:
        """Note that the far end was told to drop what it has not played.

        Returns:
            The position up to which the caller has heard, milliseconds.
        """
        heard_ms = self.heard_ms(now_s)
        self._marks.clear()
        self._bursts.clear()
        self._floor_ms = self._sent_ms
        return heard_ms

    def _position_ms(self, now_s: float) -> float:
        end_ms = self._sent_ms
        for burst in reversed(self._bursts):
            if now_s >= burst.start_s:
                return min(end_ms, burst.start_ms + (now_s - burst.start_s) * 1000)
            end_ms = burst.start_ms
        return end_ms


@dataclass(slots=True)
class _Waiting(Generic[Item]):
    position_ms: float
    item: Item


class Playout(Generic[Item]):
    """What is still to be sent, and what waits to be heard.

    Args:
        sample_rate_hz: Rate of the audio, Hz.
        look_ahead_ms: How much audio may be at the far end unplayed. Small enough that little is lost on a flush, large
            enough that a stall of this process is not heard.
    """

    def __init__(self, sample_rate_hz: int, look_ahead_ms: int) -> None:
        self.clock = PlaybackClock(sample_rate_hz)
        self._bytes_per_ms = sample_rate_hz * 2 / 1000
        self._look_ahead_ms = look_ahead_ms
        self._audio: deque[bytes] = deque()
        self._audio_bytes = 0
        self._waiting: deque[_Waiting[Item]] = deque()

    @property
    def end_ms(self) -> float:
        """Position behind everything that was queued, milliseconds."""
        return self.clock.sent_ms + self._audio_bytes / self._bytes_per_ms

    @property
    def idle(self) -> bool:
        """Whether there is nothing to send and nothing waits to be heard."""
        return not self._audio and not self._waiting

    def queue_audio(self, pcm: bytes) -> None:
        """Add audio behind everything queued so far."""
        if pcm:
            self._audio.append(pcm)
            self._audio_bytes += len(pcm)

    def pad(self, frame_bytes: int) -> None:
        """Complete the last frame with silence, because the audio ends here."""
        if rest := self._audio_bytes % frame_bytes:
            self.queue_audio(bytes(frame_bytes - rest))

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

    def due_audio(self, now_s: float, frame_bytes: int) -> Iterator[bytes]:
        """Take the audio that is to be sent now: whole frames until the look-ahead is full.

        Args:
            now_s: The moment, seconds.
            frame_bytes: Size of one message's audio. A shorter rest stays until more comes or `pad` completes it.
        """
        while self._audio_bytes >= frame_bytes and self.clock.ahead_ms(now_s) < self._look_ahead_ms:
            frame = self._take(frame_bytes)
            self.clock.sent(len(frame), now_s)
            yield frame

    def due_items(self, now_s: float) -> Iterator[Item]:
        """Take what waited for a position that was heard by now."""
        heard_ms = self.clock.heard_ms(now_s)
        while self._waiting and self._waiting[0].position_ms <= heard_ms:
            yield self._waiting.popleft().item

    def flush(self, now_s: float) -> list[Item]:
        """Drop all audio, sent or not.

        Returns:
            What was still waiting, in order.
        """
        self._audio.clear()
        self._audio_bytes = 0
        self.clock.flushed(now_s)
        waiting, self._waiting = self._waiting, deque()
        return [entry.item for entry in waiting]

    def _take(self, size: int) -> bytes:
        first = self._audio[0]
        if len(first) == size:
            self._audio_bytes -= size
            return self._audio.popleft()
        frame = bytearray()
        while self._audio and len(frame) < size:
            piece = self._audio.popleft()
            wanted = size - len(frame)
            frame += piece[:wanted]
            if len(piece) > wanted:
                self._audio.appendleft(piece[wanted:])
        self._audio_bytes -= len(frame)
        return bytes(frame)
