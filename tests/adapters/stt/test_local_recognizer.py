import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.transcriptions.language import Language
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients, VendorLimits
from adapters.requests import Credentials, SttRequest
from adapters.stt.frames import SpeechNotUnderstoodFrame
from adapters.stt.local_recognizer import TTFS_P99_S, LocalRecognizer, transcribe
from adapters.stt.table import STT_TABLE
from models.errors import ProviderRejectedRequest
from models.providers import SttType
from tests.adapters.vendors import BOUND_S, clients_with, first_error, patient_clients, until
from tests.standins.pipeline import Pipe, piped

ROW = STT_TABLE[SttType.WHISPER]
RATE_HZ = 8000


class Ear:
    """A model that writes the level and the length of what it hears, and can be held up."""

    def __init__(self, path: Path = Path()) -> None:
        self.path = path
        self.heard: list[tuple[npt.NDArray[np.float32], str]] = []
        self.go = threading.Event()
        self.go.set()
        self.running = 0

    def transcribe(self, samples: npt.NDArray[np.float32], language: str) -> str:
        self.heard.append((samples, language))
        self.running += 1
        assert self.go.wait(BOUND_S)
        self.running -= 1
        level = round(float(np.median(np.abs(samples))) * 10)
        if level == 9:
            raise RuntimeError("out of memory")
        return f" level  {level}\n" if level else ""


def tone(level: float, duration_s: float = 0.5, rate_hz: int = RATE_HZ) -> bytes:
    """A square wave, whose every sample is as loud as the others."""
    count = int(duration_s * rate_hz)
    wave = np.where(np.arange(count) * 1000 // rate_hz % 2, level, -level)
    return (wave * 32_767).astype("<i2").tobytes()


def audio(pcm: bytes, rate_hz: int = RATE_HZ) -> list[Frame]:
    step = rate_hz // 50 * 2
    return [InputAudioRawFrame(pcm[start : start + step], rate_hz, 1) for start in range(0, len(pcm), step)]


def utterance(level: float, duration_s: float = 1.5, rate_hz: int = RATE_HZ) -> list[Frame]:
    """Silence, speech and silence, with the VAD's word for it 0.2 s after each change."""
    pcm, late = tone(level, duration_s, rate_hz), int(0.2 * rate_hz) * 2
    return [
        *audio(bytes(rate_hz * 2), rate_hz),
        *audio(pcm[:late], rate_hz),
        VADUserStartedSpeakingFrame(start_secs=0.2),
        *audio(pcm[late:], rate_hz),
        *audio(bytes(late), rate_hz),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
    ]


def outcomes(pipe: Pipe) -> list[str]:
    """Final texts in order, '' for speech that was not understood."""
    kinds = (TranscriptionFrame, SpeechNotUnderstoodFrame)
    return [getattr(frame, "text", "") for frame in pipe.down.frames if isinstance(frame, kinds)]


def made(
    clients: SharedClients,
    load: Callable[[Path], Ear],
    *,
    language: str = "en",
    rate_hz: int = RATE_HZ,
    wait_s: float = 0.0,
    path: str = "model",
) -> LocalRecognizer:
    request = SttRequest(
        language=language,
        sample_rate_hz=rate_hz,
        phrases=(),
        extra_wait_s=wait_s,
        credentials=Credentials(SecretStr(""), path),
        clients=clients,
        model="base.en",
    )
    return LocalRecognizer(ROW, request, load)


@asynccontextmanager
async def hearing(ear: Ear, limits: VendorLimits | None = None, rate_hz: int = RATE_HZ) -> AsyncIterator[Pipe]:
    async with (
        clients_with(limits or VendorLimits()) as clients,
        piped(made(clients, lambda _: ear, rate_hz=rate_hz), rate_hz) as pipe,
    ):
        yield pipe


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])
async def test_an_utterance_reaches_the_model_whole_at_its_rate(rate_hz: int) -> None:
    ear = Ear()
    async with hearing(ear, rate_hz=rate_hz) as pipe:
        await pipe.send(*utterance(0.5, 1.5, rate_hz))
        await pipe.down.until(lambda: bool(outcomes(pipe)), BOUND_S)
    ((samples, language),) = ear.heard
    assert samples.dtype == np.float32
    assert language == "en"
    # The lead-in, the speech, and the silence in which the VAD made up its mind.
    assert len(samples) / 16_000 == pytest.approx(0.3 + 1.5 + 0.2, abs=0.03)
    loud = np.flatnonzero(np.abs(samples) > 0.25)
    assert loud[0] / 16_000 == pytest.approx(0.3, abs=0.03)
    assert (loud[-1] - loud[0]) / 16_000 == pytest.approx(1.5, abs=0.03)
    (final,) = pipe.down.of(TranscriptionFrame)
    assert (final.text, final.finalized, final.language) == ("level 5", True, Language.EN)


async def test_outcomes_come_in_the_order_of_speech() -> None:
    ear = Ear()
    async with hearing(ear) as pipe:
        ear.go.clear()
        await pipe.send(*utterance(0.5), *utterance(0.001), *utterance(0.3))
        await until(lambda: ear.running)
        ear.go.set()
        await pipe.down.until(lambda: len(outcomes(pipe)) == 3, BOUND_S)
        assert outcomes(pipe) == ["level 5", "", "level 3"]
        (frame,) = pipe.down.of(SpeechNotUnderstoodFrame)
        assert frame.duration_s == pytest.approx(2.0, abs=0.03)
        assert not pipe.up.of(ErrorFrame)


async def test_a_start_without_a_stop_ends_the_speech_before_it() -> None:
    async with hearing(Ear()) as pipe:
        await pipe.send(*utterance(0.5)[:-1], VADUserStartedSpeakingFrame(start_secs=0.2))
        await pipe.down.until(lambda: outcomes(pipe) == ["level 5"], BOUND_S)


async def test_two_calls_share_one_model_at_the_same_time() -> None:
    loaded: list[Ear] = []

    def load(path: Path) -> Ear:
        loaded.append(Ear(path))
        return loaded[-1]

    async with patient_clients() as clients:
        async with piped(made(clients, load), RATE_HZ) as one, piped(made(clients, load), RATE_HZ) as other:
            await one.send(*utterance(0.5))
            await other.send(*utterance(0.3))
            await one.down.until(lambda: outcomes(one) == ["level 5"], BOUND_S)
            await other.down.until(lambda: outcomes(other) == ["level 3"], BOUND_S)
        async with piped(made(clients, load, path="another"), RATE_HZ) as pipe:
            await pipe.send(*utterance(0.2))
            await pipe.down.until(lambda: outcomes(pipe) == ["level 2"], BOUND_S)
    assert [ear.path for ear in loaded] == [Path("model"), Path("another")]


async def test_what_is_said_before_the_model_is_loaded_is_heard() -> None:
    ear, go = Ear(), threading.Event()

    def load(path: Path) -> Ear:
        assert go.wait(BOUND_S)
        return ear

    async with patient_clients() as clients, piped(made(clients, load), RATE_HZ) as pipe:
        await pipe.send(*utterance(0.5))
        await pipe.down.wait(VADUserStoppedSpeakingFrame, timeout_s=BOUND_S)
        assert not outcomes(pipe)
        go.set()
        await pipe.down.until(lambda: outcomes(pipe) == ["level 5"], BOUND_S)


async def test_a_model_that_cannot_be_loaded_shows_and_is_given_up() -> None:
    def load(path: Path) -> Ear:
        raise RuntimeError("model.bin is broken")

    async with patient_clients() as clients:
        stt = made(clients, load)
        async with piped(stt, RATE_HZ) as pipe:
            await pipe.send(*utterance(0.5))
            error = await first_error(pipe, ErrorCategory.INVALID_REQUEST)
            assert isinstance(error.exception, ProviderRejectedRequest)
            assert error.processor is stt
            assert not stt.is_usable


async def test_a_failure_in_mid_call_shows_and_is_got_over() -> None:
    async with hearing(Ear()) as pipe:
        await pipe.send(*utterance(0.9), *utterance(0.5))
        error = await first_error(pipe, ErrorCategory.SERVER)
        assert str(error.exception) == "out of memory"
        await pipe.down.until(lambda: outcomes(pipe) == ["level 5"], BOUND_S)


async def test_a_model_that_takes_too_long_shows() -> None:
    ear = Ear()
    async with hearing(ear, replace(VendorLimits(), quiet_s=0.1)) as pipe:
        ear.go.clear()
        await pipe.send(*utterance(0.5))
        await first_error(pipe, ErrorCategory.CONNECTIVITY)
        ear.go.set()
        assert not outcomes(pipe)


async def test_a_call_that_ends_waits_for_nothing() -> None:
    ear = Ear()
    async with hearing(ear) as pipe:
        ear.go.clear()
        await pipe.send(*utterance(0.5), *utterance(0.3))
        await until(lambda: ear.running)
    # The second utterance never reached the model, which still has the first.
    assert len(ear.heard) == 1
    ear.go.set()
    await until(lambda: not ear.running)


async def test_the_loop_is_free_while_the_model_works() -> None:
    ear = Ear()
    async with hearing(ear) as pipe:
        ear.go.clear()
        await pipe.send(*utterance(0.5))
        await until(lambda: ear.running)
        # The pipeline goes on meanwhile.
        await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
        await pipe.down.wait(VADUserStartedSpeakingFrame, 2, BOUND_S)
        assert ear.running
        ear.go.set()
        await pipe.down.until(lambda: outcomes(pipe) == ["level 5"], BOUND_S)


async def test_a_longer_vad_silence_does_not_shorten_the_wait() -> None:
    async with patient_clients() as clients:
        async with piped(made(clients, Ear, wait_s=0.6), RATE_HZ) as pipe:
            (metadata,) = await pipe.down.wait(STTMetadataFrame)
            assert metadata.ttfs_p99_latency == pytest.approx(TTFS_P99_S + 0.6)
        await asyncio.sleep(0)


def test_nothing_is_not_asked_for() -> None:
    ear = Ear()
    assert transcribe(ear, b"", 8000, "en") == ""
    assert not ear.heard
