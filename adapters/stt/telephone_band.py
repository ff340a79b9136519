"""Filling the upper half of the spectrum that a telephone line cuts off, for a recogniser that knows 16 kHz speech.

What is missing above 4 kHz is mostly the hiss of consonants, and it rises and falls with what lies between 2 and 4 kHz.
So noise is put there that follows that loudness. ``docs/embedded.md`` has what it gains.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
"""Rate of the audio that is filled, Hz."""

GAIN = 1.5
"""Level of white noise, of which the part above 3.8 kHz is added, over that of the band it follows."""

_FROM_HZ = 3800
_FOLLOWED_HZ = 2000
_TAPS = 63
_WINDOW = 2 * RATE_HZ // 100 + 1
_PERIOD = 4 * RATE_HZ

Samples = npt.NDArray[np.float64]


class TelephoneBand:
    """Fills one stream; create one per utterance. The noise follows the speech by 12 ms."""

    def __init__(self) -> None:
        self._follow = _Filter(_high_pass())
        self._smooth = _Filter(_window())
        self._at = 0

    def fill(self, samples: npt.NDArray[np.int16]) -> Samples:
        """Add the upper half.

        Args:
            samples: The next piece of speech at `RATE_HZ`, empty above 4 kHz.

        Returns:
            As many samples. How the stream is cut into pieces makes no difference.
        """
        band = self._follow(samples.astype(np.float64))
        # Rounding can take the sum of squares a little below zero.
        loudness = np.sqrt(np.maximum(self._smooth(band * band), 0.0))
        noise = np.take(_noise(), range(self._at, self._at + len(samples)), mode="wrap")
        self._at = (self._at + len(samples)) % _PERIOD
        filled: Samples = samples + GAIN * loudness * noise
        return filled


class _Filter:
    """A finite impulse response over a stream."""

    def __init__(self, taps: Samples) -> None:
        self._taps = taps
        self._past = np.zeros(len(taps) - 1)

    def __call__(self, samples: Samples) -> Samples:
        stream = np.concatenate((self._past, samples))
        self._past = stream[len(stream) - len(self._past) :]
        return np.convolve(stream, self._taps, "valid") if len(samples) else samples


@lru_cache(maxsize=1)
def _high_pass() -> Samples:
    cutoff = 2 * _FOLLOWED_HZ / RATE_HZ
    taps: Samples = -cutoff * np.sinc(cutoff * (np.arange(_TAPS) - _TAPS // 2)) * np.hamming(_TAPS)
    taps[_TAPS // 2] += 1.0
    return taps


@lru_cache(maxsize=1)
def _window() -> Samples:
    window = np.hanning(_WINDOW)
    normalized: Samples = window / window.sum()
    return normalized


@lru_cache(maxsize=1)
def _noise() -> Samples:
    white = np.random.default_rng(2).normal(0, 1, _PERIOD)
    spectrum = np.fft.rfft(white)
    spectrum[np.fft.rfftfreq(_PERIOD, 1 / RATE_HZ) < _FROM_HZ] = 0
    return np.fft.irfft(spectrum, _PERIOD)
