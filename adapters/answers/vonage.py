"""Vonage's NCCO: a ``connect`` action whose endpoint is a WebSocket.

Source: https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect
"""

from __future__ import annotations

from typing import Any

from adapters.answers.base import Answer, AnswerFormat, Stream, as_json


class VonageAnswer(AnswerFormat):
    """An NCCO."""

    def connect(self, stream: Stream) -> Answer:
        """Return the document that opens a stream in both directions."""
        endpoint: dict[str, Any] = {
            "type": "websocket",
            "uri": stream.media_url,
            "content-type": "audio/l16;rate=16000",
            # They come back in the first message of the stream.
            "headers": dict(stream.variables),
        }
        if stream.signed:
            endpoint["authorization"] = {"type": "vonage"}
        return as_json([{"action": "connect", "endpoint": [endpoint]}])

    def decline(self, text: str) -> Answer:
        """Return the document that says a sentence; the call ends where an NCCO does."""
        return as_json([{"action": "talk", "text": text}])


VONAGE = VonageAnswer()
