"""A model of the phone system's playback buffer: what the caller hears, sample by sample.

It plays at exactly the speed of the clock that it is given, fills up with silence when nothing is buffered, and notes
each gap, so that a harness can record the bot's side of a call bit-exact and in time with the caller's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence that the caller heard in the middle of an utterance.

    Attributes:
        at_ms: When it began, milliseconds since the start of playback.
        duration_ms: How long it lasted, milliseconds.
    """

    at_ms: float
    duration_ms: float


class Played(NamedTuple):
    """What was played since the last `PlayoutBuffer.pull`.

    Attributes:
        pcm: 16-bit signed little-endian mono PCM, silence included: exactly as long as the time that went by.
        marks: Names of the marks that were reached, in order.
    """

    pcm: bytes
    marks: list[str]


class PlayoutBuffer:
    """One call's playback buffer.

    Times are seconds of the caller's clock (any origin, never backwards; an earlier time counts as the latest one).
    They are rounded to whole samples, from the start and not from call to call, so that nothing drifts.
    """

    def __init__(self, sample_rate_hz: int, *, start_s: float = 0.0, utterance_pause_ms: float = 1000.0) -> None:
        """Start playing.

        Args:
            sample_rate_hz: Rate of the audio, Hz.
            start_s: Time of the first sample.
            utterance_pause_ms: Running dry for longer than this is a pause between utterances and not a gap.
        """
        self._sample_rate_hz = sample_rate_hz
        self._start_s = start_s
        self._utterance_pause_ms = utterance_pause_ms
        self._buffer: deque[bytes] = deque()
        self._output: list[bytes] = []
        self._position = 0  # samples since the start, silence included
        self._taken = 0  # samples that left the buffer, played or flushed
        self._pushed = 0  # samples that entered it
        self._marks: deque[tuple[int, str]] = deque()  # value of _taken at which each is reached
        self._in_utterance = False
        self._dry_since: int | None = None
        self.gaps: list[Gap] = []

    @property
    def position_ms(self) -> float:
        """How far playback has come, milliseconds since the start."""
        return self._ms(self._position)

    @property
    def buffered_ms(self) -> float:
        """Audio that waits, milliseconds."""
        return self._ms(self._pushed - self._taken)

    def push(self, pcm: bytes, now_s: float) -> None:
        """Append audio that arrived now.

        Args:
            pcm: Whole samples of 16-bit signed little-endian mono PCM.
            now_s: The time.

        Raises:
            InvalidField: An odd number of bytes.
        """
        require_whole_samples(pcm)
        self._advance(now_s)
        if not pcm:
            return
        if self._dry_since is not None and self._position > self._dry_since:
            gap = Gap(at_ms=self._ms(self._dry_since), duration_ms=self._ms(self._position - self._dry_since))
            if gap.duration_ms <= self._utterance_pause_ms:
                self.gaps.append(gap)
        self._dry_since = None
        self._in_utterance = True
        self._buffer.append(bytes(pcm))
        self._pushed += len(pcm) // PCM_SAMPLE_BYTES

    def mark(self, name: str) -> None:
        """Set a mark behind the audio so far; it is reached at the next `pull` when none waits."""
        self._marks.append((self._pushed, name))

    def end_utterance(self) -> None:
        """Say that nothing is due behind the audio so far, so that running dry is no gap."""
        self._in_utterance = False
        self._dry_since = None

    def clear(self, now_s: float) -> list[str]:
        """Drop what was not played yet.

        Args:
            now_s: The time; what was due before it is played.

        Returns:
            Names of all marks that no `pull` has returned yet, in order, because phone systems echo the pending ones
            at once. To tell the reached ones apart, `pull` first.
        """
        self._advance(now_s)
        echoed = [name for _, name in self._marks]
        self._marks.clear()
        self._buffer.clear()
        self._taken = self._pushed
        self.end_utterance()
        return echoed

    def pull(self, now_s: float) -> Played:
        """Play up to now.

        Args:
            now_s: The time.

        Returns:
            What was played since the last call, and the marks that were reached.
        """
        self._advance(now_s)
        pcm = b"".join(self._output) if len(self._output) != 1 else self._output[0]
        self._output.clear()
        reached = []
        while self._marks and self._marks[0][0] <= self._taken:
            reached.append(self._marks.popleft()[1])
        return Played(pcm, reached)

    def _advance(self, now_s: float) -> None:
        due = round((now_s - self._start_s) * self._sample_rate_hz) - self._position
        if due <= 0:
            return
        playing = min(due, self._pushed - self._taken)
        if playing:
            self._play(playing * PCM_SAMPLE_BYTES)
            self._taken += playing
            if self._taken == self._pushed and self._in_utterance:
                self._dry_since = self._position + playing
        if due > playing:
            self._output.append(bytes((due - playing) * PCM_SAMPLE_BYTES))
        self._position += due

    def _play(self, size: int) -> None:
        """Move so many bytes from the buffer to the output, piece by piece: most pieces are never copied."""
        while size:
            piece = self._buffer.popleft()
            if len(piece) > size:
                self._buffer.appendleft(piece[size:])
                piece = piece[:size]
            self._output.append(piece)
            size -= len(piece)

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self._sample_rate_hz
