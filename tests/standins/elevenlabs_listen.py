"""ElevenLabs' live transcription on one WebSocket: audio chunks in, the vendor's events out.

Written after https://elevenlabs.io/docs/api-reference/speech-to-text/v-1-speech-to-text-realtime, the realtime event
reference beside it (all errors) and https://github.com/elevenlabs/packages/issues/378 (a commit of too little audio);
checked against the ``elevenlabs`` package and Pipecat's ElevenLabs service.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.standins.base import LoggedRequest
from tests.standins.deepgram_listen import Listener, ListenOptions
from tests.standins.wire import Jobs, Session, sleep_until

IDLE_S = 15.0
"""Silence on the socket after which ElevenLabs closes it, seconds."""

LEAST_COMMIT_S = 0.3
"""A commit of less audio than this is ignored, seconds."""

_FORMATS = {f"pcm_{rate_hz}": ("linear16", rate_hz) for rate_hz in (8000, 16_000, 22_050, 24_000, 44_100, 48_000)}
_FORMATS["ulaw_8000"] = ("mulaw", 8000)
_MODELS = ("scribe_v2_realtime",)
_LANGUAGE = re.compile(r"[a-z]{2,3}")


class SessionError(Exception):
    """The vendor answers an error event and closes.

    Attributes:
        kind: The event's ``message_type``.
        message: Its ``error``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.message = message


@dataclass(frozen=True)
class RealtimeOptions:
    """The query parameters that matter.

    Attributes:
        encoding: Encoding of the audio, by the names of `tests.standins.audio`.
        sample_rate_hz: Its rate, Hz.
        config: What ``session_started`` tells.
    """

    encoding: str
    sample_rate_hz: int
    config: Mapping[str, Any]

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> RealtimeOptions:
        """Read the query of the upgrade.

        Raises:
            SessionError: The vendor does not take it.
        """
        audio_format, language = query.get("audio_format", "pcm_16000"), query.get("language_code")
        if query.get("model_id") not in _MODELS:
            raise SessionError("invalid_request", "The model_id is missing or invalid.")
        if audio_format not in _FORMATS:
            raise SessionError("invalid_request", "The audio_format is invalid.")
        if query.get("commit_strategy", "manual") != "manual":
            raise SessionError("invalid_request", "The stand-in has no VAD of its own.")
        if language is not None and not _LANGUAGE.fullmatch(language):
            raise SessionError("invalid_request", "The language_code must be in ISO 639-1 or ISO 639-3.")
        encoding, rate_hz = _FORMATS[audio_format]
        config = {"sample_rate": rate_hz, "audio_format": audio_format, "model_id": query["model_id"]}
        config |= {"commit_strategy": "manual", "language_code": language, "include_timestamps": False}
        return cls(encoding, rate_hz, config)


class Scribe:
    """One session.

    Args:
        session: The socket.
        log: Its log; gets the audio out of the messages.
        options: The query.
        next_text: Gives the words of the next utterance.
        final_delay_s: Returns the wait before a committed transcript, seconds.
        keep_audio: Whether the log keeps the audio.
    """

    def __init__(
        self,
        session: Session,
        log: LoggedRequest,
        options: RealtimeOptions,
        next_text: Callable[[], str],
        final_delay_s: Callable[[], float],
        *,
        keep_audio: bool,
    ) -> None:
        self._session = session
        self._log = log
        self._options = options
        hearing = ListenOptions(
            encoding=options.encoding,
            sample_rate_hz=options.sample_rate_hz,
            interim_results=True,
            endpointing_s=None,
            utterance_end_s=None,
            vad_events=False,
            model="scribe",
        )
        self._listener = Listener(hearing, "stand-in", next_text)
        self._final_delay_s = final_delay_s
        self._keep_audio = keep_audio
        self._committed_s = 0.0
        self._heard_s = 0.0
        self.jobs = Jobs()

    async def serve(self) -> None:
        """Hear until the client closes.

        Raises:
            SessionError: The client sent what the vendor does not take.
        """
        started = {"message_type": "session_started", "session_id": "stand-in", "config": self._options.config}
        await self._session.send(started)
        async for message in self._session.messages():
            self._hear(*self._read(message))

    def _read(self, message: Any) -> tuple[bytes, bool]:
        if not isinstance(message, dict) or message.get("message_type") != "input_audio_chunk":
            raise SessionError("input_error", "The message is not an input_audio_chunk.")
        encoded, commit = message.get("audio_base_64"), message.get("commit", False)
        if not isinstance(encoded, str) or not isinstance(commit, bool):
            raise SessionError("input_error", "audio_base_64 must be a text and commit a boolean.")
        if message.get("sample_rate", self._options.sample_rate_hz) != self._options.sample_rate_hz:
            raise SessionError("input_error", "The sample_rate is not that of the audio_format.")
        try:
            return base64.b64decode(encoded, validate=True), commit
        except ValueError:
            raise SessionError("input_error", "audio_base_64 is not base64.") from None

    def _hear(self, audio: bytes, commit: bool) -> None:
        self._log.audio_bytes += len(audio)
        if self._keep_audio:
            self._log.audio += audio
        self._heard_s += len(audio) / self._options.sample_rate_hz / (2 if self._options.encoding == "linear16" else 1)
        for heard in self._listener.hear(audio):
            text = _text(heard)
            if text:
                self.jobs.put(partial(self._session.send, {"message_type": "partial_transcript", "text": text}))
        if commit:
            self._commit()

    def _commit(self) -> None:
        due_s = asyncio.get_running_loop().time() + self._final_delay_s()
        fresh_s = self._heard_s - self._committed_s
        if fresh_s < LEAST_COMMIT_S - 1e-6:
            event = {
                "message_type": "commit_throttled",
                "error": f"Commit request ignored: only {fresh_s:.2f}s of uncommitted audio. "
                f"You need at least {LEAST_COMMIT_S}s of uncommitted audio before committing.",
            }
        else:
            self._committed_s = self._heard_s
            (final,) = self._listener.finalize()
            event = {"message_type": "committed_transcript", "text": _text(final)}
        self.jobs.put(partial(self._send_at, event, due_s))

    async def _send_at(self, event: dict[str, Any], due_s: float) -> None:
        await sleep_until(due_s)
        await self._session.send(event)


def _text(heard: Mapping[str, Any]) -> str:
    return str(heard["channel"]["alternatives"][0]["transcript"]) if heard["type"] == "Results" else ""


async def end_with(session: Session, error: SessionError) -> None:
    """Report an error, then close."""
    with contextlib.suppress(ConnectionResetError):
        await session.send({"message_type": error.kind, "error": error.message})
        await session.close()
