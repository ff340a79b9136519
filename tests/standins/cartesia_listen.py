"""Cartesia's live transcription on one WebSocket: audio and commands in, the vendor's events out.

Written after https://docs.cartesia.ai/api-reference/stt/websocket, the pages on common pitfalls (a transcript is what
was added since the last final one) and models (languages), and https://docs.cartesia.ai/use-the-api/api-errors; checked
against the ``cartesia`` package and Pipecat's Cartesia service.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.standins.deepgram_listen import Listener, ListenOptions
from tests.standins.wire import Jobs, Session, sleep_until

IDLE_S = 180.0
"""Silence on the socket after which Cartesia closes it, seconds."""

_ENCODINGS = {"pcm_s16le": "linear16", "pcm_mulaw": "mulaw", "pcm_alaw": "alaw"}
_WHISPER = ("ink-whisper", "ink-whisper-2025-06-04")
_WHISPER_LANGUAGES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la "
    "mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be "
    "tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue"
)


class Refused(Exception):
    """The vendor answers an error event and closes.

    Attributes:
        event: The event.
    """

    def __init__(self, status: int, code: str, title: str, message: str) -> None:
        super().__init__(code)
        self.event = {
            "type": "error",
            "title": title,
            "message": message,
            "error_code": code,
            "status_code": status,
            "request_id": "stand-in",
        }


class Transcription:
    """One connection.

    Args:
        session: The socket.
        query: The query of the upgrade.
        next_text: Gives the words of the next utterance.
        final_delay_s: Returns the wait before a final transcript, seconds.

    Raises:
        Refused: The vendor does not take the query.
    """

    def __init__(
        self,
        session: Session,
        query: Mapping[str, str],
        next_text: Callable[[], str],
        final_delay_s: Callable[[], float],
    ) -> None:
        self._session = session
        self._language = _checked_language(query)
        self._listener = Listener(_options(query), "stand-in", next_text)
        self._final_delay_s = final_delay_s
        self._jobs = Jobs()

    async def serve(self) -> None:
        """Hear until the client closes.

        Raises:
            Refused: The client sent what the vendor does not know.
        """
        try:
            async for message in self._session.messages(as_json=False):
                if isinstance(message, bytes):
                    self._send(self._listener.hear(message))
                elif message == "finalize":
                    self._finalize({"type": "flush_done", "request_id": "stand-in"})
                elif message in ("close", "done"):
                    self._finalize({"type": "done", "request_id": "stand-in"})
                    await self._jobs.drained()
                    await self._session.close()
                    return
                else:
                    raise Refused(400, "invalid_command", "Invalid command", "Unknown text command.")
        finally:
            await self._jobs.stop()

    def _send(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            event = self._event(message, is_final=False)
            if event["text"]:
                self._jobs.put(partial(self._session.send, event))

    def _finalize(self, acknowledgment: dict[str, Any]) -> None:
        due_s = asyncio.get_running_loop().time() + self._final_delay_s()
        (message,) = self._listener.finalize()
        event = self._event(message, is_final=True)
        text = event["text"]
        # In two pieces, cut within a word: whoever trims them or puts a space between them shows it.
        for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
            if piece:
                self._jobs.put(partial(self._at, due_s, event | {"text": piece}))
        self._jobs.put(partial(self._at, due_s, acknowledgment))

    async def _at(self, due_s: float, event: dict[str, Any]) -> None:
        await sleep_until(due_s)
        await self._session.send(event)

    def _event(self, message: dict[str, Any], *, is_final: bool) -> dict[str, Any]:
        best = message.get("channel", {}).get("alternatives", [{"transcript": "", "words": []}])[0]
        return {
            "type": "transcript",
            "is_final": is_final,
            "request_id": "stand-in",
            "text": best["transcript"],
            "duration": message.get("duration", 0.0),
            "language": self._language,
            "words": [{"word": it["punctuated_word"], "start": it["start"], "end": it["end"]} for it in best["words"]],
        }


async def transcribe(
    session: Session, query: Mapping[str, str], next_text: Callable[[], str], final_delay_s: Callable[[], float]
) -> None:
    """Serve one connection, errors included."""
    session.close_when_idle(IDLE_S, session.close)
    try:
        await Transcription(session, query, next_text, final_delay_s).serve()
    except Refused as refused:
        with contextlib.suppress(ConnectionResetError):
            await session.send(refused.event)
            await session.close()
    except ConnectionResetError:
        pass
    finally:
        session.release()


def _options(query: Mapping[str, str]) -> ListenOptions:
    encoding, rate = _ENCODINGS.get(query.get("encoding", "")), query.get("sample_rate", "")
    if encoding is None:
        raise Refused(400, "invalid_encoding", "Invalid encoding", "The encoding is missing or unknown.")
    if not rate.isdigit() or not 8000 <= int(rate) <= 48000:
        raise Refused(400, "invalid_sample_rate", "Invalid sample rate", "The sample rate is missing or invalid.")
    return ListenOptions(
        encoding=encoding,
        sample_rate_hz=int(rate),
        interim_results=True,
        endpointing_s=None,
        utterance_end_s=None,
        vad_events=False,
        model=query.get("model", ""),
    )


def _checked_language(query: Mapping[str, str]) -> str:
    model, language = query.get("model", ""), query.get("language", "en")
    if model != "ink-2" and model not in _WHISPER:
        raise Refused(
            400, "model_not_found", "Invalid model", "The model is not valid, make sure it is a valid model ID."
        )
    if language not in (_WHISPER_LANGUAGES.split() if model in _WHISPER else ["en"]):
        raise Refused(400, "language_not_supported", "Invalid language", "The model does not support this language.")
    return language
