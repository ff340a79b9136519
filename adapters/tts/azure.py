"""Azure Speech by its REST API (https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech)."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

import httpx

from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.speech_request import SpeechRequest

_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z0-9]{2,3}(?=-)")
"""What the name of a voice begins with, for example ``en-US`` of ``en-US-JennyNeural``."""


class AzureVoice(SpeechRequest):
    """Sends SSML and gets raw PCM, at any rate of the row.

    Args:
        request: What to make it from. The voice decides the language.
    """

    # The vendor's limit is 10 minutes of audio, at about 15 characters a second.
    longest_text = 5000

    def __init__(self, *, request: TtsRequest) -> None:
        super().__init__(request=request)
        rate = request.sample_rate_hz
        self._headers = {
            "Ocp-Apim-Subscription-Key": request.credentials.key.get_secret_value(),
            "X-Microsoft-OutputFormat": f"raw-{_format_rate(rate)}-16bit-mono-pcm",
            "Content-Type": "application/ssml+xml",
            "User-Agent": "aicall-runtime",
        }

    def ask(self, text: str) -> httpx.Request:
        """Make the request for a text."""
        ssml = speak(text, str(self._settings.voice))
        return self.post("/cognitiveservices/v1", self._headers, content=ssml.encode())


def _format_rate(rate_hz: int) -> str:
    """A rate as the names of the formats have it: ``8khz``, ``22050hz``."""
    thousands, rest = divmod(rate_hz, 1000)
    return f"{rate_hz}hz" if rest else f"{thousands}khz"


def speak(text: str, voice: str) -> str:
    """Return the SSML document by which a voice says a text.

    Args:
        text: Plain text; nothing in it is markup.
        voice: The vendor's short name of the voice.
    """
    locale = _LOCALE.match(voice)
    language = quoteattr(locale[0] if locale else "en-US")
    head = f'<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang={language}>'
    return f"{head}<voice name={quoteattr(voice)}>{escape(text)}</voice></speak>"


def build(row: ProviderRow, request: TtsRequest) -> AzureVoice:
    """Make the service.

    Args:
        row: Azure's row.
        request: What to make it from.
    """
    del row
    return AzureVoice(request=request)
