from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from pipecat.frames.frames import ErrorFrame, TTSSpeakFrame, TTSStoppedFrame
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.local_models import MODELS_DIR
from adapters.tts.build import build_tts
from adapters.tts.piper import PiperSpeech
from models.errors import InvalidField, ProviderRejectedRequest
from models.providers import TtsType
from tests.adapters.offline import offline
from tests.adapters.tiny_models import PIPER_RATE_HZ, write_piper
from tests.adapters.tts.contract import OTHER, SENTENCE, UNUSUAL, TtsContract, audio, model_says, seconds, spoken_text
from tests.adapters.vendors import BOUND_S, first_error, patient_clients
from tests.standins.pipeline import piped

MODEL = "en_US-tiny-low"


def made(clients: SharedClients, folder: Path, rate_hz: int = 8000, voice: str = "", model: str = MODEL) -> TTSService:
    return build_tts(
        TtsType.PIPER,
        key=SecretStr(""),
        voice=voice,
        language="",
        sample_rate_hz=rate_hz,
        resources=clients,
        environ={MODELS_DIR: str(folder)},
        options={"model": model},
    )


class TestPiper(TtsContract):
    """The real engine, on a voice of tones."""

    @pytest.fixture(autouse=True)
    def _model(self, tmp_path: Path) -> None:
        write_piper(tmp_path)
        self.folder = tmp_path

    @asynccontextmanager
    async def speaking(self) -> AsyncIterator[TTSService]:
        with offline() as attempts:
            async with patient_clients() as clients:
                yield made(clients, self.folder, self.rate_hz)
        assert attempts == []

    @pytest.mark.parametrize("text", UNUSUAL.values(), ids=UNUSUAL)
    async def test_an_unusual_text_is_no_failure(self, text: str) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(text), TTSSpeakFrame(OTHER))
            await pipe.down.until(lambda: spoken_text(pipe).endswith(OTHER), BOUND_S)
            await pipe.down.wait(TTSStoppedFrame, 2, BOUND_S)
            assert not pipe.up.of(ErrorFrame)


class TestPiperAt24k(TestPiper):
    rate_hz = audio_rate_hz = 24_000


def test_a_text_becomes_its_own_phonemes_sentence_by_sentence(tmp_path: Path) -> None:
    write_piper(tmp_path)
    model = PiperSpeech(tmp_path / "piper" / MODEL)
    assert model.sample_rate_hz == PIPER_RATE_HZ
    one, other = model.speak(f"{SENTENCE} {OTHER}", "0")
    assert np.array_equal(one, next(iter(model.speak(SENTENCE, "0"))))
    assert np.array_equal(other, next(iter(model.speak(OTHER, "0"))))
    assert not np.array_equal(one[: len(other)], other[: len(one)])
    assert np.abs(one).max() <= 1


def test_brackets_are_no_phonemes(tmp_path: Path) -> None:
    write_piper(tmp_path)
    model = PiperSpeech(tmp_path / "piper" / MODEL)
    plain = np.concatenate(list(model.speak("say  house  now", "0")))
    assert np.array_equal(plain, np.concatenate(list(model.speak("say [[house]] now", "0"))))


def test_speakers_are_named_or_numbered(tmp_path: Path) -> None:
    write_piper(tmp_path, speakers=3)
    model = PiperSpeech(tmp_path / "piper" / MODEL)
    said = [np.concatenate(list(model.speak(SENTENCE, voice))) for voice in ("0", "2", "p2", "p1")]
    assert np.array_equal(said[1], said[2])
    assert not np.array_equal(said[0], said[1])
    assert not np.array_equal(said[1], said[3])
    for voice in ("3", "p3", "-1", "nobody", "²"):
        with pytest.raises(InvalidField) as caught:
            list(model.speak(SENTENCE, voice))
        assert caught.value.field == "tts_voice_id"


async def test_the_speaker_is_the_ais_voice(tmp_path: Path) -> None:
    write_piper(tmp_path, speakers=2)
    said = []
    async with patient_clients() as clients:
        for voice in ("", "0", "p1"):
            async with piped(made(clients, tmp_path, voice=voice), 8000) as pipe:
                await pipe.send(TTSSpeakFrame(SENTENCE))
                await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
                assert seconds(pipe) > 1
                said.append(audio(pipe))
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize("spoilt", [".onnx", ".onnx.json"])
async def test_broken_files_show(tmp_path: Path, spoilt: str) -> None:
    write_piper(tmp_path)
    (tmp_path / "piper" / f"{MODEL}{spoilt}").write_bytes(b"broken")
    async with patient_clients() as clients:
        tts = made(clients, tmp_path)
        async with piped(tts, 8000) as pipe:
            await model_says(pipe, SENTENCE)
            error = await first_error(pipe, ErrorCategory.INVALID_REQUEST)
            assert isinstance(error.exception, ProviderRejectedRequest)
            assert not tts.is_usable


@pytest.mark.parametrize("phonemes", ["pinyin", "japanese", "thai", "hebrew"])
def test_a_voice_that_would_fetch_its_phonemes_is_refused(tmp_path: Path, phonemes: str) -> None:
    write_piper(tmp_path, phoneme_type=phonemes)
    with offline() as attempts, pytest.raises(ValueError, match="need a model of their own"):
        PiperSpeech(tmp_path / "piper" / MODEL)
    assert attempts == []


def test_what_is_gone_when_it_is_loaded_is_not_fetched(tmp_path: Path) -> None:
    with offline() as attempts, pytest.raises(FileNotFoundError):
        PiperSpeech(tmp_path / "piper" / "en_US-ljspeech-medium")
    assert attempts == []
