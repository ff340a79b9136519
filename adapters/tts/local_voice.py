"""What the voices on models of the operator's own have in common: a sentence at a time, off the event loop.

Pipecat's services for these engines load a model for every call, in the constructor and on the event loop, and download
what is missing, so these stand on its base class.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import soxr
from loguru import logger
from pipecat.frames.frames import ErrorFrame, Frame, TTSAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.settings import TTSSettings

from adapters.local_engine import category_of, local_models
from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.speech_request import split_text
from adapters.tts.voice import Voice

_FRAME_S = 0.1
_SILENCE_S = 0.02
_LONGEST_TEXT = 300
"""How many characters are synthesized at once: what has begun is not stopped by an interruption."""


class VoiceModel(Protocol):
    """A loaded model, which several threads may use."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of its audio, Hz."""

    def speak(self, text: str, voice: str) -> Iterator[npt.NDArray[np.float32]]:
        """Speak a text. Each piece blocks, without the GIL.

        Args:
            text: What to say, at most some sentences.
            voice: Which of the model's voices.

        Yields:
            Mono samples from -1 to 1 at `sample_rate_hz`, as soon as there are some; nothing for what cannot be spoken.

        Raises:
            InvalidField: The model has no such voice; names ``tts_voice_id``.
        """


class LocalVoice(Voice):
    """Speaks sentence by sentence with a model that all calls share, at the rate of the call.

    A failure is an error frame: of category ``INVALID_REQUEST`` when the model cannot be loaded or has no such voice,
    which leaves the service unusable, and ``CONNECTIVITY`` when it takes too long. After an interruption nothing more
    is synthesized than what is being so.

    Args:
        row: The system.
        request: What to make it from; its endpoint is the model.
        load: Loads the model, in a thread.
    """

    def __init__(self, row: ProviderRow, request: TtsRequest, load: Callable[[Path], VoiceModel]) -> None:
        self._quiet_s = request.clients.limits.quiet_s
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=2 * self._quiet_s,
            sample_rate=request.sample_rate_hz,
            settings=TTSSettings(model=request.model, voice=request.voice, language=None),
        )
        self._row = row
        self._path = Path(request.credentials.base_url)
        self._load = load
        self._models = local_models(request.clients)

    def can_generate_metrics(self) -> bool:
        """Say that this service measures its latency."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the model is loaded meanwhile, and the first sentence waits for it."""
        await super().setup(setup)
        self._models.begin(self._row, self._path, self._load)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """Speak a text.

        Args:
            text: What to say.
            context_id: The turn it belongs to.

        Yields:
            Audio frames of 100 ms at the service's rate; an error frame when the model fails.
        """
        silent = True
        try:
            if any(map(str.isalnum, text)):
                await self.start_tts_usage_metrics(text)
                async with aclosing(self._synthesize(text)) as pieces:
                    async for pcm in pieces:
                        for frame in self._frames(pcm, context_id):
                            silent = False
                            yield frame
        except Exception as error:  # noqa: BLE001 - an engine raises what it likes, and the call must go on
            logger.debug("{}: {!r}, because of {!r}", self, error, error.__cause__)
            yield ErrorFrame("the text could not be spoken", exception=error, category=category_of(error))
            return
        if silent:
            # Without any audio the base class would keep the turn open for seconds.
            yield TTSAudioRawFrame(
                bytes(2 * int(self.sample_rate * _SILENCE_S)), self.sample_rate, 1, context_id=context_id
            )

    async def _synthesize(self, text: str) -> AsyncGenerator[bytes, None]:
        model = await self._models.get(self._row, self._path, self._load)
        for part in split_text(text, _LONGEST_TEXT):
            pieces = spoken(model, part, str(self._settings.voice), self.sample_rate)
            while True:
                async with asyncio.timeout(self._quiet_s):
                    pcm = await self._models.run(next, pieces, None)
                if pcm is None:
                    break
                yield pcm

    def _frames(self, pcm: bytes, context_id: str) -> Iterator[TTSAudioRawFrame]:
        size = 2 * int(self.sample_rate * _FRAME_S)
        for start in range(0, len(pcm), size):
            yield TTSAudioRawFrame(pcm[start : start + size], self.sample_rate, 1, context_id=context_id)


def spoken(model: VoiceModel, text: str, voice: str, sample_rate_hz: int) -> Iterator[bytes]:
    """Speak a text. Each piece blocks.

    Args:
        model: The model.
        text: What to say.
        voice: As in `VoiceModel.speak`.
        sample_rate_hz: Rate of the result, Hz.

    Yields:
        16-bit signed little-endian mono PCM.

    Raises:
        InvalidField: The model has no such voice.
    """
    for samples in model.speak(text, voice):
        if len(samples):
            if model.sample_rate_hz != sample_rate_hz:
                samples = soxr.resample(samples, model.sample_rate_hz, sample_rate_hz)  # noqa: PLW2901
            yield (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
