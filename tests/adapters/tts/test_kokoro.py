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
from adapters.tts.kokoro import KokoroSpeech
from models.errors import InvalidField, ProviderRejectedRequest
from models.providers import TtsType
from tests.adapters.offline import offline
from tests.adapters.tiny_models import KOKORO_RATE_HZ, write_kokoro
from tests.adapters.tts.contract import OTHER, SENTENCE, UNUSUAL, TtsContract, audio, model_says, seconds, spoken_text
from tests.adapters.vendors import BOUND_S, first_error, patient_clients
from tests.standins.pipeline import piped


def made(clients: SharedClients, folder: Path, rate_hz: int = 8000, voice: str = "") -> TTSService:
    return build_tts(
        TtsType.KOKORO,
        key=SecretStr(""),
        voice=voice,
        language="",
        sample_rate_hz=rate_hz,
        resources=clients,
        environ={MODELS_DIR: str(folder)},
        options={"model": "tiny"},
    )


class TestKokoro(TtsContract):
    """The real engine, on a model of tones."""

    @pytest.fixture(autouse=True)
    def _model(self, tmp_path: Path) -> None:
        write_kokoro(tmp_path)
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


class TestKokoroAt24k(TestKokoro):
    rate_hz = audio_rate_hz = 24_000


def test_a_text_becomes_its_own_phonemes(tmp_path: Path) -> None:
    write_kokoro(tmp_path)
    model = KokoroSpeech(tmp_path / "kokoro" / "tiny")
    assert model.sample_rate_hz == KOKORO_RATE_HZ
    one, other = (next(iter(model.speak(text, "af_heart"))) for text in (SENTENCE, OTHER))
    again = next(iter(model.speak(SENTENCE, "af_heart")))
    assert np.array_equal(one, again)
    assert not np.array_equal(one[:5000], other[:5000])


def test_the_voice_says_the_language(tmp_path: Path) -> None:
    write_kokoro(tmp_path)
    model = KokoroSpeech(tmp_path / "kokoro" / "tiny")
    # In the English of America the word has a vowel more than in that of Britain, and another one.
    american, british = (next(iter(model.speak("tomato schedule water", voice))) for voice in ("af_heart", "bm_george"))
    assert len(american) != len(british)


async def test_the_voice_is_the_ais(tmp_path: Path) -> None:
    write_kokoro(tmp_path)
    said = []
    async with patient_clients() as clients:
        for voice in ("", "af_heart", "bm_george"):
            async with piped(made(clients, tmp_path, voice=voice), 8000) as pipe:
                await pipe.send(TTSSpeakFrame(SENTENCE))
                await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
                assert seconds(pipe) > 1
                said.append(audio(pipe))
    assert said[0] == said[1] != said[2]


def test_a_voice_that_the_model_lacks_is_refused(tmp_path: Path) -> None:
    write_kokoro(tmp_path)
    with pytest.raises(InvalidField) as caught:
        list(KokoroSpeech(tmp_path / "kokoro" / "tiny").speak(SENTENCE, "nobody"))
    assert caught.value.field == "tts_voice_id"


def test_what_it_has_no_phonemes_for_is_not_spoken(tmp_path: Path) -> None:
    write_kokoro(tmp_path)
    model = KokoroSpeech(tmp_path / "kokoro" / "tiny")
    assert list(model.speak("\N{ZERO WIDTH SPACE}", "af_heart")) == []
    assert list(model.speak(" ", "af_heart")) == []


@pytest.mark.parametrize("spoilt", ["kokoro-tiny.onnx", "voices-tiny.bin"])
async def test_broken_files_show(tmp_path: Path, spoilt: str) -> None:
    write_kokoro(tmp_path)
    (tmp_path / "kokoro" / "tiny" / spoilt).write_bytes(b"broken")
    async with patient_clients() as clients:
        tts = made(clients, tmp_path)
        async with piped(tts, 8000) as pipe:
            await model_says(pipe, SENTENCE)
            error = await first_error(pipe, ErrorCategory.INVALID_REQUEST)
            assert isinstance(error.exception, ProviderRejectedRequest)
            assert not tts.is_usable


def test_what_is_gone_when_it_is_loaded_is_not_fetched(tmp_path: Path) -> None:
    with offline() as attempts, pytest.raises(FileNotFoundError):
        KokoroSpeech(tmp_path / "kokoro" / "v1.0")
    assert attempts == []
