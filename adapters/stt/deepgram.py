"""Deepgram's live transcription (https://developers.deepgram.com/reference/speech-to-text/listen-streaming)."""

from __future__ import annotations

from pipecat.services.stt_latency import DEEPGRAM_TTFS_P99

from adapters.requests import SttRequest
from adapters.seats import ProviderRow
from adapters.stt.deepgram_wire import DeepgramWire
from adapters.stt.languages import check_model
from adapters.stt.speech_link import SpeechLink
from models.providers import SttType


def build(row: ProviderRow, request: SttRequest) -> SpeechLink:
    """Make the service.

    Args:
        row: Deepgram's row.
        request: What to make it from.

    Raises:
        InvalidField: The model does not understand the language; names ``stt_language``.
    """
    model = request.model or row.default_model
    check_model(SttType.DEEPGRAM, model, request.language)
    wire = DeepgramWire(
        request.credentials, model=model, language=request.language, sample_rate_hz=request.sample_rate_hz
    )
    return SpeechLink(wire, request, model=model, latency_s=DEEPGRAM_TTFS_P99)
