"""Hume's Octave (https://dev.hume.ai/reference/text-to-speech-tts/synthesize-json-streaming): PCM at 48 kHz only."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx

from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.speech_request import SpeechRequest, Word
from adapters.tts.word_times import WrittenWords

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OCTAVE_2 = "2"


class HumeVoice(SpeechRequest):
    """Sends one utterance and gets lines of JSON with audio and, of Octave 2, with the times of the words.

    Args:
        request: What to make it from. The voice decides the language.
    """

    times_words = True
    # The vendor takes 5000 characters, and warns of long utterances that it may not split.
    longest_text = 1000
    # https://dev.hume.ai/docs/resources/errors
    no_credit_codes = frozenset({"E0300", "E0301"})

    def __init__(self, *, request: TtsRequest) -> None:
        super().__init__(request=request, push_text_frames=False)
        self._headers = {"X-Hume-Api-Key": request.credentials.key.get_secret_value()}
        self._voice_provider = request.options.get("voice_provider", "")

    def ask(self, text: str) -> httpx.Request:
        """Make the request for a text."""
        model = str(self._settings.model)
        body: dict[str, Any] = {
            "utterances": [{"text": text, "voice": voice_of(str(self._settings.voice), self._voice_provider)}],
            "format": {"type": "pcm"},
            "instant_mode": True,
            # One snippet, so that all times count from its beginning.
            "split_utterances": False,
            "version": model,
        }
        if model == _OCTAVE_2:
            body["include_timestamp_types"] = ["word"]
        return self.post("/v0/tts/stream/json", self._headers, json=body)

    def is_speech(self, content_type: str) -> bool:
        """Whether an answer of that type can hold speech: lines of JSON, whatever they are called."""
        return content_type != "text/html"

    async def listen(self, response: httpx.Response, text: str) -> AsyncGenerator[bytes | Word, None]:
        """Take the audio and the words out of the lines."""
        written, audio_s, last_s = WrittenWords(text), 0.0, 0.0
        async for line in lines_of(response.aiter_bytes()):
            message = json.loads(line)
            if not isinstance(message, dict):
                raise ValueError("the vendor sent a line that is no object")
            kind = message.get("type")
            if kind == "audio" or "audio" in message:
                pcm = base64.b64decode(str(message.get("audio", "")), validate=True)
                audio_s += len(pcm) / 2 / self.sample_rate
                yield pcm
            elif kind == "timestamp":
                told, begin_s = _word(message)
                for word in written.heard(told):
                    yield Word(word, begin_s)
                    last_s = begin_s
            elif kind is None or kind == "error":
                raise ValueError("the vendor sent an error in place of speech")
        # Octave 1 tells no times.
        rest = written.rest()
        for number, word in enumerate(rest):
            yield Word(word, last_s + (audio_s - last_s) * number / len(rest))


def voice_of(name: str, provider: str) -> dict[str, str]:
    """Return how a request names a voice.

    Args:
        name: An id, or a name.
        provider: ``HUME_AI`` or ``CUSTOM_VOICE``, in whose library a name is looked up; '' for Hume's own. An id needs
            none.
    """
    if _ID.fullmatch(name):
        return {"id": name} | ({"provider": provider} if provider else {})
    return {"name": name, "provider": provider or "HUME_AI"}


def _word(message: dict[str, Any]) -> Word:
    try:
        timestamp = message["timestamp"]
        return Word(str(timestamp["text"]), float(timestamp["time"]["begin"]) / 1000)
    except (KeyError, TypeError):
        raise ValueError("the vendor sent a timestamp that is none") from None


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Put the lines of a body together, empty ones left out.

    httpx would also end lines at characters that JSON may hold, such as U+2028.
    """
    rest = bytearray()
    async for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *lines, last = rest.split(b"\n")
            rest = last
            for line in lines:
                if line.strip():
                    yield bytes(line)
    if rest.strip():
        yield bytes(rest)


def build(row: ProviderRow, request: TtsRequest) -> HumeVoice:
    """Make the service.

    Args:
        row: Hume's row.
        request: What to make it from.
    """
    del row
    return HumeVoice(request=request)
