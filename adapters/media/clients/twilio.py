"""The phone system's side of Twilio Media Streams: what Twilio sends and accepts.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, Clear, ClientEvent, Mark, MediaClient, PlayAudio
from adapters.media.codecs import PCM_SAMPLE_BYTES, ULAW_SILENCE, pcm_to_ulaw, ulaw_to_pcm
from adapters.media.twilio import SAMPLE_RATE_HZ
from models.errors import InvalidField, MediaProtocolError

FRAME_MS: Final = 20
"""Audio in one ``media`` message, milliseconds."""

_FRAME_BYTES: Final = SAMPLE_RATE_HZ * FRAME_MS // 1000
_FRAME_PCM_BYTES: Final = _FRAME_BYTES * PCM_SAMPLE_BYTES
_PAYLOADS: Final = 8192
"""Frames whose payload is kept for the next call that says the same: 160 s of audio, 6 MB."""

_MEDIA_END: Final = '"}}'


class TwilioClient(MediaClient):
    """One media stream as Twilio plays it.

    Caller and called number, which Twilio itself does not send, go along as custom parameters, as a TwiML
    ``<Parameter>`` would carry them. Audio leaves in frames of exactly 20 ms; the last one is filled with silence.
    """

    name: ClassVar[str] = "twilio"

    def __init__(self, leg: CallLeg) -> None:
        super().__init__(leg)
        if leg.sample_rate_hz != SAMPLE_RATE_HZ:
            raise InvalidField("sample_rate_hz", "Twilio media streams run at 8000 Hz")
        self._sequence_number = 0
        self._chunk = 0
        self._pending = b""
        stream = json.dumps(leg.stream_id)
        self._sent_middle = f'", "streamSid": {stream}, "media": {{"track": "inbound", "chunk": "'
        # Audio as the runtime and as `json.dumps` write it; behind either comes nothing but the payload and its end.
        self._heard_heads = (
            f'{{"event":"media","streamSid":{stream},"media":{{"payload":"',
            f'{{"event": "media", "streamSid": {stream}, "media": {{"payload": "',
        )

    def opening(self) -> list[Message]:
        """``connected`` and ``start``."""
        leg = self.leg
        numbers = {name: value for name, value in (("from", leg.from_), ("to", leg.to)) if value}
        connected = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        start = {
            "accountSid": leg.account_id,
            "streamSid": leg.stream_id,
            "callSid": leg.call_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": SAMPLE_RATE_HZ, "channels": 1},
            "customParameters": {**numbers, **leg.parameters},
        }
        return [connected, self._numbered("start", start)]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """``media`` messages of 20 ms; see `MediaClient.send_audio`."""
        if len(pcm) == _FRAME_PCM_BYTES and not self._pending:
            return [self._media(_frame_payload(pcm))]
        ulaw = self._pending + pcm_to_ulaw(pcm)
        whole = len(ulaw) - len(ulaw) % _FRAME_BYTES
        self._pending = ulaw[whole:]
        return [self._media(_payload(ulaw[at : at + _FRAME_BYTES])) for at in range(0, whole, _FRAME_BYTES)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """``dtmf``; see `MediaClient.send_dtmf`."""
        return [self._numbered("dtmf", {"track": "inbound_track", "digit": _one_digit(digit)})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """``mark``."""
        return [self._numbered("mark", {"name": name})]

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio and ``stop``, which knows no reason."""
        del reason
        rest = [self._media(_payload(self._pending.ljust(_FRAME_BYTES, ULAW_SILENCE)))] if self._pending else []
        self._pending = b""
        stop = {"accountSid": self.leg.account_id, "callSid": self.leg.call_id}
        return [*rest, self._numbered("stop", stop)]

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take ``media``, ``mark`` or ``clear``; see `MediaClient.receive`."""
        if isinstance(message, bytes):
            raise MediaProtocolError("only text messages are allowed")
        if (pcm := self._plain_audio(message)) is not None:
            return [PlayAudio(pcm)]
        document = wire.json_object(message)
        if document.get("streamSid") != self.leg.stream_id:
            raise MediaProtocolError("the message is for another stream")
        event = document.get("event")
        if event == "media":
            payload = wire.section(document.get("media")).get("payload")
            return [PlayAudio(ulaw_to_pcm(wire.base64_bytes(payload)))]
        if event == "mark":
            return [Mark(wire.name(wire.section(document.get("mark")).get("name")))]
        if event == "clear":
            return [Clear()]
        raise MediaProtocolError("unknown event")

    def _plain_audio(self, message: str) -> bytes | None:
        """Read audio written in the usual way, fifty times a second; None for anything that must be parsed as JSON."""
        for head in self._heard_heads:
            if message.startswith(head) and message.endswith(_MEDIA_END) and len(message) <= wire.MAX_MESSAGE_CHARS:
                try:
                    # Strict Base64 has no character that could end or escape a JSON string.
                    return ulaw_to_pcm(a2b_base64(message[len(head) : -len(_MEDIA_END)], strict_mode=True))
                except ValueError:
                    return None
        return None

    def _media(self, payload: str) -> str:
        timestamp_ms = self._chunk * FRAME_MS
        self._chunk += 1
        self._sequence_number += 1
        # Put together without a JSON encoder, as Base64 and numbers need no escaping.
        return (
            f'{{"event": "media", "sequenceNumber": "{self._sequence_number}{self._sent_middle}{self._chunk}", '
            f'"timestamp": "{timestamp_ms}", "payload": "{payload}"}}}}'
        )

    def _numbered(self, event: str, content: dict[str, Any]) -> str:
        self._sequence_number += 1
        return json.dumps(
            {
                "event": event,
                "sequenceNumber": str(self._sequence_number),
                "streamSid": self.leg.stream_id,
                event: content,
            }
        )


@lru_cache(maxsize=_PAYLOADS)
def _frame_payload(pcm: bytes) -> str:
    """Return the payload of a frame. Many callers say the same: it is made once for all of them."""
    return _payload(pcm_to_ulaw(pcm))


def _payload(ulaw: bytes) -> str:
    return b2a_base64(ulaw, newline=False).decode("ascii")


def _one_digit(digit: str) -> str:
    if len(digit) != 1:
        raise InvalidField("digit", "one digit at a time")
    return wire.require_digits(digit)
