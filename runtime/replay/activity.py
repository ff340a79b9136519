"""When somebody is audible: speech by energy, on audio that arrives piece by piece.

Deliberately not the runtime's own voice activity detection: a measurement must not share its subject's opinion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK_MS: Final = 10
"""Length of audio that is judged at once, milliseconds."""

AUDIBLE_DBFS: Final = -50.0
"""Block level (RMS) from which audio counts as audible, dB relative to full scale."""

MERGE_MS: Final = 200.0
"""Pauses up to this long belong to the speech around them, milliseconds."""

_SAMPLE: Final = np.dtype("<i2")
_CONFIRM_BLOCKS: Final = 2
"""A single loud block is a click, not speech."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of audible speech.

    Attributes:
        start_ms: First audible sample, milliseconds since the start of the audio.
        end_ms: Just behind the last audible sample.
    """

    start_ms: float
    end_ms: float


def amplitude(level_dbfs: float) -> float:
    """Return the 16-bit amplitude of a level in dB relative to full scale."""
    return float(32768 * 10 ** (level_dbfs / 20))


def block_levels(samples: NDArray[np.int16], sample_rate_hz: int) -> NDArray[np.float64]:
    """Return the RMS amplitude of each whole block of `BLOCK_MS`, shape ``(blocks,)``."""
    block = sample_rate_hz * BLOCK_MS // 1000
    whole = len(samples) // block
    blocks = samples[: whole * block].reshape(whole, block).astype(np.float64)
    levels: NDArray[np.float64] = np.sqrt(np.mean(np.square(blocks), axis=1))
    return levels


class ActivityTracker:
    """Finds speech in one track, fed in order. Times are milliseconds since the first sample.

    Attributes:
        spans: The speech that is over, oldest first. `finish` adds what is still going on.
    """

    def __init__(self, sample_rate_hz: int, *, audible: float | None = None, merge_ms: float = MERGE_MS) -> None:
        """Begin with silence.

        Args:
            sample_rate_hz: Rate of the audio, Hz.
            audible: RMS amplitude of 16-bit samples that counts as audible; None for `AUDIBLE_DBFS`.
            merge_ms: See `MERGE_MS`.
        """
        self.spans: list[Span] = []
        self._rate_hz = sample_rate_hz
        self._audible = amplitude(AUDIBLE_DBFS) if audible is None else audible
        self._merge = round(merge_ms * sample_rate_hz / 1000)
        self._block = sample_rate_hz * BLOCK_MS // 1000
        self._rest = b""
        self._position = 0
        self._run = 0
        self._run_start = 0
        self._open_start: int | None = None
        self._open_end = 0
        self._last: NDArray[np.float64] | None = None  # the last loud block, while its end has not been asked for
        self._energy = self._audible**2 * self._block

    @property
    def speaking(self) -> bool:
        """Whether speech is going on, pauses of `MERGE_MS` included."""
        return self._open_start is not None

    @property
    def quiet_ms(self) -> float:
        """Time since the last audible sample, milliseconds; since the start when there was none."""
        self._find_end()
        return self._ms(self._position - self._open_end)

    def quiet_for(self, duration_ms: float) -> bool:
        """Say whether `quiet_ms` has reached a duration; cheap while speech goes on."""
        if self._last is not None and duration_ms > BLOCK_MS:
            return False
        return self.quiet_ms >= duration_ms

    def feed(self, pcm: bytes) -> None:
        """Take the next audio.

        Args:
            pcm: Whole samples of 16-bit signed little-endian mono PCM.
        """
        data = self._rest + pcm if self._rest else pcm
        size = self._block * _SAMPLE.itemsize
        whole = len(data) // size
        self._rest = data[whole * size :]
        if self._rest:
            data = data[: whole * size]
        if not whole:
            return
        if data == bytes(len(data)):  # most of a call: worth not waking numpy for
            self._quiet_blocks(whole)
            return
        samples = np.frombuffer(data, _SAMPLE).astype(np.float64)
        energy = float(samples.dot(samples))
        if energy < self._energy:  # less than one audible block in all of it
            self._quiet_blocks(whole)
            return
        for at in range(0, len(samples), self._block):
            block = samples[at : at + self._block]
            left = len(samples) - at
            if left > self._block:
                of_block = float(block.dot(block))
                energy -= of_block  # squares of 16-bit samples: exact
            else:
                of_block = energy
            if of_block >= self._energy:
                self._loud_block(block)
            else:
                self._quiet_blocks(1)

    def cut(self) -> None:
        """Say that whatever comes next is not a continuation: the playback was flushed."""
        loud = self._loud(np.frombuffer(self._rest, _SAMPLE).astype(np.float64))
        self._find_end()
        if self._open_start is not None and len(loud):
            self._open_end = self._position + int(loud[-1]) + 1
        self._rest = bytes(len(self._rest))
        self._run = 0
        self._close()

    def finish(self) -> list[Span]:
        """End the track and return all its speech."""
        self._close()
        return self.spans

    def onset_after(self, start_ms: float) -> float | None:
        """Return when the first speech that began at or after a time began, or None."""
        onset_ms = None
        if self._open_start is not None:
            onset_ms = self._ms(self._open_start)
            if onset_ms < start_ms:
                return None
        for span in reversed(self.spans):  # asked for each frame: a long call must not make it slower
            if span.start_ms < start_ms:
                break
            onset_ms = span.start_ms
        return onset_ms

    def _loud_block(self, block: NDArray[np.float64]) -> None:
        if not self._run:
            self._run_start = self._position + int(self._loud(block)[0])
        self._run += 1
        if self._run >= _CONFIRM_BLOCKS:
            if self._open_start is None:
                self._open_start = self._run_start
            self._last = block
        self._position += self._block

    def _find_end(self) -> None:
        """Find the last audible sample of the last block, which is worth its cost only once it is asked for."""
        if self._last is not None:
            self._open_end = self._position - self._block + int(self._loud(self._last)[-1]) + 1
            self._last = None

    def _loud(self, samples: NDArray[np.float64]) -> NDArray[np.intp]:
        return np.flatnonzero(np.abs(samples) >= self._audible)

    def _quiet_blocks(self, count: int) -> None:
        self._run = 0
        if self._last is not None:
            self._find_end()
        self._position += count * self._block
        if self._open_start is not None and self._position - self._open_end > self._merge:
            self._close()

    def _close(self) -> None:
        self._find_end()
        if self._open_start is not None:
            self.spans.append(Span(self._ms(self._open_start), self._ms(self._open_end)))
            self._open_start = None

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self._rate_hz
