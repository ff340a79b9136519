"""Where an utterance began, when the VAD's word for it comes late."""

from __future__ import annotations

import numpy as np

_STEP_S = 0.01
_QUIET_BEFORE_S = 0.2
_QUIET_SHARE = 0.03


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
