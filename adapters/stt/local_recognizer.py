"""What the recognisers on models of the operator's own have in common: an utterance at a time, off the event loop.

Pipecat's services for these engines load a model for every call, in the constructor and on the event loop, and download
what is missing, so these stand on its base class.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import soxr
from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    StartFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from adapters.local_engine import category_of, local_models
from adapters.requests import SttRequest
from adapters.seats import ProviderRow
from adapters.stt.frames import SpeechNotUnderstoodFrame
from adapters.stt.lead_in import LeadIn

MODEL_RATE_HZ = 16_000
"""Rate of the audio that all of these models take, Hz."""

TTFS_P99_S = 1.0
"""How long a turn waits for the transcript, seconds. It ends with the final one, of which there always is one."""

_MAX_UTTERANCE_S = 120.0
_SLOWEST_SHARE = 0.25
"""How long the model may take for a second of speech, seconds, beside `VendorLimits.quiet_s`."""


class SpeechModel(Protocol):
    """A loaded model, which several threads may use."""

    def transcribe(self, samples: npt.NDArray[np.float32], language: str) -> str:
        """Write down an utterance. Blocks, without the GIL.

        Args:
            samples: Mono, from -1 to 1, at `MODEL_RATE_HZ`.
            language: The language in the system's form; '' to find it out.

        Returns:
            The text; '' when nothing was understood.
        """


class LocalRecognizer(STTService):
    """Writes down what the caller said between the VAD's start and stop, with a model that all calls share.

    For each stretch of speech there is either one final ``TranscriptionFrame`` or one `SpeechNotUnderstoodFrame`, in
    the order of speech, or an error frame: of category ``INVALID_REQUEST`` when the model cannot be loaded, which
    leaves the service unusable, and ``CONNECTIVITY`` when it takes too long.

    Args:
        row: The system.
        request: What to make it from; its endpoint is the model.
        load: Loads the model, in a thread.
    """

    Settings = STTSettings

    def __init__(self, row: ProviderRow, request: SttRequest, load: Callable[[Path], SpeechModel]) -> None:
        super().__init__(
            audio_passthrough=False,
            ttfs_p99_latency=TTFS_P99_S + request.extra_wait_s,
            sample_rate=request.sample_rate_hz,
            settings=STTSettings(model=request.model, language=request.language or None),
        )
        self._row = row
        self._path = Path(request.credentials.base_url)
        self._load = load
        self._models = local_models(request.clients)
        self._quiet_s = request.clients.limits.quiet_s
        self._language = request.language
        self._lead_in = LeadIn()
        self._utterance: bytearray | None = None
        self._said: asyncio.Queue[bytes] = asyncio.Queue()
        self._listening: asyncio.Task[None] | None = None

    def can_generate_metrics(self) -> bool:
        """Say that this service measures its latency."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the model is loaded meanwhile, and speech waits for it."""
        await super().setup(setup)
        self._models.begin(self._row, self._path, self._load)

    async def start(self, frame: StartFrame) -> None:
        """Begin to listen."""
        await super().start(frame)
        self._listening = self.create_task(self._write_down(), name="transcripts")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the VAD's frames beside what the base class does."""
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._begin(frame.start_secs)
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._end()

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Take audio of the caller; the transcripts come when the caller has stopped.

        Args:
            audio: 16-bit signed little-endian mono PCM at `sample_rate`.
        """
        if self._utterance is not None:
            # What exceeds the longest utterance is dropped.
            self._utterance += audio[: self._bytes(_MAX_UTTERANCE_S) - len(self._utterance)]
        else:
            self._lead_in.add(audio, self.sample_rate)
        yield None

    async def stop(self, frame: EndFrame) -> None:
        """Stop listening; speech that was not finished is dropped."""
        await super().stop(frame)
        await self._drop()

    async def cancel(self, frame: CancelFrame) -> None:
        """Stop listening at once."""
        await super().cancel(frame)
        await self._drop()

    async def cleanup(self) -> None:
        """Let go of the model."""
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._drop()

    def _bytes(self, duration_s: float) -> int:
        return int(duration_s * self.sample_rate) * 2

    def _begin(self, start_s: float) -> None:
        self._end()
        self._utterance = bytearray(self._lead_in.cut(self.sample_rate, start_s))

    def _end(self) -> None:
        if self._utterance is not None:
            self._said.put_nowait(bytes(self._utterance))
            self._utterance = None

    async def _drop(self) -> None:
        self._utterance = None
        listening, self._listening = self._listening, None
        if listening is not None:
            await self.cancel_task(listening)

    async def _write_down(self) -> None:
        while True:
            pcm = await self._said.get()
            try:
                text = await self._transcript(pcm)
            except Exception as error:  # noqa: BLE001 - an engine raises what it likes, and the call must go on
                logger.debug("{}: {!r}, because of {!r}", self, error, error.__cause__)
                await self.push_error_frame(
                    ErrorFrame("the speech could not be recognised", exception=error, category=category_of(error))
                )
                continue
            if text:
                language = _language(self._language)
                await self.push_frame(
                    TranscriptionFrame(text, self._user_id, time_now_iso8601(), language, finalized=True)
                )
            else:
                await self.push_frame(SpeechNotUnderstoodFrame(duration_s=self._duration_s(pcm)))
            await self.emit_stt_usage_metrics()  # type: ignore[no-untyped-call]

    async def _transcript(self, pcm: bytes) -> str:
        model = await self._models.get(self._row, self._path, self._load)
        async with asyncio.timeout(self._quiet_s + _SLOWEST_SHARE * self._duration_s(pcm)):
            return await self._models.run(transcribe, model, pcm, self.sample_rate, self._language)

    def _duration_s(self, pcm: bytes) -> float:
        return len(pcm) / 2 / self.sample_rate


def transcribe(model: SpeechModel, pcm: bytes, sample_rate_hz: int, language: str) -> str:
    """Write down an utterance. Blocks.

    Args:
        model: The model.
        pcm: 16-bit signed little-endian mono PCM.
        sample_rate_hz: Its rate, Hz.
        language: As in `SpeechModel.transcribe`.

    Returns:
        The text without white space around it, and with single blanks in it.
    """
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32_768)
    if len(samples) and sample_rate_hz != MODEL_RATE_HZ:
        samples = soxr.resample(samples, sample_rate_hz, MODEL_RATE_HZ).astype(np.float32)
    return " ".join(model.transcribe(samples, language).split()) if len(samples) else ""


def _language(code: str) -> Language | None:
    try:
        return Language(code)
    except ValueError:
        return None
