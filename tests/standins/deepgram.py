"""Deepgram's API: live transcription (``/v1/listen``), streaming speech (``/v1/speak``), projects, models.

Written after https://developers.deepgram.com/reference (listen-streaming, speak-streaming, projects, models) and its
pages on control messages (KeepAlive, Finalize, CloseStream; Flush, Clear, Close) and WebSocket errors; checked against
``deepgram-sdk`` and Pipecat's Deepgram services.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from aiohttp import hdrs, web

from tests.standins.audio import ENCODINGS, encode, signature
from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.deepgram_listen import Listener, ListenOptions
from tests.standins.wire import Jobs, Session, sleep_until

IDLE_S = 10.0
"""Silence on the socket, KeepAlive included, after which Deepgram gives up (NET-0001)."""
_SPEAK_CHUNK_S = 0.1
_ERRORS = {
    400: ("Bad Request", "Bad Request."),
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request."),
    403: ("INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions."),
    404: ("NOT_FOUND", "Not found."),
    429: ("TOO_MANY_REQUESTS", "Too many requests. Please try again later."),
    500: ("INTERNAL_SERVER_ERROR", "Internal Server Error."),
}


def turn_text(turn: int) -> str:
    """The default transcript of a connection's n-th utterance, counted from 1."""
    return f"caller said turn {turn}"


def scripted(transcripts: Sequence[str] | Callable[[int], str], turn: int) -> str:
    """The n-th utterance, counted from 1, of a script: a function, or a list that is continued by `turn_text`."""
    if callable(transcripts):
        return transcripts(turn)
    return transcripts[turn - 1] if turn <= len(transcripts) else turn_text(turn)


class DeepgramStandIn(StandIn):
    """Deepgram on loopback. `base_url` is ``ws://127.0.0.1:PORT``; the same port answers HTTP.

    Args:
        transcripts: What the caller says: a function of the number of the utterance, counted from 1, or a list,
            continued by `turn_text`. Numbers run per connection.
        one_script: Number the utterances over all connections, so that a reconnection goes on where the last one ended.
        stt_final_delay_s: Wait before a final result, seconds.
        endpointing_s: Silence that ends an utterance when the client asks for nothing else, seconds. Deepgram's own
            10 ms would cut a script between words.
        tts_first_byte_s: Wait before the first audio of a text, seconds.
        idle_s: Silence on a ``listen`` socket after which it is closed, seconds.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("listen", "speak", "projects", "models")

    def __init__(
        self,
        *,
        transcripts: Sequence[str] | Callable[[int], str] = (),
        one_script: bool = False,
        stt_final_delay_s: float = 0.0,
        endpointing_s: float | None = 0.5,
        tts_first_byte_s: float = 0.0,
        idle_s: float = IDLE_S,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.transcripts = transcripts
        self.stt_final_delay_s = stt_final_delay_s
        self.endpointing_s = endpointing_s
        self.tts_first_byte_s = tts_first_byte_s
        self.idle_s = idle_s
        self._shared_turns = itertools.count(1) if one_script else None

    @property
    def base_url(self) -> str:
        """``ws://127.0.0.1:PORT``."""
        return self.ws_url

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        upgrade = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        if upgrade and request.path == "/v1/listen":
            return "listen"
        if upgrade and request.path == "/v1/speak":
            return "speak"
        if request.method == "GET" and request.path == "/v1/projects":
            return "projects"
        if request.method == "GET" and request.path == "/v1/models":
            return "models"
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The key of ``Authorization: Token KEY`` (or ``Bearer``, for temporary tokens)."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return key if scheme.lower() in ("token", "bearer") else None

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"err_code", "err_msg", "request_id"}``, the message also in the ``dg-error`` header."""
        code, default = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
        request_id = str(uuid.uuid4())
        body = {"err_code": code, "err_msg": message or default, "request_id": request_id}
        headers = {"dg-error": message or default, "dg-request-id": request_id}
        return web.json_response(body, status=status, headers=headers)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        if log.endpoint == "listen":
            return await self._listen(request, log)
        if log.endpoint == "speak":
            return await self._speak(request, log)
        if log.endpoint == "models":
            return web.json_response(_models())
        project = {"project_id": "00000000-0000-0000-0000-000000000001", "name": "stand-in"}
        return web.json_response({"projects": [project]})

    async def _listen(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        options = ListenOptions.parse(log.query, self.endpointing_s)
        request_id = str(uuid.uuid4())
        turns = self._shared_turns or itertools.count(1)
        listener = Listener(options, request_id, lambda: scripted(self.transcripts, next(turns)))
        session = await Session.open(self, request, log, {"dg-request-id": request_id})
        jobs = Jobs()
        session.close_when_idle(self.idle_s, partial(_give_up, session))
        try:
            await self._listen_loop(session, listener, jobs, request_id)
        except ConnectionResetError:
            pass
        finally:
            session.release()
            await jobs.stop()
        return session.ws

    async def _listen_loop(self, session: Session, listener: Listener, jobs: Jobs, request_id: str) -> None:
        async for message in session.messages():
            if isinstance(message, bytes):
                self._deliver(jobs, session, listener.hear(message))
                continue
            match message.get("type") if isinstance(message, dict) else None:
                case "KeepAlive":
                    pass
                case "Finalize":
                    self._deliver(jobs, session, listener.finalize())
                case "CloseStream":
                    self._deliver(jobs, session, listener.flush())
                    await jobs.drained()
                    await session.send(_listen_metadata(request_id, listener.position_s))
                    await session.close()
                case _:
                    await session.close(1008, "DATA-0000: The payload cannot be decoded as audio.")

    def _deliver(self, jobs: Jobs, session: Session, messages: list[dict[str, Any]]) -> None:
        now_s = asyncio.get_running_loop().time()
        for message in messages:
            delay_s = self.stt_final_delay_s if message.get("is_final") else 0.0
            jobs.put(partial(_send_at, session, message, now_s + delay_s))

    async def _speak(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        encoding, rate = log.query.get("encoding", "linear16"), log.query.get("sample_rate", "24000")
        if encoding not in ENCODINGS:
            raise HttpError(400, "Unsupported audio format: encoding")
        if not rate.isdigit() or not 8000 <= int(rate) <= 48000:
            raise HttpError(400, "Unsupported audio format: sample_rate")
        request_id = str(uuid.uuid4())
        session = await Session.open(self, request, log, {"dg-request-id": request_id})
        speaker = _Speaker(self, session, encoding, int(rate))
        try:
            with contextlib.suppress(ConnectionResetError):
                await session.send(_speak_metadata(request_id, log.query.get("model", "aura-asteria-en")))
                async for message in session.messages():
                    if not await speaker.receive(message):
                        break
        finally:
            await speaker.jobs.stop()
        return session.ws


class _Speaker:
    """One ``/v1/speak`` connection: a text buffer, and audio generated in the background."""

    def __init__(self, stand_in: DeepgramStandIn, session: Session, encoding: str, sample_rate_hz: int) -> None:
        self._stand_in = stand_in
        self._session = session
        self._encoding = encoding
        self._sample_rate_hz = sample_rate_hz
        self._buffer = ""
        self._sequence = itertools.count()
        self.jobs = Jobs()

    async def receive(self, message: Any) -> bool:
        """Take one message; returns whether the connection goes on."""
        match message.get("type") if isinstance(message, dict) else None:
            case "Speak":
                self._buffer += str(message.get("text", ""))
                if self._buffer.rstrip().endswith((".", "!", "?")):
                    self._generate()
            case "Flush":
                self._generate()
                self.jobs.put(partial(self._confirm, "Flushed"))
            case "Clear":
                self._buffer = ""
                self.jobs.clear()
                self.jobs.put(partial(self._confirm, "Cleared"))
            case "Close":
                await self._session.close()
                return False
            case _:
                await self._session.close(1008, "DATA-0000: The payload cannot be decoded as a control message.")
                return False
        return True

    def _generate(self) -> None:
        text, self._buffer = self._buffer, ""
        if text.strip():
            due_s = asyncio.get_running_loop().time() + self._stand_in.tts_first_byte_s
            self.jobs.put(partial(self._say, text, due_s))

    async def _say(self, text: str, due_s: float) -> None:
        pcm = signature(text, self._sample_rate_hz)
        await sleep_until(due_s)
        step = int(self._sample_rate_hz * _SPEAK_CHUNK_S) * 2
        for start in range(0, len(pcm), step):
            await self._session.send(encode(pcm[start : start + step], self._encoding))
            await asyncio.sleep(0)

    async def _confirm(self, kind: str) -> None:
        await self._session.send({"type": kind, "sequence_id": next(self._sequence)})


async def _send_at(session: Session, message: dict[str, Any], due_s: float) -> None:
    await sleep_until(due_s)
    await session.send(message)


async def _give_up(session: Session) -> None:
    await session.close(
        1011, "NET-0001: Deepgram did not receive audio data or a text message within the timeout window."
    )


def _models() -> dict[str, Any]:
    """Two versions of a model, one that does not stream, and a voice."""
    model = {"name": "general", "canonical_name": "nova-3-general", "architecture": "nova-3", "languages": ["en"]}
    model |= {"version": "1", "uuid": "1", "batch": True, "streaming": True, "formatted_output": True}
    voice = {"name": "thalia", "canonical_name": "aura-2-thalia-en", "architecture": "aura-2", "languages": ["en-us"]}
    voice |= {"version": "1", "uuid": "4", "metadata": {"accent": "American", "tags": ["feminine", "clear"]}}
    return {
        "stt": [
            model,
            model | {"version": "2", "uuid": "2", "languages": ["en", "de"]},
            model | {"canonical_name": "whisper-large", "uuid": "3", "streaming": False},
        ],
        "tts": [voice],
    }


def _listen_metadata(request_id: str, duration_s: float) -> dict[str, Any]:
    return {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": request_id,
        "sha256": "0" * 64,
        "created": "2025-01-01T00:00:00.000Z",
        "duration": round(duration_s, 3),
        "channels": 1,
    }


def _speak_metadata(request_id: str, model: str) -> dict[str, Any]:
    return {
        "type": "Metadata",
        "request_id": request_id,
        "model_name": model,
        "model_version": "stand-in",
        "model_uuid": "00000000-0000-0000-0000-000000000002",
    }
