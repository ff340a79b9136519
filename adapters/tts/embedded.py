"""The embedded voice as a row of the seat's table."""

from __future__ import annotations

from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.espeak import EspeakTTSService


def build(row: ProviderRow, request: TtsRequest) -> EspeakTTSService:
    """Make the service.

    Args:
        row: The embedded voice's row.
        request: What to make it from. The voice decides the language.
    """
    del row
    return EspeakTTSService(voice=request.voice, sample_rate=request.sample_rate_hz)
