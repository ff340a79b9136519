"""The phone system's side of Exotel AgentStream: what a Voicebot applet sends and accepts.

Source: https://developer.exotel.com/docs/agentstream/websocket-protocol and, for the sizes,
https://support.exotel.com/support/solutions/articles/3000108630-working-with-the-stream-applet
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, Clear, ClientEvent, Mark, MediaClient, PlayAudio, one_digit
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.exotel import SAMPLE_RATES_HZ
from models.errors import InvalidField, MediaProtocolError

FRAME_MS: Final = 100
"""Audio in one ``media`` message, milliseconds."""

DTMF_MS: Final = 100
"""How long a key is said to be pressed, milliseconds."""

CHUNK_BYTES: Final = 320
"""Audio comes in multiples of this."""

LEAST_BYTES: Final = 3_200
"""Least audio of one message, bytes."""

MOST_BYTES: Final = 100_000
"""Most audio of one message, bytes."""


class ExotelClient(MediaClient):
    """One voicebot stream as Exotel plays it. Audio leaves in frames of 100 ms, the last one filled with silence."""

    name: ClassVar[str] = "exotel"

    def __init__(self, leg: CallLeg) -> None:
        super().__init__(leg)
        if leg.sample_rate_hz not in SAMPLE_RATES_HZ:
            raise InvalidField("sample_rate_hz", "the stream runs at 8000 or 16000 Hz")
        self._frame_bytes = leg.sample_rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
        self._sequence_number = 0
        self._chunk = 0
        self._pending = b""

    def opening(self) -> list[Message]:
        """``connected`` and ``start``."""
        leg = self.leg
        start = {
            "stream_sid": leg.stream_id,
            "call_sid": leg.call_id,
            "account_sid": leg.account_id,
            "from": leg.from_,
            "to": leg.to,
            "custom_parameters": dict(leg.parameters),
            "media_format": {"encoding": "audio/x-raw", "sample_rate": str(leg.sample_rate_hz), "bit_rate": "16"},
        }
        return [json.dumps({"event": "connected"}), self._numbered("start", start)]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """``media`` messages of 100 ms; see `MediaClient.send_audio`."""
        require_whole_samples(pcm)
        pcm = self._pending + pcm
        size = self._frame_bytes
        whole = len(pcm) - len(pcm) % size
        self._pending = pcm[whole:]
        return [self._media(pcm[at : at + size]) for at in range(0, whole, size)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """``dtmf``; see `MediaClient.send_dtmf`."""
        return [self._numbered("dtmf", {"digit": one_digit(digit), "duration": str(DTMF_MS)})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """``mark``."""
        return [self._numbered("mark", {"name": name})]

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio and ``stop``, whose reason is Exotel's own."""
        del reason
        rest = [self._media(self._pending.ljust(self._frame_bytes, b"\0"))] if self._pending else []
        self._pending = b""
        stop = {"call_sid": self.leg.call_id, "account_sid": self.leg.account_id, "reason": "callended"}
        return [*rest, self._numbered("stop", stop)]

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take ``media``, ``mark`` or ``clear``; see `MediaClient.receive`."""
        if isinstance(message, bytes):
            raise MediaProtocolError("only text messages are allowed")
        document = wire.json_object(message)
        if document.get("stream_sid") != self.leg.stream_id:
            raise MediaProtocolError("the message is for another stream")
        event = document.get("event")
        if event == "media":
            pcm = wire.base64_bytes(wire.section(document.get("media")).get("payload"))
            if len(pcm) % CHUNK_BYTES or not LEAST_BYTES <= len(pcm) <= MOST_BYTES:
                raise MediaProtocolError("audio must be a multiple of 320 bytes, from 3200 to 100000")
            return [PlayAudio(pcm)]
        if event == "mark":
            return [Mark(wire.name(wire.section(document.get("mark")).get("name")))]
        if event == "clear":
            return [Clear()]
        raise MediaProtocolError("unknown event")

    def _media(self, pcm: bytes) -> str:
        timestamp_ms = self._chunk * FRAME_MS
        self._chunk += 1
        payload = b2a_base64(pcm, newline=False).decode("ascii")
        return self._numbered("media", {"chunk": str(self._chunk), "timestamp": str(timestamp_ms), "payload": payload})

    def _numbered(self, event: str, content: dict[str, Any]) -> str:
        self._sequence_number += 1
        return json.dumps(
            {
                "event": event,
                "sequence_number": str(self._sequence_number),
                "stream_sid": self.leg.stream_id,
                event: content,
            }
        )
