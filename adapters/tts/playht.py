"""PlayHT's streaming endpoint (https://docs.play.ht/reference/api-generate-tts-audio-stream), for servers that have it.

The vendor closed at the end of 2025, so nobody reaches this without an endpoint of the operator's.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator

import httpx

from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.speech_request import SpeechRequest, Word

_LONGEST_HEADER = 4096


class PlayHtVoice(SpeechRequest):
    """Sends JSON and gets a WAV file, the only format with all of the sound that the engines of its last years have.

    Args:
        request: What to make it from. The voice decides the language; the model is the ``voice_engine``.
    """

    # Of the engines but Play3.0-mini, which takes ten times as much.
    longest_text = 2000

    def __init__(self, *, request: TtsRequest) -> None:
        super().__init__(request=request)
        self._headers = {
            "AUTHORIZATION": f"Bearer {request.credentials.key.get_secret_value()}",
            "X-USER-ID": request.credentials.identity,
            "Accept": "audio/wav",
        }

    def ask(self, text: str) -> httpx.Request:
        """Make the request for a text."""
        body = {
            "text": text,
            "voice": str(self._settings.voice),
            "voice_engine": str(self._settings.model),
            "output_format": "wav",
            "sample_rate": self.sample_rate,
        }
        return self.post("/api/v2/tts/stream", self._headers, json=body)

    async def listen(self, response: httpx.Response, text: str) -> AsyncGenerator[bytes | Word, None]:
        """Take the samples out of the WAV file."""
        del text
        head, start = bytearray(), 0
        async for piece in response.aiter_bytes():
            if start:
                yield piece
                continue
            head += piece
            start = wav_start(bytes(head), self.sample_rate)
            if start:
                yield bytes(head[start:])
        if head and not start:
            raise ValueError("the vendor sent no WAV file")


def wav_start(head: bytes, rate_hz: int) -> int:
    """Find where the samples of a WAV file begin.

    Args:
        head: Its first bytes.
        rate_hz: The rate that it must have, Hz.

    Returns:
        The position of the first sample; 0 when more of the file is needed.

    Raises:
        ValueError: It is no WAV file with 16-bit mono PCM of that rate.
    """
    if head[:4] != b"RIFF"[: len(head)]:
        raise ValueError("the vendor sent no WAV file")
    at = 12
    while len(head) >= at + 8:
        name, size = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"data":
            return at
        if name == b"fmt " and len(head) >= at + 16:
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, at)
            if (kind, channels, rate, bits) != (1, 1, rate_hz, 16):
                raise ValueError("the vendor sent a WAV file of another format")
        at += size + size % 2
    if len(head) > _LONGEST_HEADER:
        raise ValueError("the vendor sent a WAV file without samples")
    return 0


def build(row: ProviderRow, request: TtsRequest) -> PlayHtVoice:
    """Make the service.

    Args:
        row: PlayHT's row.
        request: What to make it from.
    """
    del row
    return PlayHtVoice(request=request)
