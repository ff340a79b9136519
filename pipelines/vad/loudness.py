"""Whether the caller is loud enough to count: Pipecat's smoothed loudness, measured only when somebody asks.

Pipecat measures BS.1770 loudness over the last 400 ms at every window and smooths the readings. Most windows are no
speech by the model's verdict, so that their loudness decides nothing. Here a reading is made when it is needed: from
the newest window backwards, until the older ones cannot change the verdict any more.
"""

from __future__ import annotations

import math

from pipecat.audio.utils import calculate_audio_volume
from pipecat.audio.volume import VOLUME_WINDOW_SECS

_SMOOTHING = 0.2
"""Weight of a new reading against the smoothed one; Pipecat's value."""
_MOST_READINGS = 64
"""Readings that count; what lies further back has a weight of less than a millionth."""


class LoudnessGate:
    """One call's loudness.

    Args:
        sample_rate_hz: Rate of the audio, Hz.
        window_samples: Samples of one window.
    """

    def __init__(self, sample_rate_hz: int, window_samples: int) -> None:
        self._rate_hz = sample_rate_hz
        self._window_bytes = window_samples * 2
        self._block_bytes = math.ceil(VOLUME_WINDOW_SECS * sample_rate_hz) * 2
        self._most_bytes = self._block_bytes + (_MOST_READINGS - 1) * self._window_bytes
        self._pcm = bytearray()
        self._windows = 0
        self._readings: dict[int, float] = {}

    def push(self, window: bytes | bytearray | memoryview) -> None:
        """Take the next window: 16-bit mono PCM."""
        self._pcm += window
        self._windows += 1
        # In large steps: every cut moves what is left.
        if len(self._pcm) >= 2 * self._most_bytes:
            del self._pcm[: len(self._pcm) - self._most_bytes]

    def at_least(self, threshold: float) -> bool:
        """Say whether the smoothed loudness is at least a threshold, both in [0, 1]."""
        if threshold <= 0.0:
            return True
        known, weight = 0.0, _SMOOTHING
        for age in range(min(_MOST_READINGS, self._windows)):
            known += weight * self._reading(age)
            weight *= 1.0 - _SMOOTHING
            # All that is older would add between nothing and this much.
            rest = weight / _SMOOTHING
            if known >= threshold:
                return True
            if known + rest < threshold:
                return False
        return known >= threshold

    def _reading(self, age: int) -> float:
        number = self._windows - age
        reading = self._readings.get(number)
        if reading is None:
            end = len(self._pcm) - age * self._window_bytes
            start = end - self._block_bytes
            # As Pipecat: nothing is measured before a whole block is there.
            reading = calculate_audio_volume(memoryview(self._pcm)[start:end], self._rate_hz) if start >= 0 else 0.0
            if len(self._readings) >= 2 * _MOST_READINGS:
                oldest = self._windows - _MOST_READINGS
                self._readings = {key: value for key, value in self._readings.items() if key > oldest}
            self._readings[number] = reading
        return reading
