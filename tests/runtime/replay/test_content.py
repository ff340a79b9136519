"""What audio is told apart: real speech (espeak), the stand-ins' tones, noise; after a telephone line."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.media.codecs import pcm_to_ulaw, ulaw_to_pcm
from adapters.tts.espeak_engine import shared_engine
from runtime.replay.content import SAME_SIMILARITY, References, SoundKind, sound_kind
from runtime.replay.utterance import Utterance, utterance_of
from tests.standins.audio import signature

TEXTS = (
    "What are your opening hours on Saturday?",
    "I would like to book a table for two, tomorrow evening.",
    "We are open from nine to five, every day except on Sunday.",
)
RNG = np.random.default_rng(7)


@lru_cache
def spoken(text: str, rate_hz: int = 8000) -> NDArray[np.int16]:
    result = shared_engine().synthesize(text, "en-us", rate_hz, 160).result()
    assert result.sample_rate_hz == rate_hz
    return np.frombuffer(result.pcm, "<i2")


def stand_in(text: str, rate_hz: int = 8000) -> NDArray[np.int16]:
    return np.frombuffer(signature(text, rate_hz), "<i2")


def over_the_line(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.frombuffer(ulaw_to_pcm(pcm_to_ulaw(samples.astype("<i2").tobytes())), "<i2")


def recordings(*samples: NDArray[np.int16], rate_hz: int = 8000) -> References:
    return References([recording(f"{number}.wav", it, rate_hz) for number, it in enumerate(samples)])


def recording(label: str, samples: NDArray[np.int16], rate_hz: int = 8000) -> Utterance:
    return utterance_of(label, samples, rate_hz, rate_hz)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
@pytest.mark.parametrize("text", TEXTS)
def test_speech_sounds_like_speech(text: str, rate_hz: int) -> None:
    assert sound_kind(spoken(text, rate_hz), rate_hz) is SoundKind.SPEECH
    assert sound_kind(over_the_line(spoken(text, rate_hz)), rate_hz) is SoundKind.SPEECH


@pytest.mark.parametrize("hz", [(425,), (350, 440), (50,), (1004,)])
def test_a_steady_sound_is_a_tone(hz: tuple[int, ...]) -> None:
    time_s = np.arange(16_000) / 8000
    samples = sum(np.sin(2 * np.pi * it * time_s) for it in hz) * 6000
    assert sound_kind(np.asarray(samples).astype(np.int16), 8000) is SoundKind.TONE


def test_the_stand_ins_voice_is_known_as_tones() -> None:
    assert sound_kind(stand_in(TEXTS[0]), 8000) is SoundKind.TONE


@pytest.mark.parametrize("level", [200, 3000])
def test_noise_is_noise(level: int) -> None:
    noise = RNG.normal(0, level, 16_000).clip(-32768, 32767).astype(np.int16)
    assert sound_kind(noise, 8000) is SoundKind.NOISE


def test_a_click_is_too_short_to_tell() -> None:
    assert sound_kind(spoken(TEXTS[0])[:3000], 8000) is SoundKind.SHORT
    assert recordings(spoken(TEXTS[0])).match(spoken(TEXTS[0])[:3000], 8000) is None


@pytest.mark.parametrize("voice", [spoken, stand_in])
def test_the_right_recording_is_found_after_the_line(voice: object) -> None:
    says = [voice(text) for text in TEXTS]  # type: ignore[operator]
    references = recordings(*says)
    for number, samples in enumerate(says):
        match = references.match(over_the_line((samples * 0.4).astype(np.int16)[37:]), 8000)
        assert match
        assert match.label == f"{number}.wav"
        assert match.share == pytest.approx(1.0)
        assert match.similarity > 0.95


@pytest.mark.parametrize("voice", [spoken, stand_in])
def test_other_words_are_not_found(voice: object) -> None:
    match = recordings(voice(TEXTS[0]), voice(TEXTS[1])).match(over_the_line(voice(TEXTS[2])), 8000)  # type: ignore[operator]
    assert match
    assert match.share < 0.2
    assert match.similarity < SAME_SIMILARITY


def test_noise_and_silence_are_not_found() -> None:
    references = recordings(spoken(TEXTS[0]))
    for samples in (RNG.normal(0, 2000, 8000).astype(np.int16), np.zeros(8000, np.int16)):
        match = references.match(samples, 8000)
        assert match
        assert (match.label, match.share) == ("", 0.0)


def test_a_part_and_several_in_a_row_are_found() -> None:
    first, second = spoken(TEXTS[0]), spoken(TEXTS[1])
    references = recordings(first, second)
    cut = references.match(over_the_line(second[2000:9000]), 8000)
    assert cut
    assert (cut.label, cut.share) == ("1.wav", 1.0)
    row = references.match(np.concatenate([second, first]), 8000)
    assert row
    assert row.label == "1.wav"
    assert row.share > 0.9


def test_a_short_gap_and_a_lost_frame_leave_the_rest_recognised() -> None:
    damaged = spoken(TEXTS[1]).copy()
    damaged[8000:8800] = 0
    match = recordings(spoken(TEXTS[1])).match(np.delete(damaged, slice(14_000, 14_160)), 8000)
    assert match
    assert 0.7 < match.share < 1.0


def test_half_of_another_answer_is_only_half_found() -> None:
    half = np.concatenate([spoken(TEXTS[0])[:12_000], spoken(TEXTS[2])[:12_000]])
    match = recordings(spoken(TEXTS[0])).match(half, 8000)
    assert match
    assert match.share == pytest.approx(0.5, abs=0.15)
