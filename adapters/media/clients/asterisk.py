"""Asterisk's side of a chan_websocket: what it sends and accepts.

Source: https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/
"""

from __future__ import annotations

import json
from typing import ClassVar, Final

from adapters.media.asterisk import CODECS, FRAME_MS, MAX_MESSAGE_BYTES, SUBPROTOCOL
from adapters.media.asterisk_wire import Spelling, read_command
from adapters.media.base import Message
from adapters.media.clients.base import (
    CallLeg,
    Clear,
    ClientEvent,
    Hangup,
    Mark,
    MediaClient,
    PlayAudio,
    one_digit,
)
from adapters.media.codecs import require_whole_samples
from models.errors import InvalidField, MediaProtocolError

_USUAL_CODECS: Final = {8000: "ulaw", 16000: "slin16"}


class AsteriskClient(MediaClient):
    """One media WebSocket as Asterisk plays it.

    Caller and called number, which Asterisk itself does not send, go along as channel variables. Audio leaves in frames
    of exactly 20 ms. The channel plays nothing before it is answered, like one that is dialled with the option ``n``.

    Args:
        leg: The call; its `CallLeg.stream_id` is the connection's id and its `CallLeg.call_id` the channel's.
        codec: Name of the channel's codec; None for the usual one of the leg's rate.
        spelling: How control messages are written; plain text carries no numbers and parameters.
    """

    name: ClassVar[str] = "asterisk"
    subprotocol: ClassVar[str | None] = SUBPROTOCOL

    def __init__(self, leg: CallLeg, codec: str | None = None, spelling: Spelling = Spelling.JSON) -> None:
        super().__init__(leg)
        codec = codec or _USUAL_CODECS.get(leg.sample_rate_hz, "")
        if codec not in CODECS or CODECS[codec].sample_rate_hz != leg.sample_rate_hz:
            raise InvalidField("sample_rate_hz", "the channel's codec runs at another rate")
        self._format = codec
        self._codec = CODECS[codec]
        self._frame_bytes = self._codec.frame_bytes
        self._spelling = spelling
        self._pending = b""
        self.answered = False

    def opening(self) -> list[Message]:
        """``MEDIA_START``."""
        leg = self.leg
        fields = {
            "connection_id": leg.stream_id,
            "channel": f"WebSocket/{leg.stream_id}/0x1",
            "channel_id": leg.call_id,
            "format": self._format,
            "optimal_frame_size": self._frame_bytes,
            "ptime": FRAME_MS,
        }
        if self._spelling is Spelling.PLAIN:
            return [" ".join(("MEDIA_START", *(f"{name}:{value}" for name, value in fields.items())))]
        numbers = {name: value for name, value in (("from", leg.from_), ("to", leg.to)) if value}
        variables = {**numbers, **leg.parameters}
        return [json.dumps({"event": "MEDIA_START", **fields, "channel_variables": variables})]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Binary messages of 20 ms; see `MediaClient.send_audio`."""
        require_whole_samples(pcm)
        audio = self._pending + self._codec.encode(pcm)
        whole = len(audio) - len(audio) % self._frame_bytes
        self._pending = audio[whole:]
        return [audio[at : at + self._frame_bytes] for at in range(0, whole, self._frame_bytes)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """``DTMF_END``; see `MediaClient.send_dtmf`."""
        digit = one_digit(digit)
        if self._spelling is Spelling.PLAIN:
            return [f"DTMF_END digit:{digit} channel_id:{self.leg.call_id}"]
        return [json.dumps({"event": "DTMF_END", "channel_id": self.leg.call_id, "digit": digit})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """``MEDIA_MARK_PROCESSED``."""
        if self._spelling is Spelling.PLAIN:
            return [f"MEDIA_MARK_PROCESSED {name}"]
        event = {"event": "MEDIA_MARK_PROCESSED", "channel_id": self.leg.call_id, "correlation_id": name}
        return [json.dumps(event)]

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio; the stream ends when the socket is closed."""
        del reason
        missing = (self._frame_bytes - len(self._pending)) // len(self._codec.silence)
        rest, self._pending = self._pending, b""
        return [rest + self._codec.silence * missing] if rest else []

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take audio or a command; see `MediaClient.receive`."""
        if isinstance(message, bytes):
            return self._audio(message)
        command, correlation_id = read_command(self._spelling, message)
        if command == "MARK_MEDIA":
            return [Mark(correlation_id)]
        if command == "FLUSH_MEDIA":
            return [Clear()]
        if command == "HANGUP":
            return [Hangup()]
        if command == "ANSWER":
            self.answered = True
            return []
        raise MediaProtocolError("unknown command")

    def _audio(self, message: bytes) -> list[ClientEvent]:
        if not self.answered:
            raise MediaProtocolError("the channel is not answered")
        if not message or len(message) % self._frame_bytes:
            raise MediaProtocolError("audio must be whole frames of optimal_frame_size")
        if len(message) > MAX_MESSAGE_BYTES:
            raise MediaProtocolError("the message is too long")
        return [PlayAudio(self._codec.decode(message))]
