"""ElevenLabs' live transcription (https://elevenlabs.io/docs/api-reference/speech-to-text/v-1-speech-to-text-realtime).

The call commits (``commit_strategy=manual``): it knows when the caller paused, and the answer to a commit is final.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from urllib.parse import urlencode

from pipecat.services.stt_latency import ELEVENLABS_REALTIME_TTFS_P99
from pipecat.utils.errors import ErrorCategory

from adapters.requests import Credentials, SttRequest
from adapters.seats import ProviderRow
from adapters.stt.recognizer_wire import Heard, RecognizerWire, Refusal, json_object, text_of
from adapters.stt.speech_link import SpeechLink

_LEAST_COMMIT_S = 0.3
"""A commit of less audio than this is ignored (``commit_throttled``), seconds."""

_SILENCE_S = 0.02

_COMMIT_LAG_S = 1.0
"""How much of the audio that was sent a commit of the vendor's own may not hold yet, seconds."""

_ERRORS: dict[str, ErrorCategory | None] = {
    "auth_error": ErrorCategory.AUTHENTICATION,
    "unaccepted_terms": ErrorCategory.AUTHORIZATION,
    "quota_exceeded": ErrorCategory.QUOTA,
    "rate_limited": ErrorCategory.RATE_LIMIT,
    "invalid_request": ErrorCategory.INVALID_REQUEST,
    "input_error": ErrorCategory.INVALID_REQUEST,
    "chunk_size_exceeded": ErrorCategory.INVALID_REQUEST,
    "queue_overflow": ErrorCategory.SERVER,
    "resource_exhausted": ErrorCategory.SERVER,
    "transcriber_error": ErrorCategory.SERVER,
    "error": ErrorCategory.SERVER,
    # Not failures: the session has lasted as long as one may, or nobody spoke for long.
    "session_time_limit_exceeded": None,
    "insufficient_audio_activity": None,
}
"""What the errors of https://elevenlabs.io/docs/eleven-api/guides/how-to/speech-to-text/realtime/event-reference mean.

The connection is closed after each of them."""


class ElevenLabsWire(RecognizerWire):
    """The protocol of ``/v1/speech-to-text/realtime``.

    Args:
        credentials: Key and endpoint, ``wss://HOST``.
        model: ElevenLabs' name of the model.
        language: ElevenLabs' form of the language; '' to have it recognised.
        sample_rate_hz: Rate of the audio, Hz.
    """

    name = "ElevenLabs"
    # ElevenLabs closes after about 15 s without audio.
    keep_alive_s = 5.0

    def __init__(self, credentials: Credentials, *, model: str, language: str, sample_rate_hz: int) -> None:
        query = {"model_id": model, "audio_format": f"pcm_{sample_rate_hz}", "commit_strategy": "manual"}
        if language:
            query["language_code"] = language
        super().__init__(
            f"{credentials.base_url}/v1/speech-to-text/realtime?{urlencode(query)}",
            {"xi-api-key": credentials.key.get_secret_value()},
        )
        self._rate_hz = sample_rate_hz
        self._bytes_per_s = sample_rate_hz * 2
        self._sent_bytes = 0
        self._uncommitted_bytes = 0
        self._asked_ends_s: deque[float] = deque()

    def begin(self) -> None:
        """Count from the new connection's first sample."""
        self._sent_bytes = self._uncommitted_bytes = 0
        self._asked_ends_s.clear()

    def audio(self, pcm: bytes) -> str:
        """The message ``input_audio_chunk``."""
        self._sent_bytes += len(pcm)
        return self._chunk(pcm, commit=False)

    def finalize(self, end_s: float) -> str:
        """A commit, with silence to make up the least audio that one may have."""
        self._asked_ends_s.append(end_s)
        missing = max(0, int(_LEAST_COMMIT_S * self._rate_hz) * 2 - self._uncommitted_bytes)
        message = self._chunk(bytes(missing), commit=True)
        self._uncommitted_bytes = 0
        return message

    def keep_alive(self) -> str:
        """A moment of silence."""
        return self._chunk(bytes(int(self._rate_hz * _SILENCE_S) * 2), commit=False)

    def receive(self, message: str | bytes) -> Heard | Refusal | None:
        """Read a message."""
        document = json_object(message)
        kind = document.get("message_type")
        match kind:
            case "partial_transcript":
                return Heard(text=text_of(document, "text").strip(), language=text_of(document, "language_code"))
            case "committed_transcript":
                return self._committed(text_of(document, "text").strip(), text_of(document, "language_code"))
            case "commit_throttled":
                return self._committed("", "")
            case str() if kind in _ERRORS:
                return Refusal(f"ElevenLabs ended the session ({kind})", _ERRORS[kind])
            case _:
                return None

    def _committed(self, text: str, language: str) -> Heard:
        if self._asked_ends_s:
            return Heard(text=text, is_final=True, answers=True, end_s=self._asked_ends_s.popleft(), language=language)
        # A commit of the vendor's own, as it does when none was asked for in a long time.
        end_s = max(0.0, self._sent_bytes / self._bytes_per_s - _COMMIT_LAG_S)
        return Heard(text=text, is_final=True, end_s=end_s, language=language)

    def _chunk(self, pcm: bytes, *, commit: bool) -> str:
        self._uncommitted_bytes += len(pcm)
        return json.dumps(
            {
                "message_type": "input_audio_chunk",
                "audio_base_64": base64.b64encode(pcm).decode(),
                "commit": commit,
                "sample_rate": self._rate_hz,
            }
        )


def build(row: ProviderRow, request: SttRequest) -> SpeechLink:
    """Make the service.

    Args:
        row: ElevenLabs' row.
        request: What to make it from.
    """
    model = request.model or row.default_model
    wire = ElevenLabsWire(
        request.credentials, model=model, language=request.language, sample_rate_hz=request.sample_rate_hz
    )
    return SpeechLink(wire, request, model=model, latency_s=ELEVENLABS_REALTIME_TTFS_P99)
