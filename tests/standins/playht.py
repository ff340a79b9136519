"""PlayHT's streaming endpoint.

Written after https://docs.play.ht/reference/api-generate-tts-audio-stream (parameters, limits),
https://docs.play.ht/v2.1/reference/getting-started-with-playhts-realtime-streaming-api (headers; later pages leave
``Bearer`` out) and https://docs.play.ht/v2.2/reference/audio-streaming-with-twilio (µ-law at 8000 Hz), and after the
formats of each engine in the vendor's own clients (playht/playht-nodejs-sdk).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from typing import Any, ClassVar

from aiohttp import web

from tests.standins.audio import encode, signature
from tests.standins.base import DEFAULT_KEY, HttpError, LoggedRequest, StandIn
from tests.standins.wire import ByteStream

USER = "stand-in-user"
VOICE = "s3://voice-cloning-zero-shot/d9ff78ba-d016-47f6-b0ef-dd630f59414e/female-cs/manifest.json"
_ENGINES = {"Play3.0-mini": 20_000, "PlayDialog": 2000, "PlayHT2.0-turbo": 2000, "PlayHT2.0": 2000, "PlayHT1.0": 2000}
"""Engines, and how many characters each takes."""
_FIELDS = {"text", "voice", "voice_engine", "output_format", "sample_rate", "quality", "speed", "seed", "temperature"}
_FIELDS |= {"emotion", "voice_guidance", "style_guidance", "text_guidance", "language"}
_ACCEPT = {"mulaw": "audio/basic", "wav": "audio/wav"}
_ERRORS = {
    400: ("BAD_REQUEST", "Bad request."),
    401: ("UNAUTHORIZED", "Wrong user id or API key."),
    403: ("FORBIDDEN", "API access is not available on your current plan."),
    404: ("NOT_FOUND", "Not found."),
    429: ("TOO_MANY_REQUESTS", "Rate limit exceeded."),
    500: ("INTERNAL_SERVER_ERROR", "Something went wrong."),
}


class PlayHtStandIn(StandIn):
    """PlayHT on loopback. `base_url` is ``http://127.0.0.1:PORT``.

    Keys are the API keys; the user id must be `USER`. The chunks of audio have an odd number of bytes.

    Args:
        tts_first_byte_s: Wait before the first byte of speech, seconds.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("speech",)

    def __init__(self, *, tts_first_byte_s: float = 0.0, **common: Any) -> None:
        super().__init__(**{"keys": (DEFAULT_KEY,)} | common)
        self.tts_first_byte_s = tts_first_byte_s

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self.http_url

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        if (request.method, request.path) == ("POST", "/api/v2/tts/stream"):
            return "speech"
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The ``AUTHORIZATION`` header, with or without ``Bearer``; None for another user."""
        if request.headers.get("X-USER-ID") != USER and self.keys is not None:
            return None
        return request.headers.get("AUTHORIZATION", "").removeprefix("Bearer ") or None

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"error_id", "error_message"}``."""
        code, default = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
        return web.json_response({"error_id": code, "error_message": message or default}, status=status)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        body = log.body if isinstance(log.body, dict) else {}
        text, rate_hz, engine = body.get("text"), body.get("sample_rate", 24_000), body.get("voice_engine")
        container = body.get("output_format", "wav")
        unknown = set(body) - _FIELDS
        if unknown:
            raise HttpError(400, f"unknown parameters: {sorted(unknown)}")
        if engine not in _ENGINES:
            raise HttpError(400, "voice_engine is invalid")
        if not isinstance(text, str) or not any(map(str.isalnum, text)) or len(text) > _ENGINES[engine]:
            raise HttpError(400, "text is missing or too long")
        if not isinstance(body.get("voice"), str) or not body["voice"]:
            raise HttpError(400, "voice is required")
        if not isinstance(rate_hz, int) or not 8000 <= rate_hz <= 48_000:
            raise HttpError(400, "sample_rate must be between 8000 and 48000")
        if container not in _ACCEPT:
            raise HttpError(400, "the stand-in has no encoder for this output_format")
        if request.headers.get("Accept") not in (_ACCEPT[container], "*/*", "audio/*"):
            raise HttpError(400, "Accept does not fit output_format")
        await asyncio.sleep(self.tts_first_byte_s)
        encoding = "mulaw" if container == "mulaw" else "linear16"
        audio = encode(signature(text, rate_hz), encoding)
        if container == "wav":
            audio = wav_header(rate_hz) + audio
        stream = await ByteStream.open(self, request, log, _ACCEPT[container])
        step = rate_hz // 10 * (1 if container == "mulaw" else 2) + 1
        for start in range(0, len(audio), step):
            await stream.send(audio[start : start + step])
        return await stream.end()


def wav_header(rate_hz: int) -> bytes:
    """The header of a WAV file whose length is not known yet: its sizes are the largest there are."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE") + fmt + struct.pack("<4sI", b"data", 0xFFFFFFFF)
