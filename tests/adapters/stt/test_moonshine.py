from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from pipecat.frames.frames import ErrorFrame, InterimTranscriptionFrame, TranscriptionFrame
from pipecat.services.stt_service import STTService
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.local_models import MODELS_DIR, MOONSHINE
from adapters.seats import Capability
from adapters.stt.build import build_stt
from adapters.stt.frames import SpeechNotUnderstoodFrame
from adapters.stt.moonshine import MoonshineSpeech
from adapters.stt.table import STT_TABLE
from adapters.tts.espeak import synthesize
from models.errors import InvalidField, ProviderRejectedRequest
from models.providers import SttType
from tests.adapters.offline import offline
from tests.adapters.stt.contract import SttContract, finals
from tests.adapters.stt.test_local_recognizer import RATE_HZ, tone, utterance
from tests.adapters.tiny_models import WORDS, write_moonshine
from tests.adapters.vendors import BOUND_S, first_error, patient_clients
from tests.standins.pipeline import piped

MODELS = ("tiny-en", "base-es", "small-streaming-en", "tiny-streaming-ja")


def put_broken(folder: Path, model: str) -> Path:
    """Write a model whose files are all there and make no sense."""
    for pattern in MOONSHINE.patterns(model):
        path = folder / "moonshine" / pattern
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}" if path.suffix == ".json" else b"broken")
    return folder / "moonshine" / model


def made(clients: SharedClients, folder: Path, model: str, language: str = "", rate_hz: int = RATE_HZ) -> STTService:
    return build_stt(
        SttType.MOONSHINE,
        key=SecretStr(""),
        language=language,
        sample_rate_hz=rate_hz,
        stop_secs=0.2,
        resources=clients,
        environ={MODELS_DIR: str(folder)},
        options={"model": model},
    )


class TestMoonshine(SttContract):
    """The real engine, on a model that writes the same words for every sound."""

    words = WORDS

    @pytest.fixture(autouse=True)
    def _model(self, tmp_path: Path) -> None:
        write_moonshine(tmp_path)
        self.folder = tmp_path

    @cached_property
    def speech(self) -> bytes:
        return synthesize(self.words, "en-us", self.rate_hz)

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[STTService]:
        with offline() as attempts:
            async with patient_clients() as clients:
                yield made(clients, self.folder, "tiny-en", "en-US", self.rate_hz)
        assert attempts == []

    async def test_tells_early_what_it_hears(self) -> None:
        """It does not: an utterance is written down when it has ended."""
        assert Capability.INTERIM not in STT_TABLE[SttType.MOONSHINE].capabilities
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert not pipe.down.of(InterimTranscriptionFrame)

    async def test_silence_is_told_at_once(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, bytes(self.rate_hz * 2))
            await pipe.down.wait(SpeechNotUnderstoodFrame, timeout_s=BOUND_S)
            assert not pipe.down.of(TranscriptionFrame)
            assert not pipe.up.of(ErrorFrame)

    async def test_a_sound_that_is_no_speech_is_left_to_the_model(self) -> None:
        """The call's own voice activity detection has cut the utterance, so the library's must not."""
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, tone(0.5, 1.5, self.rate_hz))
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)


class TestMoonshineAt16k(TestMoonshine):
    rate_hz = 16_000


def test_an_utterance_is_one_text_however_long(tmp_path: Path) -> None:
    write_moonshine(tmp_path)
    model = MoonshineSpeech(tmp_path / "moonshine" / "tiny-en")
    spoken = np.frombuffer(synthesize(WORDS), dtype="<i2").astype(np.float32) / 32_768
    assert model.transcribe(spoken, "").split() == WORDS.split()
    assert model.transcribe(np.tile(spoken, 10), "").split() == WORDS.split()
    assert model.transcribe(np.zeros(16_000, np.float32), "") == ""


def test_two_threads_get_the_transcripts_of_their_own(tmp_path: Path) -> None:
    write_moonshine(tmp_path)
    model = MoonshineSpeech(tmp_path / "moonshine" / "tiny-en")
    spoken = np.frombuffer(synthesize(WORDS), dtype="<i2").astype(np.float32) / 32_768
    utterances = [spoken, np.zeros(16_000, np.float32)] * 20
    with ThreadPoolExecutor(4) as pool:
        heard = list(pool.map(lambda samples: model.transcribe(samples, ""), utterances))
    assert heard == [WORDS, ""] * 20


@pytest.mark.parametrize("model", MODELS)
async def test_broken_files_show_and_nothing_is_fetched(tmp_path: Path, model: str) -> None:
    put_broken(tmp_path, model)
    with offline() as attempts:
        async with patient_clients() as clients:
            stt = made(clients, tmp_path, model)
            async with piped(stt, RATE_HZ) as pipe:
                await pipe.send(*utterance(0.5))
                error = await first_error(pipe, ErrorCategory.INVALID_REQUEST)
                assert isinstance(error.exception, ProviderRejectedRequest)
                # The library's own error: it has read the files.
                assert type(error.exception.__cause__).__name__ == "MoonshineError"
                assert not stt.is_usable
                assert not pipe.down.of(TranscriptionFrame)
    assert attempts == []


@pytest.mark.parametrize("model", MODELS)
def test_what_is_gone_when_it_is_loaded_is_not_fetched(tmp_path: Path, model: str) -> None:
    with offline() as attempts, pytest.raises(Exception, match="Failed to load transcriber"):
        MoonshineSpeech(tmp_path / model)
    assert attempts == []


async def test_a_model_hears_its_own_language_only(tmp_path: Path) -> None:
    put_broken(tmp_path, "base-es")
    async with patient_clients() as clients:
        made(clients, tmp_path, "base-es", "es-MX")
        made(clients, tmp_path, "base-es")
        with pytest.raises(InvalidField) as caught:
            made(clients, tmp_path, "base-es", "en-US")
    assert caught.value.field == "stt_language"
