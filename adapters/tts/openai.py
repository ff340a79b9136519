"""OpenAI's speech API (https://platform.openai.com/docs/api-reference/audio/createSpeech): PCM at 24 kHz only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import openai
from pipecat.frames.frames import ErrorFrame, Frame
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.openai.tts import OpenAITTSService

from adapters.clients import SharedClients
from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.voice import Voice
from adapters.vendor_errors import classify

_FIRST_CHUNK_S = 0.1


class OpenAiTtsService(Voice, OpenAITTSService):
    """Pipecat's service on the process's shared HTTP pool.

    Pipecat's service lets most of the SDK's exceptions escape, which hides what they mean; here each becomes an error
    frame that carries it, so that a refused key is ``AUTHENTICATION`` and makes the service unusable. Each piece of
    audio, the first one included, must come within `VendorLimits.voice_quiet_s`.

    Args:
        clients: The process's shared clients.
        base_url: The endpoint.
        **kwargs: Arguments of Pipecat's service.
    """

    def __init__(self, *, clients: SharedClients, base_url: str, **kwargs: Any) -> None:
        super().__init__(
            http_client=clients.http(openai),
            stop_frame_timeout_s=2 * clients.limits.voice_quiet_s,
            base_url=base_url,
            **kwargs,
        )
        self._clients = clients
        self._endpoint = base_url
        self._quiet_s = clients.limits.voice_quiet_s

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first sentence is opened meanwhile."""
        await super().setup(setup)
        self._clients.preconnect(openai, self._endpoint, "tts")

    @property
    def chunk_size(self) -> int:
        """Bytes of one audio frame: 100 ms, so that speech begins early."""
        return int(self.sample_rate * _FIRST_CHUNK_S) * 2

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """Speak a text.

        Yields:
            Audio frames at 24 kHz; an error frame when the vendor fails.
        """
        speech = super().run_tts(text, context_id)
        try:
            while True:
                async with asyncio.timeout(self._quiet_s):
                    frame = await anext(speech, None)
                if frame is None:
                    break
                yield frame
        except Exception as error:
            # While the audio streams, it is the HTTP library that raises, and which one that is depends on the SDK.
            if classify(error) is None:
                raise
            yield ErrorFrame("OpenAI speech failed", exception=error)
        finally:
            await speech.aclose()


def build(row: ProviderRow, request: TtsRequest) -> OpenAiTtsService:
    """Make the service.

    Args:
        row: OpenAI's row.
        request: What to make it from.
    """
    del row
    settings: Any = OpenAiTtsService.Settings(voice=request.voice, model=request.model)
    return OpenAiTtsService(
        clients=request.clients,
        api_key=request.credentials.key.get_secret_value(),
        base_url=request.credentials.base_url,
        sample_rate=request.sample_rate_hz,
        settings=settings,
    )
