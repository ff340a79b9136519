"""Cartesia's live transcription with finalisation on demand (https://docs.cartesia.ai/api-reference/stt/websocket).

This endpoint and not the one that detects turns: when a turn ends is decided by the call, the same way for every
recogniser. Transcripts are pieces that are to be joined as they are, so they are kept until ``flush_done`` says that
they are complete (https://docs.cartesia.ai/use-the-api/stt/common-pitfalls).
"""

from __future__ import annotations

from collections import deque
from typing import Any
from urllib.parse import urlencode

from pipecat.services.stt_latency import CARTESIA_TTFS_P99
from pipecat.utils.errors import classify_http_status_code

from adapters.requests import Credentials, SttRequest
from adapters.seats import ProviderRow
from adapters.stt.languages import cartesia_model
from adapters.stt.recognizer_wire import Heard, RecognizerWire, Refusal, json_object, text_of
from adapters.stt.speech_link import SpeechLink

API_VERSION = "2026-03-01"
"""What is sent as ``Cartesia-Version``: the version of the API that this was written for."""

_SILENCE_S = 0.02


class CartesiaWire(RecognizerWire):
    """The protocol of ``/stt/websocket``.

    Args:
        credentials: Key and endpoint, ``wss://HOST``.
        model: Cartesia's name of the model.
        language: Cartesia's form of the language; '' for the model's default.
        sample_rate_hz: Rate of the audio, Hz.
    """

    name = "Cartesia"
    # Cartesia closes after three minutes without a message.
    keep_alive_s = 60.0

    def __init__(self, credentials: Credentials, *, model: str, language: str, sample_rate_hz: int) -> None:
        query = {"model": model, "encoding": "pcm_s16le", "sample_rate": str(sample_rate_hz)}
        if language:
            query["language"] = language
        super().__init__(
            f"{credentials.base_url}/stt/websocket?{urlencode(query)}",
            {"X-API-Key": credentials.key.get_secret_value(), "Cartesia-Version": API_VERSION},
        )
        self._silence = bytes(int(sample_rate_hz * _SILENCE_S) * 2)
        self._asked_ends_s: deque[float] = deque()
        self._final = ""

    def begin(self) -> None:
        """A new connection hears again what made the pieces of the last one, so these are dropped."""
        self._asked_ends_s.clear()
        self._final = ""

    def finalize(self, end_s: float) -> str:
        """The command ``finalize``; ``flush_done`` answers it after the transcripts that belong to it."""
        self._asked_ends_s.append(end_s)
        return "finalize"

    def keep_alive(self) -> bytes:
        """A moment of silence."""
        return self._silence

    def goodbye(self) -> str:
        """The command ``close``."""
        return "close"

    def receive(self, message: str | bytes) -> Heard | Refusal | None:
        """Read a message."""
        document = json_object(message)
        match document.get("type"):
            case "transcript":
                return self._transcript(document)
            case "flush_done":
                text, self._final = self._final.strip(), ""
                end_s = self._asked_ends_s.popleft() if self._asked_ends_s else 0.0
                return Heard(text=text, is_final=True, answers=True, end_s=end_s)
            case "error":
                return _refusal(document)
            case _:
                return None

    def _transcript(self, document: dict[str, Any]) -> Heard:
        text = self._final + text_of(document, "text")
        if document.get("is_final") is True:
            self._final = text
        return Heard(text=text.strip(), language=text_of(document, "language"))


def _refusal(document: dict[str, Any]) -> Refusal:
    status = document.get("status_code")
    if not isinstance(status, int):
        raise ValueError("an error without status_code")
    return Refusal(f"Cartesia ended the session (status {status})", classify_http_status_code(status))


def build(row: ProviderRow, request: SttRequest) -> SpeechLink:
    """Make the service.

    Args:
        row: Cartesia's row.
        request: What to make it from. Without the option ``model``, the language decides the model.

    Raises:
        InvalidField: The model that was asked for does not understand the language; names ``stt_language``.
    """
    model = cartesia_model(request.options.get("model", ""), request.language, row.default_model)
    wire = CartesiaWire(
        request.credentials, model=model, language=request.language, sample_rate_hz=request.sample_rate_hz
    )
    return SpeechLink(wire, request, model=model, latency_s=CARTESIA_TTFS_P99)
