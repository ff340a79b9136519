"""The audio ahead of a recogniser's utterance: kept while the caller is silent, and cut where their speech began."""

from __future__ import annotations

import numpy as np

LEAD_IN_S = 0.3
"""What an utterance has before the speech that confirmed it, at the least, seconds."""

LONGEST_START_S = 1.0
"""Longest confirmation of a VAD that is looked back for, seconds."""

_STEP_S = 0.01
_QUIET_BEFORE_S = 0.2
_QUIET_SHARE = 0.03


class LeadIn:
    """The latest audio of a caller who does not speak."""

    def __init__(self) -> None:
        self._recent = bytearray()

    def add(self, audio: bytes, sample_rate_hz: int) -> None:
        """Take audio, 16-bit mono PCM."""
        self._recent += audio
        keep = 2 * int((LONGEST_START_S + LEAD_IN_S) * sample_rate_hz)
        # Trimmed in large steps, since each one moves what remains.
        if len(self._recent) > 2 * keep:
            del self._recent[:-keep]

    def cut(self, sample_rate_hz: int, confirmation_s: float) -> bytes:
        """Return the audio with which an utterance begins, and keep none of it.

        Args:
            sample_rate_hz: Rate of the audio, Hz.
            confirmation_s: Length of the speech that confirmed the start, seconds.
        """
        recent, self._recent = self._recent, bytearray()
        start_s = min(confirmation_s, LONGEST_START_S)
        return bytes(recent[utterance_start(recent, sample_rate_hz, confirmation_s=start_s, lead_in_s=LEAD_IN_S) :])


def utterance_start(recent: bytes | bytearray, sample_rate_hz: int, *, confirmation_s: float, lead_in_s: float) -> int:
    """Find the byte at which the speech that the VAD has just confirmed should be cut from what came before.

    A VAD wants unbroken speech for its confirmation. A first word with a stop in the middle ("thank you") makes it
    count anew, so the speech may have begun well before the confirmation's length. From the plain lead-in this goes
    back to `_QUIET_BEFORE_S` of quiet, as far as there is audio.

    Args:
        recent: The audio up to the confirmation, 16-bit mono PCM.
        sample_rate_hz: Its rate, Hz.
        confirmation_s: Length of the speech that confirmed the start, seconds.
        lead_in_s: What is wanted before it at the least, seconds.

    Returns:
        An even offset into `recent`.
    """
    step = int(_STEP_S * sample_rate_hz)
    plain = max(0, len(recent) // 2 - int((confirmation_s + lead_in_s) * sample_rate_hz))
    samples = np.frombuffer(recent, dtype="<i2")
    # Whole steps, counted back from the plain start plus the quiet that is wanted after it.
    end = min(plain + int(_QUIET_BEFORE_S * sample_rate_hz), len(samples))
    first = end % step
    steps = samples[first:end].reshape(-1, step).astype(np.int32)
    loudest = int(np.abs(samples[plain:].astype(np.int32)).max(initial=0))
    sounding = np.abs(steps).max(axis=1, initial=0) > _QUIET_SHARE * loudest
    quiet = 0
    for index in range(len(sounding) - 1, -1, -1):
        quiet = 0 if sounding[index] else quiet + 1
        if quiet * _STEP_S >= _QUIET_BEFORE_S:
            return 2 * min(plain, first + index * step)
    return 0
