"""Deepgram's live transcription without a socket: URL, control messages and results.

After https://developers.deepgram.com/reference/speech-to-text/listen-streaming and the pages on Finalize, KeepAlive
and CloseStream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from adapters.requests import Credentials
from adapters.stt.recognizer_wire import Heard, RecognizerWire, json_object, text_of

KEEP_ALIVE = '{"type": "KeepAlive"}'
FINALIZE = '{"type": "Finalize"}'
CLOSE_STREAM = '{"type": "CloseStream"}'


class DeepgramWire(RecognizerWire):
    """The protocol of ``/v1/listen``.

    Args:
        credentials: Key and endpoint, ``wss://HOST``.
        model: Deepgram's name of the model.
        language: Deepgram's form of the language; '' for the model's default.
        sample_rate_hz: Rate of the audio, Hz.
    """

    name = "Deepgram"
    # Deepgram closes after 10 s without a message and asks for one every 3 to 5 s.
    keep_alive_s = 4.0
    ends_utterances = True

    def __init__(self, credentials: Credentials, *, model: str, language: str, sample_rate_hz: int) -> None:
        super().__init__(
            listen_url(credentials.base_url, model=model, language=language, sample_rate_hz=sample_rate_hz),
            {"Authorization": f"Token {credentials.key.get_secret_value()}"},
        )

    def finalize(self, end_s: float) -> str:
        """The message ``Finalize``."""
        del end_s
        return FINALIZE

    def keep_alive(self) -> str:
        """The message ``KeepAlive``."""
        return KEEP_ALIVE

    def goodbye(self) -> str:
        """The message ``CloseStream``."""
        return CLOSE_STREAM

    def receive(self, message: str | bytes) -> Heard | None:
        """Read a message; only ``Results`` say something."""
        return parse(message)

    def refused(self, headers: Mapping[str, str]) -> str:
        """Deepgram's words are in the header ``dg-error``."""
        return headers.get("dg-error", "")


def listen_url(base_url: str, *, model: str, language: str, sample_rate_hz: int) -> str:
    """The URL of a connection that takes 16-bit little-endian mono PCM.

    Args:
        base_url: ``wss://HOST``.
        model: Deepgram's name of the model.
        language: Deepgram's form of the language; '' for the model's default.
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


def parse(message: str | bytes) -> Heard | None:
    """Read a message of Deepgram.

    Returns:
        What was heard, or None for a message that carries no result.

    Raises:
        ValueError: It is not what Deepgram sends.
    """
    document = json_object(message)
    if document.get("type") != "Results":
        return None
    try:
        best = (document["channel"]["alternatives"] or [{}])[0]
        languages = best.get("languages") or [""]
        return Heard(
            text=text_of(best, "transcript"),
            is_final=document.get("is_final") is True,
            answers=document.get("from_finalize") is True,
            end_s=float(document.get("start", 0.0)) + float(document.get("duration", 0.0)),
            language=_text(languages[0]),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError("malformed results") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
