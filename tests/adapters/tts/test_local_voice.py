import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients, VendorLimits
from adapters.requests import Credentials, TtsRequest
from adapters.tts.local_voice import LocalVoice, spoken
from adapters.tts.table import TTS_TABLE
from models.errors import InvalidField, ProviderRejectedRequest
from models.providers import TtsType
from tests.adapters.tts.contract import OTHER, SENTENCE, model_says, seconds, spoken_text
from tests.adapters.vendors import BOUND_S, clients_with, first_error, patient_clients, until
from tests.standins.pipeline import Pipe, piped

ROW = TTS_TABLE[TtsType.PIPER]
RATE_HZ = 8000


class Mouth:
    """A model that speaks a second of a steady level for each sentence, and can be held up."""

    sample_rate_hz = 24_000

    def __init__(self, path: Path = Path()) -> None:
        self.path = path
        self.texts: list[str] = []
        self.go = threading.Event()
        self.go.set()
        self.waiting = 0

    def speak(self, text: str, voice: str) -> Iterator[npt.NDArray[np.float32]]:
        if voice != "0":
            raise InvalidField("tts_voice_id", "no such voice")
        if "memory" in text:
            raise RuntimeError("out of memory")
        for sentence in text.split(". "):
            self.texts.append(sentence)
            self.waiting += 1
            assert self.go.wait(BOUND_S)
            self.waiting -= 1
            if any(it.isascii() and it.isalpha() for it in sentence):
                yield np.full(self.sample_rate_hz, 0.5, dtype=np.float32)


def made(
    clients: SharedClients,
    load: Callable[[Path], Mouth],
    *,
    voice: str = "0",
    rate_hz: int = RATE_HZ,
    path: str = "model",
) -> LocalVoice:
    request = TtsRequest(
        voice=voice,
        language="",
        sample_rate_hz=rate_hz,
        credentials=Credentials(SecretStr(""), path),
        clients=clients,
        model="en_US-ljspeech-medium",
    )
    return LocalVoice(ROW, request, load)


@asynccontextmanager
async def speaking(mouth: Mouth, limits: VendorLimits | None = None, rate_hz: int = RATE_HZ) -> AsyncIterator[Pipe]:
    async with (
        clients_with(limits or VendorLimits()) as clients,
        piped(made(clients, lambda _: mouth, rate_hz=rate_hz), rate_hz) as pipe,
    ):
        yield pipe


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 48_000])
async def test_audio_has_the_rate_of_the_call_and_its_length(rate_hz: int) -> None:
    async with speaking(Mouth(), rate_hz=rate_hz) as pipe:
        await pipe.send(TTSSpeakFrame(SENTENCE))
        await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
        frames = pipe.down.of(TTSAudioRawFrame)
        assert {frame.sample_rate for frame in frames} == {rate_hz}
        assert sum(len(frame.audio) for frame in frames) == 2 * rate_hz
        assert all(len(frame.audio) <= 2 * rate_hz // 10 for frame in frames)
        samples = np.frombuffer(b"".join(frame.audio for frame in frames), dtype="<i2")
        assert float(np.median(samples)) == pytest.approx(0.5 * 32_767, abs=50)


async def test_a_sentence_is_heard_while_the_next_one_is_made() -> None:
    mouth = Mouth()
    async with speaking(mouth) as pipe:
        mouth.go.clear()
        await pipe.send(TTSSpeakFrame("One is first. Two is last."))
        await until(lambda: mouth.waiting)
        assert not pipe.down.of(TTSAudioRawFrame)
        mouth.go.set()
        await pipe.down.wait(TTSAudioRawFrame, timeout_s=BOUND_S)
        await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
        assert seconds(pipe) == pytest.approx(2)


async def test_an_interruption_leaves_the_rest_unmade() -> None:
    mouth = Mouth()
    async with speaking(mouth) as pipe:
        mouth.go.clear()
        await pipe.send(LLMFullResponseStartFrame(), *(LLMTextFrame(f"Sentence number {n}. ") for n in range(60)))
        await pipe.send(LLMFullResponseEndFrame())
        await until(lambda: mouth.waiting)
        await pipe.send(InterruptionFrame())
        await pipe.down.wait(InterruptionFrame, timeout_s=BOUND_S)
        mouth.go.set()
        await pipe.send(TTSSpeakFrame(OTHER))
        await pipe.down.until(lambda: spoken_text(pipe).endswith(OTHER), BOUND_S)
        await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
        assert mouth.texts == ["Sentence number 0.", OTHER]
        assert seconds(pipe) == pytest.approx(1)


async def test_a_long_text_is_made_in_parts() -> None:
    mouth = Mouth()
    text = " ".join(["word"] * 200)
    async with speaking(mouth) as pipe:
        await pipe.send(TTSSpeakFrame(text))
        await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
    assert len(mouth.texts) == 4
    assert " ".join(mouth.texts).split() == text.split()


@pytest.mark.parametrize("text", ["...", "—", "早上好"])
async def test_what_cannot_be_spoken_is_no_failure(text: str) -> None:
    async with speaking(Mouth()) as pipe:
        await pipe.send(TTSSpeakFrame(text))
        await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
        assert seconds(pipe) <= 0.02
        await pipe.send(TTSSpeakFrame(OTHER))
        await pipe.down.wait(TTSStoppedFrame, 2, BOUND_S)
        assert spoken_text(pipe).endswith(OTHER)
        assert not pipe.up.of(ErrorFrame)


async def test_two_calls_share_one_model() -> None:
    loaded: list[Mouth] = []

    def load(path: Path) -> Mouth:
        loaded.append(Mouth(path))
        return loaded[-1]

    async with patient_clients() as clients:
        for path in ("model", "model", "another"):
            async with piped(made(clients, load, path=path), RATE_HZ) as pipe:
                await pipe.send(TTSSpeakFrame(SENTENCE))
                await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
                assert seconds(pipe) == pytest.approx(1)
    assert [mouth.path for mouth in loaded] == [Path("model"), Path("another")]


async def test_a_model_that_cannot_be_loaded_shows_and_is_given_up() -> None:
    def load(path: Path) -> Mouth:
        raise RuntimeError("broken")

    async with patient_clients() as clients:
        tts = made(clients, load)
        async with piped(tts, RATE_HZ) as pipe:
            await model_says(pipe, SENTENCE)
            error = await first_error(pipe, ErrorCategory.INVALID_REQUEST)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
            assert isinstance(error.exception, ProviderRejectedRequest)
            assert not tts.is_usable
            assert not spoken_text(pipe)
            assert len(pipe.down.of(TTSStartedFrame)) == len(pipe.down.of(TTSStoppedFrame))


async def test_a_voice_that_the_model_lacks_shows() -> None:
    async with patient_clients() as clients:
        tts = made(clients, Mouth, voice="nobody")
        async with piped(tts, RATE_HZ) as pipe:
            await model_says(pipe, SENTENCE)
            error = await first_error(pipe, ErrorCategory.INVALID_REQUEST)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
            assert isinstance(error.exception, InvalidField)
            assert not tts.is_usable


async def test_a_failure_in_mid_call_shows_and_is_got_over() -> None:
    async with speaking(Mouth()) as pipe:
        await model_says(pipe, "No memory.")
        await first_error(pipe, ErrorCategory.SERVER)
        await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
        await model_says(pipe, OTHER)
        await pipe.down.until(lambda: spoken_text(pipe) == OTHER, BOUND_S)


async def test_a_model_that_takes_too_long_shows() -> None:
    mouth = Mouth()
    async with speaking(mouth, replace(VendorLimits(), quiet_s=0.1)) as pipe:
        mouth.go.clear()
        await model_says(pipe, SENTENCE)
        await first_error(pipe, ErrorCategory.CONNECTIVITY)
        await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
        mouth.go.set()
        assert not spoken_text(pipe)


async def test_what_is_too_loud_is_not_turned_over() -> None:
    class Loud(Mouth):
        def speak(self, text: str, voice: str) -> Iterator[npt.NDArray[np.float32]]:
            yield np.array([1.5, -1.5, 0.0], dtype=np.float32)
            yield np.zeros(0, dtype=np.float32)

    (pcm,) = spoken(Loud(), SENTENCE, "0", 24_000)
    assert np.frombuffer(pcm, dtype="<i2").tolist() == [32_767, -32_767, 0]
