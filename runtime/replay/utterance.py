"""What a caller says: audio at the call's rate, with the place where its speech begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile  # type: ignore[import-untyped]
import soxr
from numpy.typing import NDArray

from models.errors import InvalidField
from runtime.replay.activity import AUDIBLE_DBFS, ActivityTracker, amplitude, block_levels

_BELOW_PEAK: Final = 10 ** (-35 / 20)
"""What is this far below the loudest block of a recording is its room, not its speech."""

_ABOVE_FLOOR: Final = 2.0
"""Speech is at least twice as strong as the quietest tenth of its recording."""

_CLEAR_SPEECH: Final = 6.0
"""Only a recording with this ratio between its loudest and quietest parts has a floor to speak of."""


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One thing that a caller says.

    Attributes:
        label: Name for reports, for example the file's name.
        pcm: 16-bit signed little-endian mono PCM.
        sample_rate_hz: Rate of ``pcm``, Hz.
        speech_start_ms: Where its speech begins, milliseconds since its first sample.
        speech_end_ms: Just behind its last voiced sample.
    """

    label: str
    pcm: bytes
    sample_rate_hz: int
    speech_start_ms: float
    speech_end_ms: float

    @property
    def duration_ms(self) -> float:
        """Length with the silence around the speech, milliseconds."""
        return len(self.pcm) / 2 * 1000 / self.sample_rate_hz


def load_utterance(path: Path, sample_rate_hz: int) -> Utterance:
    """Read an audio file: WAV (PCM, float, G.711), FLAC or OGG, of any rate and any number of channels.

    Args:
        path: The file.
        sample_rate_hz: Rate of the call, Hz.

    Raises:
        InvalidField: Field: the path. It cannot be read as audio, or holds no speech.
    """
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise InvalidField(str(path), "cannot be read as audio") from error
    return utterance_of(path.name, samples.mean(axis=1), rate_hz, sample_rate_hz, field=str(path))


def utterance_of(
    label: str,
    samples: NDArray[np.float32] | NDArray[np.int16],
    source_rate_hz: int,
    sample_rate_hz: int,
    *,
    field: str = "samples",
) -> Utterance:
    """Make an utterance of samples.

    Args:
        label: Name for reports.
        samples: Shape ``(n,)``: float between -1 and 1, or 16-bit.
        source_rate_hz: Rate of ``samples``, Hz.
        sample_rate_hz: Rate of the call, Hz.
        field: What the error names.

    Raises:
        InvalidField: No speech in it.
    """
    signal = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples.astype(np.float32)
    if source_rate_hz != sample_rate_hz:
        signal = soxr.resample(signal, source_rate_hz, sample_rate_hz)
    pcm = np.clip(np.round(signal * 32768), -32768, 32767).astype("<i2")
    levels = block_levels(pcm, sample_rate_hz)
    if not len(levels) or levels.max() < amplitude(AUDIBLE_DBFS):
        raise InvalidField(field, "holds no speech")
    tracker = ActivityTracker(sample_rate_hz, audible=_speech_level(levels))
    tracker.feed(pcm.tobytes())
    spans = tracker.finish()
    if not spans:
        raise InvalidField(field, "holds no speech")
    return Utterance(label, pcm.tobytes(), sample_rate_hz, spans[0].start_ms, spans[-1].end_ms)


def _speech_level(levels: NDArray[np.float64]) -> float:
    peak, floor = float(levels.max()), float(np.percentile(levels, 10))
    level = max(amplitude(AUDIBLE_DBFS), peak * _BELOW_PEAK)
    return max(level, floor * _ABOVE_FLOOR) if peak > floor * _CLEAR_SPEECH else level
