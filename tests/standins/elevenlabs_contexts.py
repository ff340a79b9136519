"""The contexts of one ElevenLabs multi-context WebSocket: text buffers that are spoken independently of each other."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from tests.standins.audio import encode, sample_at, signature
from tests.standins.wire import Jobs, Session, sleep_until

MAX_CONTEXTS = 5
"""Contexts that may be open at once on one socket."""
_DEFAULT_ID = "default"
_SCHEDULE_CHARS = 120
_CHUNK_CHARS = 6


class PolicyViolation(Exception):
    """The client broke a rule; the socket is to be closed with 1008.

    Attributes:
        code: ElevenLabs' name of the error.
        message: Its words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass(eq=False)
class Context:
    """One open context.

    Attributes:
        voice_settings: What its first message said.
        buffer: Text that waits for enough of it, or for a flush.
        jobs: Speaks, one text after the other.
    """

    voice_settings: Any
    buffer: str = ""
    jobs: Jobs = field(default_factory=Jobs)


class Contexts:
    """All contexts of one socket.

    Args:
        session: The socket.
        encoding: Encoding of the audio, by the names of `tests.standins.audio`.
        sample_rate_hz: Its rate, Hz.
        auto_mode: Speak each text as it comes; otherwise text waits until there are 120 characters of it, or a flush.
        first_byte_s: Returns the wait before the first audio of a text, seconds.
    """

    def __init__(
        self,
        session: Session,
        *,
        encoding: str,
        sample_rate_hz: int,
        auto_mode: bool,
        first_byte_s: Callable[[], float],
    ) -> None:
        self._session = session
        self._encoding = encoding
        self._sample_rate_hz = sample_rate_hz
        self._auto_mode = auto_mode
        self._first_byte_s = first_byte_s
        self._open: dict[str, Context] = {}
        self._closing: set[Context] = set()

    async def receive(self, message: Any) -> bool:
        """Take one message; returns whether the socket stays open.

        Raises:
            PolicyViolation: The message breaks a rule.
        """
        if not isinstance(message, dict):
            raise PolicyViolation("invalid_message", "The message is not a JSON object.")
        if message.get("close_socket"):
            for id_ in list(self._open):
                self._close(id_)
            for context in list(self._closing):
                await context.jobs.drained()
            await self._session.close()
            return False
        id_ = message.get("context_id") or _DEFAULT_ID
        if message.get("close_context"):
            self._close(id_)
            return True
        if message.get("text") == "" and not message.get("flush"):
            return True
        context = self._context(id_, message)
        context.buffer += message.get("text") or ""
        if message.get("flush") or self._auto_mode or len(context.buffer) >= _SCHEDULE_CHARS:
            self._generate(id_, context)
        return True

    async def stop(self) -> None:
        """Cancel everything."""
        for context in [*self._open.values(), *self._closing]:
            await context.jobs.stop()

    def _context(self, id_: str, message: dict[str, Any]) -> Context:
        settings = message.get("voice_settings")
        context = self._open.get(id_)
        if context is None:
            if len(self._open) >= MAX_CONTEXTS:
                raise PolicyViolation(
                    "max_contexts_exceeded",
                    f"Maximum simultaneous contexts per WebSocket exceeded ({MAX_CONTEXTS}).",
                )
            context = self._open[id_] = Context(voice_settings=settings)
        elif settings is not None and settings != context.voice_settings:
            raise PolicyViolation(
                "invalid_voice_settings",
                "voice_settings field must be provided in the first message and then "
                "either be not provided or not change.",
            )
        return context

    def _generate(self, id_: str, context: Context) -> None:
        text, context.buffer = context.buffer.strip(), ""
        if text:
            due_s = asyncio.get_running_loop().time() + self._first_byte_s()
            context.jobs.put(partial(self._say, id_, text, due_s))

    def _close(self, id_: str) -> None:
        context = self._open.pop(id_, None)
        if context is not None:
            self._generate(id_, context)
            self._closing.add(context)
            context.jobs.put(partial(self._finish, id_, context))
            context.jobs.end()

    async def _say(self, id_: str, text: str, due_s: float) -> None:
        pcm = signature(text, self._sample_rate_hz)
        await sleep_until(due_s)
        for start in range(0, len(text), _CHUNK_CHARS):
            end = min(start + _CHUNK_CHARS, len(text))
            piece = pcm[2 * sample_at(start, self._sample_rate_hz) : 2 * sample_at(end, self._sample_rate_hz)]
            aligned = alignment(text, start, end)
            message = {
                "audio": base64.b64encode(encode(piece, self._encoding)).decode(),
                "alignment": aligned,
                "normalizedAlignment": aligned,
                "isFinal": None,
                "contextId": id_,
            }
            await self._session.send(message)
            await asyncio.sleep(0)

    async def _finish(self, id_: str, context: Context) -> None:
        self._closing.discard(context)
        await self._session.send({"isFinal": True, "contextId": id_})


def alignment(text: str, start: int, end: int) -> dict[str, list[Any]]:
    """When each character of a piece of text is heard, ms from the piece's first sample.

    The last piece ends with a space of no duration, since ElevenLabs ends every text with one.
    """
    edges_ms = [round(1000 * sample_at(index, 48_000) / 48_000) for index in range(start, end + 1)]
    chars = list(text[start:end])
    if end == len(text):
        chars.append(" ")
        edges_ms.append(edges_ms[-1])
    starts_ms = [edge - edges_ms[0] for edge in edges_ms[:-1]]
    durations_ms = [after - before for before, after in pairwise(edges_ms)]
    return {"chars": chars, "charStartTimesMs": starts_ms, "charDurationsMs": durations_ms}
