"""Brings a voice's audio to the call's sample rate."""

from __future__ import annotations

import numpy as np
import soxr


class VoiceRate:
    """One call's converter. Audio is 16-bit mono PCM.

    Args:
        rate_hz: The call's rate, Hz.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler: soxr.ResampleStream | None = None
        self._from_hz = 0

    def converted(self, pcm: bytes, rate_hz: int) -> bytes:
        """Convert a piece of an answer; its last milliseconds may come with the next piece, or with `rest`.

        Args:
            pcm: Whole samples.
            rate_hz: Their rate, Hz.
        """
        if rate_hz == self._rate_hz:
            return pcm
        if self._resampler is None or self._from_hz != rate_hz:
            self._resampler = soxr.ResampleStream(rate_hz, self._rate_hz, 1, dtype="int16")
            self._from_hz = rate_hz
        return bytes(self._resampler.resample_chunk(np.frombuffer(pcm, dtype=np.int16)).tobytes())

    def rest(self) -> bytes:
        """End the answer; returns the last of it."""
        resampler, self._resampler = self._resampler, None
        if resampler is None:
            return b""
        return bytes(resampler.resample_chunk(np.zeros(0, dtype=np.int16), last=True).tobytes())

    def drop(self) -> None:
        """Forget what has not come out, so that it does not sound on in the next answer."""
        self._resampler = None
