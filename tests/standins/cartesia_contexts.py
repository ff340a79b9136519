"""The contexts of one Cartesia speech WebSocket: each is one turn's text, spoken as it comes.

Written after https://docs.cartesia.ai/api-reference/tts/websocket and https://docs.cartesia.ai/use-the-api/tts-websocket/contexts.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.standins.audio import encode, sample_at, signature
from tests.standins.wire import Jobs, Session, sleep_until

RATES_HZ = (8000, 16_000, 22_050, 24_000, 44_100, 48_000)
_ENCODINGS = {"pcm_s16le": "linear16", "pcm_mulaw": "mulaw", "pcm_alaw": "alaw"}
_CONTEXT_ID = re.compile(r"[A-Za-z0-9_-]+")
_LANGUAGES = (
    "en fr de es pt zh ja hi it ko nl pl ru sv tr tl bg ro ar cs el fi hr ms sk da ta uk hu no vi bn th he ka id "
    "te gu kn ml mr pa or ur"
)
_CHUNK_CHARS = 6


class BadRequest(Exception):
    """A request that Cartesia answers with an error event.

    Attributes:
        status: The event's ``status_code``.
        code: Its ``error_code``.
        message: Its ``message``.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


@dataclass(eq=False)
class Context:
    """One open context.

    Attributes:
        settings: Voice, model, language and format, which may not change.
        spoken_s: How much was spoken, seconds.
        flushes: How many transcripts were spoken.
        jobs: Speaks, one transcript after the other.
    """

    settings: Any
    spoken_s: float = 0.0
    flushes: int = 0
    jobs: Jobs = field(default_factory=Jobs)


class Contexts:
    """All contexts of one socket.

    Args:
        session: The socket.
        voice_exists: Whether there is a voice of an id.
        first_byte_s: Returns the wait before the first audio of a transcript, seconds.
    """

    def __init__(
        self, session: Session, voice_exists: Callable[[str], bool], first_byte_s: Callable[[], float]
    ) -> None:
        self._session = session
        self._voice_exists = voice_exists
        self._first_byte_s = first_byte_s
        self._open: dict[str, Context] = {}
        self._ended: list[Context] = []

    async def receive(self, message: Any) -> None:
        """Take one message; one that the vendor would not take is answered with an error event."""
        try:
            await self._take(message)
        except BadRequest as bad:
            id_ = message.get("context_id") if isinstance(message, dict) else None
            event = {
                "type": "error",
                "done": True,
                "status_code": bad.status,
                "error_code": bad.code,
                "title": "Invalid request",
                "message": bad.message,
                "request_id": "stand-in",
            }
            await self._session.send(event | ({"context_id": id_} if isinstance(id_, str) else {}))

    async def stop(self) -> None:
        """Cancel everything."""
        for context in [*self._open.values(), *self._ended]:
            await context.jobs.stop()

    async def _take(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise BadRequest("invalid_json", "The message is not a JSON object.")
        id_ = message.get("context_id")
        if not isinstance(id_, str) or not _CONTEXT_ID.fullmatch(id_):
            raise BadRequest("invalid_context_id", "The context_id is missing or has other characters than letters.")
        if message.get("cancel") is True:
            context = self._open.pop(id_, None)
            if context is not None:
                await context.jobs.stop()
            return
        settings = self._checked(message)
        context = self._open.get(id_)
        if context is None:
            context = self._open[id_] = Context(settings)
        elif context.settings != settings:
            raise BadRequest("context_changed", "Voice, model and format of a context cannot change.")
        text = message["transcript"].strip()
        if text:
            due_s = asyncio.get_running_loop().time() + self._first_byte_s()
            context.jobs.put(partial(self._say, id_, context, text, due_s))
        if not message.get("continue", False):
            self._ended.append(self._open.pop(id_))
            context.jobs.put(partial(self._finish, id_))
            context.jobs.end()

    def _checked(self, message: dict[str, Any]) -> tuple[Any, ...]:
        model, voice, form = message.get("model_id"), message.get("voice"), message.get("output_format")
        if not isinstance(model, str) or not model.startswith("sonic"):
            raise BadRequest("model_not_found", "The model is not valid, make sure it is a valid model ID.")
        if not isinstance(voice, dict) or voice.get("mode") != "id" or not isinstance(voice.get("id"), str):
            raise BadRequest("invalid_voice", "The voice must have a mode and an id.")
        if not self._voice_exists(voice["id"]):
            raise BadRequest("voice_not_found", "The voice was not found.", 404)
        if not isinstance(form, dict) or form.get("container") != "raw" or form.get("encoding") not in _ENCODINGS:
            raise BadRequest("invalid_output_format", "The container and encoding must be raw ones.")
        if form.get("sample_rate") not in RATES_HZ:
            raise BadRequest("invalid_sample_rate", "The sample rate is not supported.")
        language = message.get("language", "en")
        if not isinstance(language, str) or language.partition("-")[0] not in _LANGUAGES.split():
            raise BadRequest("language_not_supported", "The model does not support this language.")
        if not isinstance(message.get("transcript"), str):
            raise BadRequest("invalid_transcript", "The transcript must be a text.")
        delay_ms = message.get("max_buffer_delay_ms", 3000)
        if not isinstance(delay_ms, int) or not 0 <= delay_ms <= 5000:
            raise BadRequest("invalid_buffer_delay", "max_buffer_delay_ms must be between 0 and 5000.")
        return (
            model,
            voice["id"],
            form["encoding"],
            form["sample_rate"],
            language,
            message.get("add_timestamps") is True,
        )

    async def _say(self, id_: str, context: Context, text: str, due_s: float) -> None:
        _, _, encoding, rate_hz, _, timed = context.settings
        pcm = signature(text, rate_hz)
        starts = [(match.group(), match.start(), match.end()) for match in re.finditer(r"\S+", text)]
        context.flushes += 1
        await sleep_until(due_s)
        for start in range(0, len(text), _CHUNK_CHARS):
            end = min(start + _CHUNK_CHARS, len(text))
            piece = pcm[2 * sample_at(start, rate_hz) : 2 * sample_at(end, rate_hz)]
            audio = base64.b64encode(encode(piece, _ENCODINGS[encoding])).decode()
            await self._send(id_, "chunk", data=audio, step_time=1.0, flush_id=context.flushes)
            words = [it for it in starts if start <= it[1] < end]
            if timed and words:
                await self._send(id_, "timestamps", word_timestamps=_timed(words, context.spoken_s, rate_hz))
            await asyncio.sleep(0)
        context.spoken_s += len(pcm) / 2 / rate_hz
        await self._send(id_, "flush_done", flush_done=True, flush_id=context.flushes)

    async def _finish(self, id_: str) -> None:
        await self._session.send({"type": "done", "done": True, "status_code": 200, "context_id": id_})

    async def _send(self, id_: str, kind: str, **fields: Any) -> None:
        await self._session.send({"type": kind, "done": False, "status_code": 206, "context_id": id_} | fields)


def _timed(words: list[tuple[str, int, int]], begin_s: float, rate_hz: int) -> dict[str, list[Any]]:
    return {
        "words": [word for word, _, _ in words],
        "start": [round(begin_s + sample_at(start, rate_hz) / rate_hz, 3) for _, start, _ in words],
        "end": [round(begin_s + sample_at(end, rate_hz) / rate_hz, 3) for _, _, end in words],
    }
