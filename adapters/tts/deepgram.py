"""Deepgram's streaming speech (https://developers.deepgram.com/reference/text-to-speech/speak-streaming)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from pipecat.frames.frames import Frame, TTSAudioRawFrame, TTSStoppedFrame, TTSTextFrame
from pipecat.services.deepgram.tts import DeepgramTTSService

from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.speech_socket import SpeechSocket
from adapters.tts.waiting_text import WaitingText


class DeepgramVoice(SpeechSocket, DeepgramTTSService):
    """Pipecat's service with `SpeechSocket`'s connection, whose text comes after the audio that speaks it.

    Pipecat lets the text of a whole answer go before its first audio, since Deepgram does not time words.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._waiting: dict[str, WaitingText[TTSTextFrame]] = {}

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak a text, and report how long it is: Pipecat's service does not."""
        await self.start_tts_usage_metrics(text)
        async for frame in super().run_tts(text, context_id):
            yield frame

    async def append_to_audio_context(self, context_id: str | None, frame: Any) -> None:
        """Append to a context; text waits until it was spoken."""
        if context_id is None:
            return
        waiting = self._waiting.setdefault(context_id, WaitingText())
        if isinstance(frame, TTSTextFrame):
            waiting.add(frame.text, frame)
            return
        if isinstance(frame, TTSStoppedFrame):
            for text in waiting.rest():
                await super().append_to_audio_context(context_id, text)
        await super().append_to_audio_context(context_id, frame)
        if isinstance(frame, TTSAudioRawFrame):
            for text in waiting.hear(len(frame.audio) / 2 / frame.sample_rate):
                await super().append_to_audio_context(context_id, text)
        if not self.audio_context_available(context_id):
            self._waiting.pop(context_id, None)

    async def on_audio_context_completed(self, context_id: str) -> None:
        """Complete a context; text that still waits was never spoken."""
        self._waiting.pop(context_id, None)
        await super().on_audio_context_completed(context_id)

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        """Forget an interrupted context."""
        self._waiting.pop(context_id, None)
        await super().on_audio_context_interrupted(context_id)


def build(row: ProviderRow, request: TtsRequest) -> DeepgramVoice:
    """Make the service.

    Args:
        row: Deepgram's row.
        request: What to make it from. The voice decides the language.
    """
    del row
    return DeepgramVoice(
        clients=request.clients,
        api_key=request.credentials.key.get_secret_value(),
        base_url=request.credentials.base_url,
        sample_rate=request.sample_rate_hz,
        encoding="linear16",
        settings=DeepgramVoice.Settings(voice=request.voice, model=request.voice),
    )
