"""What callers sound like: speech, noise, music and silence as 16-bit signed little-endian mono PCM."""

from __future__ import annotations

import wave
from functools import lru_cache
from importlib import resources

import numpy as np
import soxr
from numpy.typing import NDArray

from adapters.tts.espeak_engine import shared_engine

Samples = NDArray[np.int16]

PHRASE = "Hello, I would like to book a table for two, please."
PAUSE = "I would like to, um,"


@lru_cache
def speech(sample_rate_hz: int, text: str = PHRASE, voice: str = "en-us") -> Samples:
    """A sentence of espeak's."""
    utterance = shared_engine().synthesize(text, voice, sample_rate_hz, 165).result()
    return np.frombuffer(utterance.pcm, dtype="<i2")


@lru_cache
def person(sample_rate_hz: int) -> Samples:
    """A person's voice: the recording that Pipecat carries for Nova Sonic."""
    with (
        resources.files("pipecat.services.aws.nova_sonic").joinpath("ready.wav").open("rb") as file,
        wave.open(file) as recording,
    ):
        rate_hz = recording.getframerate()
        samples = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2")
    return np.asarray(soxr.resample(samples, rate_hz, sample_rate_hz), dtype=np.int16)


def silence(sample_rate_hz: int, seconds: float) -> Samples:
    """Digital silence."""
    return np.zeros(int(seconds * sample_rate_hz), dtype=np.int16)


def white_noise(sample_rate_hz: int, seconds: float, level: float = 0.1) -> Samples:
    """Noise of equal power at every frequency.

    Args:
        sample_rate_hz: Rate, Hz.
        seconds: Length.
        level: Root mean square as a part of full scale.
    """
    spectrum = np.random.default_rng(1).standard_normal(int(seconds * sample_rate_hz))
    return _quantised(spectrum * level)


def pink_noise(sample_rate_hz: int, seconds: float, level: float = 0.1) -> Samples:
    """Noise whose power falls with frequency, as a busy room's does."""
    count = int(seconds * sample_rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, count)
    return _quantised(noise / noise.std() * level)


def music(sample_rate_hz: int, seconds: float, level: float = 0.2) -> Samples:
    """Plucked chords, twice a second, as music on hold plays them."""
    moments = np.arange(int(seconds * sample_rate_hz)) / sample_rate_hz
    chords = np.array([[220.0, 277.2, 329.6], [196.0, 246.9, 293.7], [174.6, 220.0, 261.6]])
    tones = chords[(moments * 2).astype(int) % len(chords)]
    wave_sum = sum(np.sin(2 * np.pi * tones[:, note] * moments) for note in range(3))
    return _quantised(wave_sum * np.exp(-4 * (moments * 2 % 1)) * level)


def mixed(one: Samples, other: Samples) -> Samples:
    """Both at once, for as long as the first lasts."""
    background = np.resize(other, len(one))
    return np.asarray(np.clip(one.astype(np.int32) + background, -32_768, 32_767), dtype=np.int16)


def _quantised(signal: NDArray[np.float64]) -> Samples:
    return np.clip(signal * 32_767, -32_768, 32_767).astype(np.int16)


@lru_cache
def call(sample_rate_hz: int) -> bytes:
    """About fourteen seconds of everything: speech in quiet, over noise and over music, and each of them alone."""
    rate = sample_rate_hz
    return np.concatenate(
        [
            silence(rate, 0.7),
            speech(rate, "Hello there."),
            silence(rate, 0.5),
            white_noise(rate, 1.0),
            mixed(person(rate), pink_noise(rate, 1.0, level=0.02)),
            pink_noise(rate, 2.2),
            music(rate, 1.5),
            mixed(speech(rate), music(rate, 2.0, level=0.03)),
            silence(rate, 2.2),
            mixed(speech(rate, "Yes, please."), white_noise(rate, 1.0, level=0.003)),
            silence(rate, 0.4),
        ]
    ).tobytes()


def cut(pcm: bytes, sizes: list[int]) -> list[bytes]:
    """Cut audio into chunks whose sizes, in samples, repeat; the last one is what is left."""
    chunks, position, turn = [], 0, 0
    while position < len(pcm):
        size = sizes[turn % len(sizes)] * 2
        chunks.append(pcm[position : position + size])
        position += size
        turn += 1
    return chunks
