"""Cartesia's API: streaming speech, live transcription, voices.

Written after https://docs.cartesia.ai/api-reference (tts/websocket, stt/websocket, voices/list) and
https://docs.cartesia.ai/use-the-api (api-conventions: key and version; api-errors); checked against the ``cartesia``
package and Pipecat's Cartesia services.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import hdrs, web

from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.cartesia_contexts import Contexts
from tests.standins.cartesia_listen import transcribe
from tests.standins.deepgram import scripted
from tests.standins.wire import Session

IDLE_S = 300.0
"""Silence on a speech socket after which Cartesia closes it, seconds."""

_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
_ERRORS = {
    400: ("bad_request", "Bad request"),
    401: ("unauthorized", "Invalid API key"),
    402: ("quota_exceeded", "Credit limit reached"),
    403: ("forbidden", "Forbidden"),
    404: ("not_found", "Not found"),
    429: ("concurrency_limited", "Too many concurrent requests"),
    500: ("internal_error", "Internal server error"),
}


class CartesiaStandIn(StandIn):
    """Cartesia on loopback. `base_url` is ``ws://127.0.0.1:PORT``; the same port answers HTTP.

    Args:
        transcripts: What the caller says: a function of the number of the utterance, counted from 1, or a list,
            continued by `turn_text`. Numbers run per connection.
        one_script: Number the utterances over all connections, so that a reconnection goes on where the last one ended.
        stt_final_delay_s: Wait before a final transcript, seconds.
        tts_first_byte_s: Wait before the first audio of a text, seconds.
        voices: Voices that exist, id to name.
        any_voice: Whether voices that are not in `voices` can speak as well.
        tts_idle_s: Silence on a speech socket after which it is closed, seconds.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("tts", "stt", "voices")

    def __init__(
        self,
        *,
        transcripts: Sequence[str] | Callable[[int], str] = (),
        one_script: bool = False,
        stt_final_delay_s: float = 0.0,
        tts_first_byte_s: float = 0.0,
        voices: Mapping[str, str] | None = None,
        any_voice: bool = True,
        tts_idle_s: float = IDLE_S,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.transcripts = transcripts
        self.stt_final_delay_s = stt_final_delay_s
        self.tts_first_byte_s = tts_first_byte_s
        self.voices = dict(voices or {"71a7ad14-091c-4e8e-a314-022ece01c121": "British Reading Lady"})
        self.any_voice = any_voice
        self.tts_idle_s = tts_idle_s
        self._shared_turns = itertools.count(1) if one_script else None

    @property
    def base_url(self) -> str:
        """``ws://127.0.0.1:PORT``."""
        return self.ws_url

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        upgrade = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        if upgrade and request.path == "/tts/websocket":
            return "tts"
        if upgrade and request.path == "/stt/websocket":
            return "stt"
        if request.method == "GET" and request.path == "/voices":
            return "voices"
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The key of ``X-API-Key`` or ``Authorization: Bearer KEY``."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return request.headers.get("X-API-Key") or (key if scheme.lower() == "bearer" else None)

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"error_code", "title", "message", "request_id"}``."""
        code, title = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
        body = {
            "error_code": detail.get("code", code),
            "title": title,
            "message": message or title,
            "request_id": "550e8400-e29b-41d4-a716-446655440000",
        }
        return web.json_response(body, status=status)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        version = log.query.get("cartesia_version") or log.headers.get("cartesia-version", "")
        if not _VERSION.fullmatch(version):
            raise HttpError(400, "The Cartesia-Version header is missing or invalid.", code="version_required")
        match log.endpoint:
            case "tts":
                return await self._speak(request, log)
            case "stt":
                turns = self._shared_turns or itertools.count(1)
                session = await Session.open(self, request, log)
                await transcribe(
                    session,
                    log.query,
                    lambda: scripted(self.transcripts, next(turns)),
                    lambda: self.stt_final_delay_s,
                )
                return session.ws
            case _:
                return self._list_voices(log.query)

    async def _speak(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        session = await Session.open(self, request, log)
        contexts = Contexts(session, lambda id_: self.any_voice or id_ in self.voices, lambda: self.tts_first_byte_s)
        session.close_when_idle(self.tts_idle_s, session.close)
        try:
            with contextlib.suppress(ConnectionResetError):
                async for message in session.messages():
                    await contexts.receive(message)
        finally:
            session.release()
            await contexts.stop()
        return session.ws

    def _list_voices(self, query: Mapping[str, str]) -> web.Response:
        limit = query.get("limit", "10")
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise HttpError(400, "limit must be between 1 and 100")
        ids = list(self.voices)
        after = query.get("starting_after")
        first = ids.index(after) + 1 if after in ids else 0
        page = ids[first : first + int(limit)]
        body = {"data": [_voice(id_, self.voices[id_]) for id_ in page], "has_more": first + len(page) < len(ids)}
        return web.json_response(body)


def _voice(id_: str, name: str) -> dict[str, Any]:
    return {
        "id": id_,
        "access": "public",
        "created_at": "2024-03-01T10:00:00Z",
        "description": name,
        "gender": "feminine",
        "is_owner": False,
        "language": "en",
        "locales": [{"locale": "en-GB", "is_native": True}],
        "name": name,
        "tagline": "",
        "visibility": "all",
    }
