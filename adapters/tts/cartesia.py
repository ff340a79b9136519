"""Cartesia's streaming speech (https://docs.cartesia.ai/api-reference/tts/websocket)."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

from loguru import logger
from pipecat.frames.frames import ErrorFrame, Frame, TTSAudioRawFrame, TTSStoppedFrame
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.utils.errors import ErrorCategory, classify_http_status_code
from websockets.protocol import State

from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.speech_socket import SpeechSocket

_BY_CHARACTER = frozenset({"zh", "ja"})
"""Languages of which Cartesia times characters and not words."""


class CartesiaVoice(SpeechSocket, CartesiaTTSService):
    """Pipecat's service with `SpeechSocket`'s connection, which knows what Cartesia's errors mean.

    Pipecat tells an error without its category and leaves the sentence open for seconds, and a connection that Cartesia
    closes in mid-sentence is opened anew without a word.
    """

    times_words = True

    def __init__(self, *, language: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._by_character = language.partition("-")[0] in _BY_CHARACTER
        self._socket: Any = None

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Ask for a text's speech; without a connection the text fails at once."""
        if not self._connected:
            await self._connect()
        if self._connected:
            async for frame in super().run_tts(text, context_id):
                yield frame
        elif self.audio_context_available(context_id):
            # Why there is no connection was told by whoever tried to open it.
            self._speech(context_id).failed = True

    @property
    def _connected(self) -> bool:
        return self._socket is not None and self._socket.state is State.OPEN

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        """Cancel an interrupted context; without a connection there is nothing to cancel."""
        try:
            await super().on_audio_context_interrupted(context_id)
        except Exception as error:  # noqa: BLE001 - Pipecat raises a bare Exception when there is no connection
            logger.debug(f"Cartesia was not told to stop: {type(error).__name__}")

    async def _websocket_connect(self, uri: str, **kwargs: Any) -> Any:
        self._socket = await super()._websocket_connect(uri, **kwargs)
        return self._socket

    async def _receive_messages(self) -> None:
        async for message in self._socket:
            document = json.loads(message)
            if not isinstance(document, dict):
                raise ValueError("not an object")
            await self._receive(document)

    async def _receive(self, document: dict[str, Any]) -> None:
        kind, context_id = document.get("type"), document.get("context_id")
        if kind == "error":
            await self._fail(document, context_id)
        elif isinstance(context_id, str) and self.audio_context_available(context_id):
            match kind:
                case "chunk":
                    audio = base64.b64decode(document["data"])
                    frame = TTSAudioRawFrame(audio, self.sample_rate, 1, context_id=context_id)
                    await self.append_to_audio_context(context_id, frame)
                case "timestamps":
                    await self._time_words(document["word_timestamps"], context_id)
                case "done":
                    await self.stop_ttfb_metrics()
                    await self.append_to_audio_context(context_id, TTSStoppedFrame(context_id=context_id))
                    await self.remove_audio_context(context_id)

    async def _time_words(self, timed: dict[str, Any], context_id: str) -> None:
        words = [(word, start) for word, start in zip(timed["words"], timed["start"], strict=True) if word]
        spaced = True if self._by_character else None
        await self.add_word_timestamps(words, context_id, spaced, pre_merge_tokens=self._by_character)

    async def _fail(self, document: dict[str, Any], context_id: Any) -> None:
        status = document.get("status_code")
        category = classify_http_status_code(status) if isinstance(status, int) else ErrorCategory.SERVER
        failed = [it for it in self.get_audio_contexts() if it == context_id or not context_id]
        for it in failed:
            self._speech(it).failed = True
        await self.push_error_frame(ErrorFrame(f"Cartesia refused to speak (status {status})", category=category))
        for it in failed:
            await self._close_failed(it)


def build(row: ProviderRow, request: TtsRequest) -> CartesiaVoice:
    """Make the service.

    Args:
        row: Cartesia's row.
        request: What to make it from.
    """
    del row
    return CartesiaVoice(
        clients=request.clients,
        language=request.language,
        api_key=request.credentials.key.get_secret_value(),
        url=f"{request.credentials.base_url}/tts/websocket",
        sample_rate=request.sample_rate_hz,
        settings=CartesiaVoice.Settings(voice=request.voice, model=request.model, language=request.language or None),
    )
