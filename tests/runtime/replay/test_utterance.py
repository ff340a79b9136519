from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidField
from runtime.replay.utterance import load_utterance, utterance_of
from tests.runtime.replay.bots import tone


def padded(rate_hz: int, before_ms: int = 150, speech_ms: int = 500, after_ms: int = 250) -> np.ndarray:
    silence = [np.zeros(rate_hz * ms // 1000, np.int16) for ms in (before_ms, after_ms)]
    return np.concatenate([silence[0], tone(speech_ms, rate_hz), silence[1]])


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("call_rate_hz", [8000, 16_000])
def test_speech_is_found_at_any_rate(tmp_path: Path, rate_hz: int, call_rate_hz: int) -> None:
    path = tmp_path / "question.wav"
    soundfile.write(path, padded(rate_hz), rate_hz)
    utterance = load_utterance(path, call_rate_hz)
    assert utterance.label == "question.wav"
    assert utterance.sample_rate_hz == call_rate_hz
    assert utterance.duration_ms == pytest.approx(900, abs=1)
    # Resampling rings for a few samples around the edges of a tone.
    assert utterance.speech_start_ms == pytest.approx(150, abs=5)
    assert utterance.speech_end_ms == pytest.approx(650, abs=5)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "FLOAT", "ULAW", "ALAW"])
def test_every_usual_encoding_is_read(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "question.wav"
    soundfile.write(path, padded(8000), 8000, subtype=subtype)
    utterance = load_utterance(path, 8000)
    assert (utterance.speech_start_ms, utterance.speech_end_ms) == (150, 650)


def test_channels_are_mixed(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([padded(8000), np.zeros_like(padded(8000))], axis=1), 8000)
    pcm = np.frombuffer(load_utterance(path, 8000).pcm, "<i2")
    assert np.abs(pcm).max() == 4000


@given(samples=st.lists(st.integers(-32768, 32767), min_size=1, max_size=64))
def test_samples_at_the_calls_rate_pass_bit_exact(samples: list[int]) -> None:
    signal = np.concatenate([np.array(samples, np.int16), tone(100)])
    assert utterance_of("x", signal, 8000, 8000).pcm == signal.astype("<i2").tobytes()


def test_a_noisy_room_is_not_speech() -> None:
    room = np.random.default_rng(1).normal(0, 200, 8000)
    signal = (room + np.pad(tone(400).astype(float), (2000, 2800))).astype(np.int16)
    utterance = utterance_of("noisy", signal, 8000, 8000)
    assert utterance.speech_start_ms == pytest.approx(250, abs=1)
    assert utterance.speech_end_ms == pytest.approx(650, abs=1)


def test_steady_speech_without_any_pause_has_no_floor() -> None:
    utterance = utterance_of("steady", tone(300), 8000, 8000)
    assert (utterance.speech_start_ms, utterance.speech_end_ms) == (0, 300)


@pytest.mark.parametrize("samples", [np.zeros(8000, np.int16), np.zeros(0, np.int16), np.full(8000, 20, np.int16)])
def test_silence_is_no_utterance(samples: np.ndarray) -> None:
    with pytest.raises(InvalidField) as caught:
        utterance_of("nothing", samples, 8000, 8000)
    assert caught.value.message == "holds no speech"


def test_a_click_is_no_utterance() -> None:
    with pytest.raises(InvalidField):
        utterance_of("click", np.pad(tone(5), (800, 800)), 8000, 8000)


@pytest.mark.parametrize("content", [b"", b"not audio at all", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_audio_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(InvalidField) as caught:
        load_utterance(path, 8000)
    assert caught.value.field == str(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidField) as caught:
        load_utterance(tmp_path / "none.wav", 8000)
    assert caught.value.field.endswith("none.wav")
