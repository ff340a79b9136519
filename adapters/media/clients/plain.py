"""The client's side of the plain protocol, ``docs/protocol-plain.md``."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import (
    CallLeg,
    Clear,
    ClientEvent,
    Dtmf,
    Hangup,
    Mark,
    MediaClient,
    PlayAudio,
    one_digit,
)
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.plain import SAMPLE_RATES_HZ, SUBPROTOCOL
from models.errors import InvalidField, MediaProtocolError


class PlainClient(MediaClient):
    """One stream of the plain protocol, seen by its client. Audio leaves at once, in messages of a second at most."""

    name: ClassVar[str] = "plain"
    subprotocol: ClassVar[str | None] = SUBPROTOCOL

    def __init__(self, leg: CallLeg) -> None:
        super().__init__(leg)
        if leg.sample_rate_hz not in SAMPLE_RATES_HZ:
            raise InvalidField("sample_rate_hz", "the plain protocol runs at 8000 or 16000 Hz")
        self._second_bytes = leg.sample_rate_hz * PCM_SAMPLE_BYTES

    def opening(self) -> list[Message]:
        """``start``."""
        leg = self.leg
        start: dict[str, Any] = {"event": "start", "sample_rate": leg.sample_rate_hz, "call_id": leg.call_id}
        return [json.dumps({**start, "from": leg.from_, "to": leg.to, "parameters": dict(leg.parameters)})]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Binary messages; see `MediaClient.send_audio`."""
        require_whole_samples(pcm)
        return [pcm[at : at + self._second_bytes] for at in range(0, len(pcm), self._second_bytes)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """``dtmf``; see `MediaClient.send_dtmf`."""
        return [json.dumps({"event": "dtmf", "digit": one_digit(digit)})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """``mark``."""
        return [json.dumps({"event": "mark", "name": name})]

    def send_stop(self, reason: str = "") -> list[Message]:
        """``stop``."""
        return [json.dumps({"event": "stop", "reason": reason})]

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take audio, ``mark``, ``clear``, ``dtmf`` or ``hangup``; see `MediaClient.receive`."""
        if isinstance(message, bytes):
            return self._audio(message)
        document = wire.json_object(message)
        event = document.get("event")
        if event == "mark":
            return [Mark(wire.name(document.get("name")))]
        if event == "clear":
            return [Clear()]
        if event == "dtmf":
            return [Dtmf("".join(wire.digit(digit) for digit in wire.name(document.get("digits"))))]
        if event == "hangup":
            return [Hangup()]
        raise MediaProtocolError("unknown event")

    def _audio(self, pcm: bytes) -> list[ClientEvent]:
        if not pcm or len(pcm) % PCM_SAMPLE_BYTES:
            raise MediaProtocolError("audio must be whole 16-bit samples")
        if len(pcm) > self._second_bytes:
            raise MediaProtocolError("a message may hold one second of audio at most")
        return [PlayAudio(pcm)]
