from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

import pytest
from pipecat.frames.frames import ErrorFrame, InterimTranscriptionFrame, TranscriptionFrame
from pipecat.services.stt_service import STTService
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.local_models import MODELS_DIR
from adapters.seats import Capability
from adapters.stt.build import build_stt
from adapters.stt.frames import SpeechNotUnderstoodFrame
from adapters.stt.table import STT_TABLE
from adapters.stt.whisper import WhisperSpeech
from adapters.tts.espeak import synthesize
from models.errors import InvalidField, ProviderRejectedRequest
from models.providers import SttType
from tests.adapters.offline import offline
from tests.adapters.stt.contract import SttContract, finals
from tests.adapters.tiny_models import WORDS, write_whisper
from tests.adapters.vendors import BOUND_S, first_error, patient_clients
from tests.standins.pipeline import piped


def made(
    clients: SharedClients, folder: Path, rate_hz: int = 8000, *, model: str = "tiny.en", language: str = ""
) -> STTService:
    return build_stt(
        SttType.WHISPER,
        key=SecretStr(""),
        language=language,
        sample_rate_hz=rate_hz,
        stop_secs=0.2,
        resources=clients,
        environ={MODELS_DIR: str(folder)},
        options={"model": model},
    )


class TestWhisper(SttContract):
    """The real engine, on a model that writes the same words for every sound."""

    words = WORDS

    @pytest.fixture(autouse=True)
    def _model(self, tmp_path: Path) -> None:
        write_whisper(tmp_path)
        self.folder = tmp_path

    @cached_property
    def speech(self) -> bytes:
        return synthesize(self.words, "en-us", self.rate_hz)

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[STTService]:
        with offline() as attempts:
            async with patient_clients() as clients:
                yield made(clients, self.folder, self.rate_hz, language="en-US")
        assert attempts == []

    async def test_tells_early_what_it_hears(self) -> None:
        """It does not: an utterance is written down when it has ended."""
        assert Capability.INTERIM not in STT_TABLE[SttType.WHISPER].capabilities
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


class TestWhisperAt16k(TestWhisper):
    rate_hz = 16_000


@pytest.mark.parametrize("spoilt", ["model.bin", "tokenizer.json", "config.json"])
async def test_broken_files_show(tmp_path: Path, spoilt: str) -> None:
    write_whisper(tmp_path)
    (tmp_path / "whisper" / "tiny.en" / spoilt).write_bytes(b"broken")
    speech = synthesize(WORDS, "en-us", 8000)
    with offline() as attempts:
        async with patient_clients() as clients:
            stt = made(clients, tmp_path)
            async with piped(stt, 8000) as pipe:
                await TestWhisper().caller_says(pipe, speech)
                error = await first_error(pipe, ErrorCategory.INVALID_REQUEST)
                assert isinstance(error.exception, ProviderRejectedRequest)
                assert error.exception.__cause__ is not None
                assert not stt.is_usable
                assert not pipe.down.of(TranscriptionFrame)
    assert attempts == []


@pytest.mark.parametrize("gone", ["tokenizer.json", "model.bin", ""])
def test_what_is_gone_when_it_is_loaded_is_not_fetched(tmp_path: Path, gone: str) -> None:
    write_whisper(tmp_path)
    folder = tmp_path / "whisper" / "tiny.en"
    for path in folder.iterdir():
        if path.name == gone or not gone:
            path.unlink()
    if not gone:
        folder.rmdir()
    with offline() as attempts, pytest.raises(FileNotFoundError):
        WhisperSpeech(folder)
    assert attempts == []


async def test_an_english_model_hears_no_other_language(tmp_path: Path) -> None:
    write_whisper(tmp_path)
    async with patient_clients() as clients:
        made(clients, tmp_path, language="en-GB")
        with pytest.raises(InvalidField) as caught:
            made(clients, tmp_path, language="de-DE")
    assert caught.value.field == "stt_language"


async def test_no_error_of_the_engine_names_a_path(tmp_path: Path) -> None:
    write_whisper(tmp_path)
    (tmp_path / "whisper" / "tiny.en" / "model.bin").write_bytes(b"broken")
    async with patient_clients() as clients, piped(made(clients, tmp_path), 8000) as pipe:
        await TestWhisper().caller_says(pipe, bytes(8000))
        (error,) = await pipe.up.wait(ErrorFrame, timeout_s=BOUND_S)
        assert str(tmp_path) not in error.error
        assert str(tmp_path) not in str(error.exception)
