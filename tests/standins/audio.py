"""Audio of the stand-ins: recognisable speech, loudness, and the telephone codecs (ITU-T G.711).

A text's `signature` is two tones chosen by the text's hash, at 15 characters a second. So a test can tell *which* text
is being heard (`identify`), also after a µ-law leg and from a piece cut out of the middle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CHARS_PER_S = 15
"""Speaking rate of every stand-in."""

_LOW_HZ = [300 + 25 * k for k in range(28)]
_HIGH_HZ = [1100 + 50 * k for k in range(36)]
_FADE_S = 0.005
_AMPLITUDE = 0.3 * 32767


def tones(text: str) -> tuple[int, int]:
    """The two frequencies of a text's signature, Hz: one in 300-975, one in 1100-2850."""
    digest = hashlib.sha256(text.strip().encode()).digest()
    return _LOW_HZ[digest[0] % len(_LOW_HZ)], _HIGH_HZ[digest[1] % len(_HIGH_HZ)]


def sample_at(char: int, sample_rate_hz: int) -> int:
    """Index of the sample at which the character with this index begins."""
    return char * sample_rate_hz // CHARS_PER_S


@lru_cache(maxsize=512)
def signature(text: str, sample_rate_hz: int) -> bytes:
    """Speak a text, as every stand-in does.

    Args:
        text: What is said; white space at both ends is ignored.
        sample_rate_hz: Rate of the result, at least 8000 Hz.

    Returns:
        16-bit signed little-endian mono PCM, one fifteenth of a second per character.
    """
    text = text.strip()
    count = sample_at(len(text), sample_rate_hz)
    if count == 0:
        return b""
    low_hz, high_hz = tones(text)
    time_s = np.arange(count) / sample_rate_hz
    wave = np.sin(2 * np.pi * low_hz * time_s) + np.sin(2 * np.pi * high_hz * time_s)
    fade = min(count // 2, int(_FADE_S * sample_rate_hz))
    if fade:
        ramp = np.linspace(0.0, 1.0, fade)
        wave[:fade] *= ramp
        wave[-fade:] *= ramp[::-1]
    return (wave * _AMPLITUDE).astype("<i2").tobytes()


def identify(pcm: bytes, sample_rate_hz: int, candidates: Iterable[str], *, min_share: float = 0.5) -> str | None:
    """Say which text is heard in a piece of audio.

    Args:
        pcm: 16-bit mono PCM of one spoken text or a part of it, at least 80 ms, without much silence around it.
        sample_rate_hz: Its rate, Hz.
        candidates: The texts that may be heard.
        min_share: Least share of the piece's energy that must lie in the text's two tones.

    Returns:
        The candidate whose tones hold most of the energy, or None when no candidate reaches `min_share`.
    """
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    total = float(samples @ samples)
    if total == 0:
        return None
    time_s = np.arange(len(samples)) / sample_rate_hz

    def share(text: str) -> float:
        energy = 0.0
        for hz in tones(text):
            energy += abs(samples @ np.exp(-2j * np.pi * hz * time_s)) ** 2
        return float(energy * 2 / len(samples) / total)

    best = max(candidates, key=share, default=None)
    return best if best is not None and share(best) >= min_share else None


def loudness(pcm: NDArray[np.int16]) -> float:
    """Root mean square of samples, 0 to 32768."""
    if len(pcm) == 0:
        return 0.0
    samples = pcm.astype(np.float32)
    return float(np.sqrt(samples @ samples / len(samples)))


def _ulaw_table() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 0x07)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_table() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code >> 4) & 0x07
    mantissa = (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_TABLES = {"mulaw": _ulaw_table(), "alaw": _alaw_table()}
ENCODINGS = ("linear16", *_TABLES)
"""The encodings that `decode` and `encode` know, by Deepgram's names."""


def decode(payload: bytes, encoding: str) -> NDArray[np.int16]:
    """Decode audio; a trailing half sample is dropped."""
    if encoding == "linear16":
        return np.frombuffer(payload[: len(payload) // 2 * 2], dtype="<i2")
    return _TABLES[encoding][np.frombuffer(payload, dtype=np.uint8)]


@lru_cache(maxsize=2)
def _nearest_codes(encoding: str) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    levels = _TABLES[encoding].astype(np.int32)
    order = np.argsort(levels, kind="stable")
    midpoints = (levels[order][1:] + levels[order][:-1]) // 2
    return midpoints, order.astype(np.uint8)


def encode(pcm: bytes, encoding: str) -> bytes:
    """Encode 16-bit PCM, each sample to the code with the nearest level."""
    if encoding == "linear16":
        return pcm
    midpoints, codes = _nearest_codes(encoding)
    return codes[np.searchsorted(midpoints, np.frombuffer(pcm, dtype="<i2"))].tobytes()
