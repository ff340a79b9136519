"""The phone system's side of a SignalWire media stream, `adapters.media.signalwire`."""

from __future__ import annotations

import json
from typing import ClassVar, Final

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, ClientEvent, Dtmf, one_digit
from adapters.media.clients.twilio import TwilioClient
from adapters.media.encodings import L16, Encoding
from models.errors import MediaProtocolError

_WIDE_BAND_HZ: Final = 16_000
_KEY_MS: Final = 100


class SignalWireClient(TwilioClient):
    """One media stream as SignalWire plays it: µ-law at 8000 Hz, L16 at 16000 Hz.

    As documented, ``media`` and ``stop`` come without the ``streamSid``, and a mark is echoed without a number.
    """

    name: ClassVar[str] = "signalwire"
    version: ClassVar[str] = "0.2.0"
    rates_advice: ClassVar[str] = "SignalWire media streams run at 8000 or 16000 Hz here"

    def __init__(self, leg: CallLeg) -> None:
        super().__init__(leg)
        self._sent_middle = '", "media": {"track": "inbound", "chunk": "'

    def send_dtmf(self, digit: str) -> list[Message]:
        """``dtmf``; see `MediaClient.send_dtmf`."""
        return [self._numbered("dtmf", {"digit": one_digit(digit), "duration": _KEY_MS})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """``mark``."""
        return [json.dumps({"event": "mark", "streamSid": self.leg.stream_id, "mark": {"name": name}})]

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take ``media``, ``mark``, ``clear`` or ``dtmf``; see `MediaClient.receive`."""
        if isinstance(message, str) and '"dtmf"' in message:
            document = wire.json_object(message)
            if document.get("event") == "dtmf":
                if document.get("streamSid") != self.leg.stream_id:
                    raise MediaProtocolError("the message is for another stream")
                return [Dtmf(wire.digit(wire.section(document.get("dtmf")).get("digit")))]
        return super().receive(message)

    def _choose_format(self, sample_rate_hz: int) -> tuple[Encoding, str]:
        if sample_rate_hz == _WIDE_BAND_HZ:
            return L16, "audio/x-L16"
        return super()._choose_format(sample_rate_hz)

    def _stop(self) -> str:
        self._sequence_number += 1
        return json.dumps({"event": "stop", "sequenceNumber": str(self._sequence_number)})
