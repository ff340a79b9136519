"""ElevenLabs' multi-context WebSocket (https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input)."""

from __future__ import annotations

from pipecat.services.elevenlabs.tts import ElevenLabsTTSService

from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.speech_socket import SpeechSocket


class ElevenLabsVoice(SpeechSocket, ElevenLabsTTSService):
    """Pipecat's service with `SpeechSocket`'s connection."""

    times_words = True


def build(row: ProviderRow, request: TtsRequest) -> ElevenLabsVoice:
    """Make the service.

    Args:
        row: ElevenLabs' row.
        request: What to make it from.
    """
    del row
    return ElevenLabsVoice(
        clients=request.clients,
        api_key=request.credentials.key.get_secret_value(),
        url=request.credentials.base_url,
        sample_rate=request.sample_rate_hz,
        settings=ElevenLabsVoice.Settings(voice=request.voice, model=request.model, language=request.language or None),
    )
