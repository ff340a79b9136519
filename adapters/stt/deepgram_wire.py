"""Deepgram's live transcription without a socket: URL, control messages, results, and the audio that may be lost.

After https://developers.deepgram.com/reference/speech-to-text/listen-streaming and the pages on Finalize, KeepAlive
and CloseStream.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

KEEP_ALIVE = '{"type": "KeepAlive"}'
FINALIZE = '{"type": "Finalize"}'
CLOSE_STREAM = '{"type": "CloseStream"}'


def listen_url(base_url: str, *, model: str, language: str, sample_rate_hz: int) -> str:
    """The URL of a connection that takes 16-bit little-endian mono PCM.

    Args:
        base_url: ``wss://HOST``.
        model: Deepgram's name of the model.
        language: BCP 47 tag; '' for the model's default.
        sample_rate_hz: Rate of the audio, Hz.
    """
    query = {
        "model": model,
        "encoding": "linear16",
        "sample_rate": str(sample_rate_hz),
        "channels": "1",
        "interim_results": "true",
        "punctuate": "true",
    }
    if language:
        query["language"] = language
    return f"{base_url}/v1/listen?{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class Result:
    """What Deepgram heard in a stretch of audio.

    Attributes:
        text: The words; '' for silence.
        is_final: Whether this stretch will not be heard differently any more.
        from_finalize: Whether this answers a ``Finalize``.
        end_s: Where the stretch ends, seconds of audio since the connection's first.
        language: Language that was recognised, '' when only one was asked for.
    """

    text: str
    is_final: bool
    from_finalize: bool
    end_s: float
    language: str


def parse(message: str | bytes) -> Result | None:
    """Read a message of Deepgram.

    Returns:
        The result, or None for a message that carries none.

    Raises:
        ValueError: It is not what Deepgram sends.
    """
    document = json.loads(message)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    if document.get("type") != "Results":
        return None
    try:
        best = (document["channel"]["alternatives"] or [{}])[0]
        languages = best.get("languages") or [""]
        return Result(
            text=_text(best.get("transcript", "")),
            is_final=document.get("is_final") is True,
            from_finalize=document.get("from_finalize") is True,
            end_s=float(document.get("start", 0.0)) + float(document.get("duration", 0.0)),
            language=_text(languages[0]),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError("malformed results") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


class UnheardAudio:
    """The audio for which no final result has come, so that a new connection can hear it again.

    Args:
        sample_rate_hz: Rate of the 16-bit mono audio, Hz.
        longest_s: How much is kept, seconds; of more, the oldest is dropped.
    """

    def __init__(self, sample_rate_hz: int, longest_s: float) -> None:
        self._bytes_per_s = sample_rate_hz * 2
        self._longest_bytes = int(longest_s * self._bytes_per_s)
        self._chunks: deque[bytes] = deque()
        self._kept_bytes = 0
        self._sent_chunks = 0
        self._settled_bytes = 0

    @property
    def kept_s(self) -> float:
        """How much is kept, seconds."""
        return self._kept_bytes / self._bytes_per_s

    @property
    def end_s(self) -> float:
        """Where all audio so far ends, seconds since this connection's first."""
        return (self._settled_bytes + self._kept_bytes) / self._bytes_per_s

    def rewind(self) -> None:
        """A new connection has begun: everything kept is to be sent again."""
        self._sent_chunks = 0
        self._settled_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Append audio of the caller."""
        self._chunks.append(chunk)
        self._kept_bytes += len(chunk)
        while self._kept_bytes > self._longest_bytes and len(self._chunks) > 1:
            self._drop_oldest()

    def next(self) -> bytes | None:
        """Take the next chunk to send; None when all were taken."""
        if self._sent_chunks >= len(self._chunks):
            return None
        self._sent_chunks += 1
        return self._chunks[self._sent_chunks - 1]

    def settle(self, end_s: float) -> None:
        """Forget what was heard for good.

        Args:
            end_s: Where it ends, seconds of audio since this connection's first.
        """
        end_bytes = round(end_s * self._bytes_per_s)
        while self._sent_chunks and self._settled_bytes + len(self._chunks[0]) <= end_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        chunk = self._chunks.popleft()
        self._kept_bytes -= len(chunk)
        if self._sent_chunks:
            self._sent_chunks -= 1
            self._settled_bytes += len(chunk)
