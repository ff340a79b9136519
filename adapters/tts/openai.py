"""OpenAI's speech API (https://platform.openai.com/docs/api-reference/audio/createSpeech): PCM at 24 kHz only."""

from __future__ import annotations

import httpx

from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.speech_request import SpeechRequest


class OpenAiVoice(SpeechRequest):
    """Sends JSON and gets raw PCM.

    Args:
        request: What to make it from. The voice speaks the language of the text.
    """

    longest_text = 4096
    no_credit_codes = frozenset({"insufficient_quota"})

    def __init__(self, *, request: TtsRequest) -> None:
        super().__init__(request=request)
        self._headers = {"Authorization": f"Bearer {request.credentials.key.get_secret_value()}"}

    def ask(self, text: str) -> httpx.Request:
        """Make the request for a text."""
        voice, model = str(self._settings.voice), str(self._settings.model)
        body = {"input": text, "model": model, "voice": voice, "response_format": "pcm"}
        return self.post("/audio/speech", self._headers, json=body)


def build(row: ProviderRow, request: TtsRequest) -> OpenAiVoice:
    """Make the service.

    Args:
        row: OpenAI's row.
        request: What to make it from.
    """
    del row
    return OpenAiVoice(request=request)
