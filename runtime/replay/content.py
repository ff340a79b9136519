"""What the bot's audio holds: whether it is speech at all, and whether it is what a reference recording says.

Both judge short pieces by their spectrum over time, 10 ms by 10 ms in bands of the telephone's range, so that neither
G.711, nor another level, nor an offset of a few samples matters. Pure numpy, meant for after the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from runtime.replay.utterance import Utterance

HOP_MS: Final = 10
"""Distance of two spectra, milliseconds."""

PIECE_MS: Final = 400
"""Length of audio that is compared at once, milliseconds. Shorter answers are not judged."""

SAME_SIMILARITY: Final = 0.85
"""From here on a piece counts as found in a reference: correlation of the spectra, 1 at most."""

_WINDOW_MS: Final = 32
_BANDS: Final = 20
_LOW_HZ: Final = 200.0
_HIGH_HZ: Final = 3600.0
_RANGE_DB: Final = 50.0
_SPEECH_MODULATION_DB: Final = 5.0
_NOISE_FLATNESS: Final = 0.3
_STEP: Final = PIECE_MS // 2 // HOP_MS
_PIECE: Final = PIECE_MS // HOP_MS


class SoundKind(StrEnum):
    """What a stretch of audio sounds like."""

    SPEECH = "speech"
    """Its spectrum moves as syllables do. Music does so as well and cannot be told from it here."""
    TONE = "tone"
    """A steady sound of few frequencies: a dial tone, a hum, a buzz."""
    NOISE = "noise"
    """A steady sound of all frequencies."""
    SHORT = "too short"
    """Shorter than `PIECE_MS`."""


@dataclass(frozen=True, slots=True)
class Match:
    """How much of an answer is found in the references.

    Attributes:
        label: The reference in which most of it is found; '' when none of it is.
        share: Share of its pieces that are found in any reference, 0 to 1.
        similarity: Mean correlation of its pieces with the most similar place of the references, 1 at most.
    """

    label: str
    share: float
    similarity: float


def sound_kind(samples: NDArray[np.int16], sample_rate_hz: int) -> SoundKind:
    """Say what audible audio sounds like.

    Args:
        samples: 16-bit samples, shape ``(n,)``, without silence around them.
        sample_rate_hz: Their rate, Hz, at least 8000.
    """
    if len(samples) < PIECE_MS * sample_rate_hz // 1000:
        return SoundKind.SHORT
    power = _power(samples, sample_rate_hz)
    levels = _levels(power, sample_rate_hz)
    modulation_db = float(np.median(levels.std(axis=0)))
    if modulation_db >= _SPEECH_MODULATION_DB:
        return SoundKind.SPEECH
    flatness = np.exp(np.log(power + 1e-9).mean(axis=1)) / (power.mean(axis=1) + 1e-9)
    return SoundKind.NOISE if float(np.median(flatness)) >= _NOISE_FLATNESS else SoundKind.TONE


class References:
    """Recordings of what the bot may say."""

    def __init__(self, recordings: Sequence[Utterance]) -> None:
        """Take the recordings.

        Args:
            recordings: At least one, each at least `PIECE_MS` long, all at one rate.
        """
        pieces, owners = [], []
        for number, recording in enumerate(recordings):
            samples = np.frombuffer(recording.pcm, dtype="<i2")
            levels = _levels(_power(samples, recording.sample_rate_hz), recording.sample_rate_hz)
            windows = sliding_window_view(levels, _PIECE, axis=0)
            pieces.append(_normalised(windows.transpose(0, 2, 1)))
            owners.append(np.full(len(windows), number))
        self._labels = [recording.label for recording in recordings]
        self._pieces = np.concatenate(pieces)
        self._owners = np.concatenate(owners)

    def match(self, samples: NDArray[np.int16], sample_rate_hz: int) -> Match | None:
        """Look for an answer in the recordings. It may be a part of one, or several of them in any order.

        Args:
            samples: 16-bit samples, shape ``(n,)``, without silence around them.
            sample_rate_hz: Their rate, Hz: that of the recordings.

        Returns:
            What was found, or None when the answer is too short to tell.
        """
        levels = _levels(_power(samples, sample_rate_hz), sample_rate_hz)
        if len(levels) < _PIECE:
            return None
        heard = _normalised(sliding_window_view(levels, _PIECE, axis=0)[::_STEP].transpose(0, 2, 1))
        likeness = heard @ self._pieces.T
        best = likeness.max(axis=1)
        found = best >= SAME_SIMILARITY
        owners = self._owners[likeness.argmax(axis=1)][found]
        label = self._labels[int(np.bincount(owners).argmax())] if len(owners) else ""
        return Match(label, float(found.mean()), float(best.mean()))


def _power(samples: NDArray[np.int16], sample_rate_hz: int) -> NDArray[np.float64]:
    """Return the power spectra in the telephone's range, shape ``(spectra, frequencies)``."""
    window, hop = _WINDOW_MS * sample_rate_hz // 1000, HOP_MS * sample_rate_hz // 1000
    if len(samples) < window:
        return np.zeros((0, 1))
    frames = sliding_window_view(samples.astype(np.float64), window)[::hop] * np.hanning(window)
    spectra = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    hz = np.fft.rfftfreq(window, 1 / sample_rate_hz)
    power: NDArray[np.float64] = spectra[:, (hz >= _LOW_HZ) & (hz < _HIGH_HZ)]
    return power


def _levels(power: NDArray[np.float64], sample_rate_hz: int) -> NDArray[np.float64]:
    """Return the level of each band, dB, shape ``(spectra, bands)``: no further than `_RANGE_DB` below the loudest."""
    if not len(power):
        return np.zeros((0, _BANDS))
    hz = np.fft.rfftfreq(_WINDOW_MS * sample_rate_hz // 1000, 1 / sample_rate_hz)
    hz = hz[(hz >= _LOW_HZ) & (hz < _HIGH_HZ)]
    edges = np.geomspace(_LOW_HZ + 400, _HIGH_HZ + 400, _BANDS + 1) - 400  # nearly even below, wider above, as the ear
    starts = np.searchsorted(hz, edges[:-1])
    sums = np.add.reduceat(power, starts, axis=1)
    levels = 10 * np.log10(sums + 1e-9)
    clipped: NDArray[np.float64] = np.maximum(levels, levels.max() - _RANGE_DB)
    return clipped


def _normalised(pieces: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return pieces as vectors of length 1 around 0, shape ``(pieces, values)``."""
    flat = pieces.reshape(len(pieces), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (flat / np.maximum(norms, 1e-9)).astype(np.float32)
    return unit
