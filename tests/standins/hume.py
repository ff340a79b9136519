"""Hume's text-to-speech: streamed JSON, and the list of voices.

Written after https://dev.hume.ai/reference/text-to-speech-tts/synthesize-json-streaming (fields, validation),
https://dev.hume.ai/docs/text-to-speech-tts/timestamps (messages) and
https://dev.hume.ai/reference/voices/list; checked against the ``hume`` package, from which the form of the errors is.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from aiohttp import web

from tests.standins.audio import CHARS_PER_S, signature
from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.wire import ByteStream

RATE_HZ = 48_000
"""Rate of ``format`` ``pcm``, Hz."""
VOICE_ID = "5bb7de05-c8fe-426a-8fcc-ba4fc4ce9f9c"
_PIECE = RATE_HZ // 10 * 2
_NETWORK_BYTES = 10_001
_FIELDS = {"utterances", "context", "format", "include_timestamp_types", "num_generations", "split_utterances"}
_FIELDS |= {"strip_headers", "temperature", "version", "instant_mode"}
_ERRORS = {
    404: ("E0100", "Not found."),
    429: ("E0700", "Too many requests."),
    500: ("E0500", "Internal server error."),
}


class HumeStandIn(StandIn):
    """Hume on loopback. `base_url` is ``http://127.0.0.1:PORT``.

    Chunks of the network end anywhere in a line.

    Args:
        words_first: Whether all words are told before the audio; else each after the audio that it begins in.
        tts_first_byte_s: Wait before the first byte of speech, seconds.
        voices: Voices of Hume's own library, id to name.
        custom_voices: Voices of the account.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("speech", "voices")

    def __init__(
        self,
        *,
        words_first: bool = False,
        tts_first_byte_s: float = 0.0,
        voices: Mapping[str, str] | None = None,
        custom_voices: Mapping[str, str] | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.words_first = words_first
        self.tts_first_byte_s = tts_first_byte_s
        self.voices = dict(voices or {VOICE_ID: "Ava Song"})
        self.custom_voices = dict(custom_voices or {"0e8b4c7d-2c39-4f5a-9f4f-6a7f1f4bd2b1": "Our clinic"})
        self._ids = itertools.count(1)

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self.http_url

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        if (request.method, request.path) == ("POST", "/v0/tts/stream/json"):
            return "speech"
        if (request.method, request.path) == ("GET", "/v0/tts/voices"):
            return "voices"
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The ``X-Hume-Api-Key`` header."""
        return request.headers.get("X-Hume-Api-Key")

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"fault"}`` of the gateway for a wrong key, FastAPI's ``{"detail"}`` for 422, else code and message."""
        if status == 401:
            fault = {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}
            return web.json_response({"fault": fault}, status=status)
        if status == 422:
            where = detail.get("loc", ["body"])
            return web.json_response({"detail": [{"loc": where, "msg": message, "type": "value_error"}]}, status=status)
        code, default = _ERRORS.get(status, _ERRORS[500])
        body = {"code": detail.get("code", code), "error": default, "message": message or default}
        return web.json_response(body, status=status)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        if log.endpoint == "voices":
            return self._voices(log.query)
        body = log.body if isinstance(log.body, dict) else {}
        text = self._check(body)
        await asyncio.sleep(self.tts_first_byte_s)
        lines = b"".join(
            json.dumps(message, ensure_ascii=False).encode() + b"\n"
            for message in self._messages(text, timed=bool(body.get("include_timestamp_types")))
        )
        stream = await ByteStream.open(self, request, log, "application/json")
        for start in range(0, len(lines), _NETWORK_BYTES):
            await stream.send(lines[start : start + _NETWORK_BYTES])
        return await stream.end()

    def _check(self, body: dict[str, Any]) -> str:
        unknown = set(body) - _FIELDS
        if unknown:
            raise HttpError(422, "extra fields not permitted", loc=["body", *sorted(unknown)])
        utterances = body.get("utterances")
        if not isinstance(utterances, list) or len(utterances) != 1:
            raise HttpError(422, "the stand-in speaks one utterance", loc=["body", "utterances"])
        text = utterances[0].get("text")
        if not isinstance(text, str) or not 0 < len(text) <= 5000:
            raise HttpError(422, "text must have 1 to 5000 characters", loc=["body", "utterances", 0, "text"])
        if body.get("format", {"type": "mp3"}) != {"type": "pcm"}:
            raise HttpError(422, "the stand-in has no encoder for this format", loc=["body", "format"])
        if body.get("version") not in (None, "1", "2"):
            raise HttpError(422, "version must be 1 or 2", loc=["body", "version"])
        voice = utterances[0].get("voice")
        if voice is None and (body.get("version") == "2" or body.get("instant_mode", True)):
            raise HttpError(422, "a voice is required", loc=["body", "utterances", 0, "voice"])
        types = body.get("include_timestamp_types") or []
        if types and (body.get("version") != "2" or set(types) - {"word", "phoneme"}):
            raise HttpError(422, "timestamps need Octave 2", loc=["body", "include_timestamp_types"])
        self._check_voice(voice)
        return text

    def _check_voice(self, voice: Mapping[str, str]) -> None:
        provider = voice.get("provider")
        if provider not in (None, "HUME_AI", "CUSTOM_VOICE"):
            raise HttpError(422, "unknown provider", loc=["body", "utterances", 0, "voice", "provider"])
        libraries = {"HUME_AI": self.voices, "CUSTOM_VOICE": self.custom_voices}
        if "id" in voice:
            known = set(self.voices) | set(self.custom_voices) if provider is None else set(libraries[provider])
            found = voice["id"] in known
        else:
            # Without a provider, a name is one of the account's own voices.
            found = voice.get("name") in libraries[provider or "CUSTOM_VOICE"].values()
        if not found:
            raise HttpError(404, "Voice not found.")

    def _messages(self, text: str, *, timed: bool) -> Iterator[dict[str, Any]]:
        number = next(self._ids)
        common = {"request_id": f"request-{number}", "generation_id": f"generation-{number}", "snippet_id": "snippet"}
        words = [] if not timed else [(it.start(), it[0]) for it in re.finditer(r"\w[\w'\u2019-]*", text)]
        # As the audio, which is that of the text without white space around it.
        lead = len(text) - len(text.lstrip())
        audio = signature(text, RATE_HZ)
        count = math.ceil(len(audio) / _PIECE)
        if self.words_first:
            yield from (_timestamp(word, at - lead) | common for at, word in words)
            words = []
        for index in range(count):
            piece = audio[index * _PIECE : (index + 1) * _PIECE]
            yield {
                "type": "audio",
                "audio": base64.b64encode(piece).decode(),
                "audio_format": "pcm",
                "chunk_index": index,
                "is_last_chunk": index == count - 1,
                "text": text,
                "snippet": None,
                "utterance_index": 0,
            } | common
            while words and (words[0][0] - lead) / CHARS_PER_S < (index + 1) / 10:
                at, word = words.pop(0)
                yield _timestamp(word, at - lead) | common

    def _voices(self, query: Mapping[str, str]) -> web.Response:
        provider = query.get("provider", "HUME_AI")
        number, size = int(query.get("page_number", "0")), int(query.get("page_size", "10"))
        if provider not in ("HUME_AI", "CUSTOM_VOICE") or not 1 <= size <= 100:
            raise HttpError(400, "invalid query")
        found = list((self.voices if provider == "HUME_AI" else self.custom_voices).items())
        page = [
            {"id": id_, "name": name, "provider": provider, "compatible_octave_models": ["2"]}
            for id_, name in found[number * size : (number + 1) * size]
        ]
        pages = max(1, math.ceil(len(found) / size))
        return web.json_response({"page_number": number, "page_size": size, "total_pages": pages, "voices_page": page})


def _timestamp(word: str, at: int) -> dict[str, Any]:
    begin_ms = round(at / CHARS_PER_S * 1000)
    time = {"begin": begin_ms, "end": begin_ms + round(len(word) / CHARS_PER_S * 1000)}
    return {"type": "timestamp", "timestamp": {"type": "word", "text": word, "time": time}}
