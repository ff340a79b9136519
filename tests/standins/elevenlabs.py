"""ElevenLabs' API: multi-context streaming speech, plain streaming speech, live transcription, voices, models, user.

Written after https://elevenlabs.io/docs/api-reference (text-to-speech multi-context WebSocket, stream speech,
speech-to-text realtime WebSocket, voices, models, user, errors); checked against the ``elevenlabs`` package and
Pipecat's ElevenLabs service.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from aiohttp import hdrs, web

from tests.standins.audio import encode, signature
from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.deepgram import scripted
from tests.standins.elevenlabs_contexts import Contexts, PolicyViolation
from tests.standins.elevenlabs_listen import IDLE_S, RealtimeOptions, Scribe, SessionError, end_with
from tests.standins.wire import ByteStream, Session

INACTIVITY_S = 20.0
"""Default of the query parameter ``inactivity_timeout``, seconds."""
_STREAM_CHUNK_S = 0.1
_FORMAT = re.compile(r"(?:(pcm)_(8000|16000|22050|24000|32000|44100|48000)|(ulaw|alaw)_(8000))")
_LABELS = {"gender": "female", "language": "en", "accent": "american"}
_SPEECH = re.compile(r"/v1/text-to-speech/([^/]+)(/stream|/multi-stream-input|)")
_ERRORS = {
    400: ("bad_request", "Bad request"),
    401: ("invalid_api_key", "Invalid API key"),
    403: ("missing_permissions", "The API key is missing a permission."),
    404: ("not_found", "Not found"),
    429: ("too_many_concurrent_requests", "Too many concurrent requests."),
    500: ("internal_server_error", "Internal server error"),
}


class ElevenLabsStandIn(StandIn):
    """ElevenLabs on loopback. `base_url` is ``ws://127.0.0.1:PORT``; the same port answers HTTP.

    A wrong key on the WebSocket is reported the way that pipecat-ai/pipecat issue 1006 shows: the upgrade succeeds and
    the socket closes with 1008. The error message before that, and the codes in such messages, are documented nowhere.
    The status fault refuses the upgrade itself.

    Args:
        tts_first_byte_s: Wait before the first audio of a text, seconds.
        voices: Voices that exist, id to name.
        any_voice: Whether voices that are not in `voices` can speak as well.
        auth_at_handshake: Refuse a wrong key with 401 before the upgrade, as gateways in front of the vendor do.
        transcripts: What the caller says: a function of the number of the utterance, counted from 1, or a list,
            continued by `turn_text`. Numbers run per connection.
        one_script: Number the utterances over all connections, so that a reconnection goes on where the last one ended.
        stt_final_delay_s: Wait before a committed transcript, seconds.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("multi", "stream", "realtime", "voices", "models", "user")

    def __init__(
        self,
        *,
        tts_first_byte_s: float = 0.0,
        voices: Mapping[str, str] | None = None,
        any_voice: bool = True,
        auth_at_handshake: bool = False,
        transcripts: Sequence[str] | Callable[[int], str] = (),
        one_script: bool = False,
        stt_final_delay_s: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.tts_first_byte_s = tts_first_byte_s
        self.voices = dict(voices or {"EXAVITQu4vr4xnSDxMaL": "Sarah", "21m00Tcm4TlvDq8ikWAM": "Rachel"})
        self.any_voice = any_voice
        self.auth_at_handshake = auth_at_handshake
        self.transcripts = transcripts
        self.stt_final_delay_s = stt_final_delay_s
        self._shared_turns = itertools.count(1) if one_script else None
        self._transcribing: set[Session] = set()

    @property
    def base_url(self) -> str:
        """``ws://127.0.0.1:PORT``."""
        return self.ws_url

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        upgrade = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        speech = _SPEECH.fullmatch(request.path)
        if speech and upgrade and speech[2] == "/multi-stream-input":
            return "multi"
        if upgrade and request.path == "/v1/speech-to-text/realtime":
            return "realtime"
        if speech and request.method == "POST" and speech[2] in ("", "/stream"):
            return "stream"
        if request.method == "GET" and request.path in ("/v1/voices", "/v2/voices"):
            return "voices"
        if request.method == "GET" and request.path == "/v1/models":
            return "models"
        if request.method == "GET" and request.path in ("/v1/user", "/v1/user/subscription"):
            return "user"
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The ``xi-api-key`` header."""
        return request.headers.get("xi-api-key")

    def check_key(self, request: web.BaseRequest) -> None:
        """Refuse a wrong key with 401, unless the endpoint reports it after the upgrade."""
        if self.auth_at_handshake or self.route(request) not in ("multi", "realtime"):
            super().check_key(request)

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"detail": {"status", "message"}}``."""
        code, default = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
        body = {"status": detail.get("code", code), "message": message or default}
        return web.json_response({"detail": body}, status=status)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        match log.endpoint:
            case "multi":
                return await self._multi(request, log)
            case "realtime":
                return await self._realtime(request, log)
            case "stream":
                return await self._stream(request, log)
            case "voices":
                return self._list_voices(log.query)
            case "models":
                return web.json_response([_model(name) for name in ("eleven_flash_v2_5", "eleven_multilingual_v2")])
            case _:
                return web.json_response(_subscription() if request.path.endswith("/subscription") else _user())

    def _list_voices(self, query: Mapping[str, str]) -> web.Response:
        size, first = int(query.get("page_size", "100")), int(query.get("next_page_token", "0"))
        if not 1 <= size <= 100:
            raise HttpError(422, "page_size must be between 1 and 100")
        found = [_voice(id_, name) for id_, name in self.voices.items()]
        more = first + size < len(found)
        body = {"voices": found[first : first + size], "has_more": more, "total_count": len(found)}
        return web.json_response(body | {"next_page_token": str(first + size) if more else None})

    async def _multi(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        encoding, rate_hz = parse_format(log.query.get("output_format", "mp3_44100_128"))
        session = await Session.open(self, request, log)
        contexts = Contexts(
            session,
            encoding=encoding,
            sample_rate_hz=rate_hz,
            auto_mode=log.query.get("auto_mode", "false") == "true",
            first_byte_s=lambda: self.tts_first_byte_s,
        )
        inactivity_s = float(log.query.get("inactivity_timeout", INACTIVITY_S))
        session.close_when_idle(inactivity_s, partial(_input_timeout, session, inactivity_s))
        try:
            if not self.key_is_good(request):
                raise PolicyViolation("invalid_api_key", "Invalid API key")
            if not self.any_voice and _voice_id(request) not in self.voices:
                raise PolicyViolation("voice_id_does_not_exist", "A voice with the given voice_id does not exist.")
            async for message in session.messages():
                if not await contexts.receive(message):
                    break
        except PolicyViolation as broken:
            with contextlib.suppress(ConnectionResetError):
                await fail(session, broken)
        except ConnectionResetError:
            pass
        finally:
            session.release()
            await contexts.stop()
        return session.ws

    async def end_sessions(self, kind: str) -> None:
        """End every live transcription with an error event."""
        for session in list(self._transcribing):
            await end_with(session, SessionError(kind, "The session has ended."))

    async def _realtime(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        turns = self._shared_turns or itertools.count(1)
        session = await Session.open(self, request, log)
        session.close_when_idle(IDLE_S, session.close)
        scribe: Scribe | None = None
        try:
            if not self.key_is_good(request):
                raise SessionError("auth_error", "You must be authenticated to use this endpoint.")
            options = RealtimeOptions.parse(log.query)
            scribe = Scribe(
                session,
                log,
                options,
                lambda: scripted(self.transcripts, next(turns)),
                lambda: self.stt_final_delay_s,
                keep_audio=self.keep_audio,
            )
            self._transcribing.add(session)
            await scribe.serve()
        except SessionError as error:
            await end_with(session, error)
        except ConnectionResetError:
            pass
        finally:
            session.release()
            self._transcribing.discard(session)
            if scribe is not None:
                await scribe.jobs.stop()
        return session.ws

    async def _stream(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        encoding, rate_hz = parse_format(log.query.get("output_format", "mp3_44100_128"))
        text = log.body.get("text") if isinstance(log.body, dict) else None
        if not isinstance(text, str) or not text:
            raise HttpError(400, "text is required", code="invalid_text")
        if not self.any_voice and _voice_id(request) not in self.voices:
            raise HttpError(404, "A voice for the voice_id was not found.", code="voice_not_found")
        await asyncio.sleep(self.tts_first_byte_s)
        audio = encode(signature(text, rate_hz), encoding)
        stream = await ByteStream.open(self, request, log, "audio/pcm" if encoding == "linear16" else "audio/basic")
        step = int(rate_hz * _STREAM_CHUNK_S) * (2 if encoding == "linear16" else 1)
        for start in range(0, len(audio), step):
            await stream.send(audio[start : start + step])
        return await stream.end()


def parse_format(output_format: str) -> tuple[str, int]:
    """Read ``output_format``.

    Returns:
        Encoding by the names of `tests.standins.audio`, and rate in Hz.

    Raises:
        HttpError: With status 400: unknown, or MP3 and Opus, for which there is no encoder here.
    """
    match = _FORMAT.fullmatch(output_format)
    if match is None:
        raise HttpError(400, "the stand-in has no encoder for this output_format", code="invalid_output_format")
    encoding = {"pcm": "linear16", "ulaw": "mulaw", "alaw": "alaw"}[match[1] or match[3]]
    return encoding, int(match[2] or match[4])


async def fail(session: Session, broken: PolicyViolation) -> None:
    """Report a violation in a message, then close with 1008 and the same words."""
    await session.send({"message": broken.message, "error": broken.code, "code": 1008})
    await session.close(1008, broken.message)


async def _input_timeout(session: Session, inactivity_s: float) -> None:
    message = f"Have not received a new text input within the timeout of {inactivity_s:g} seconds."
    await fail(session, PolicyViolation("input_timeout_exceeded", message))


def _voice_id(request: web.BaseRequest) -> str:
    match = _SPEECH.fullmatch(request.path)
    return match[1] if match else ""


def _voice(id_: str, name: str) -> dict[str, Any]:
    return {"voice_id": id_, "name": name, "category": "premade", "labels": _LABELS, "settings": None}


def _model(id_: str) -> dict[str, Any]:
    languages: Sequence[dict[str, str]] = [{"language_id": "en", "name": "English"}]
    return {"model_id": id_, "name": id_, "can_do_text_to_speech": True, "languages": languages}


def _subscription() -> dict[str, Any]:
    return {
        "tier": "creator",
        "character_count": 0,
        "character_limit": 100_000,
        "can_extend_character_limit": False,
        "allowed_to_extend_character_limit": False,
        "voice_slots_used": 0,
        "professional_voice_slots_used": 0,
        "voice_limit": 30,
        "voice_add_edit_counter": 0,
        "professional_voice_limit": 1,
        "can_extend_voice_limit": False,
        "can_use_instant_voice_cloning": True,
        "can_use_professional_voice_cloning": True,
        "status": "active",
        "next_character_count_reset_unix": 1_900_000_000,
    }


def _user() -> dict[str, Any]:
    return {
        "user_id": "stand-in",
        "subscription": _subscription(),
        "is_new_user": False,
        "can_use_delayed_payment_methods": False,
        "is_onboarding_completed": True,
        "is_onboarding_checklist_completed": True,
        "created_at": 1_700_000_000,
        "seat_type": "workspace_admin",
    }
