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
from adapters.media.clients.base import CallLeg, Clear, ClientEvent, Mark, MediaClient, PlayAudio, one_digit
from adapters.media.codecs import PCM_SAMPLE_BYTES, pcm_to_ulaw, require_whole_samples
from adapters.media.encodings import PCMU, Encoding
from adapters.media.twilio import SAMPLE_RATE_HZ
from models.errors import InvalidField, MediaProtocolError

FRAME_MS: Final = 20
"""Audio in one ``media`` message, milliseconds."""

_PAYLOADS: Final = 8192
"""Frames whose payload is kept for the next call that says the same: 160 s of audio, 6 MB."""

_MEDIA_END: Final = '"}}'


class TwilioClient(MediaClient):
    """One media stream as Twilio plays it.

    Caller and called number, which Twilio itself does not send, go along as custom parameters, as a TwiML
    ``<Parameter>`` would carry them. Audio leaves in frames of exactly 20 ms; the last one is filled with silence.
    """

    name: ClassVar[str] = "twilio"
    version: ClassVar[str] = "1.0.0"
    """Version of the protocol that ``connected`` names."""
    rates_advice: ClassVar[str] = "Twilio media streams run at 8000 Hz"
    """What a call at any other rate is told."""

    def __init__(self, leg: CallLeg) -> None:
        super().__init__(leg)
        encoding, self._format_name = self._choose_format(leg.sample_rate_hz)
        self._decode, self._encode = encoding.decoder(leg.sample_rate_hz), encoding.encoder(leg.sample_rate_hz)
        self._payload_of = _ulaw_payload if encoding is PCMU else self._coded_payload
        self._frame_bytes = leg.sample_rate_hz * PCM_SAMPLE_BYTES * FRAME_MS // 1000
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
        connected = json.dumps({"event": "connected", "protocol": "Call", "version": self.version})
        return [connected, self._numbered("start", self._start())]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """``media`` messages of 20 ms; see `MediaClient.send_audio`."""
        frame_bytes = self._frame_bytes
        if len(pcm) == frame_bytes and not self._pending:
            return [self._media(self._payload_of(pcm))]
        require_whole_samples(pcm)
        pcm = self._pending + pcm
        whole = len(pcm) - len(pcm) % frame_bytes
        self._pending = pcm[whole:]
        return [self._media(self._payload_of(pcm[at : at + frame_bytes])) for at in range(0, whole, frame_bytes)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """``dtmf``; see `MediaClient.send_dtmf`."""
        return [self._numbered("dtmf", {"track": "inbound_track", "digit": one_digit(digit)})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """``mark``."""
        return [self._numbered("mark", {"name": name})]

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio and ``stop``, which knows no reason."""
        del reason
        rest = self.send_audio(bytes(self._frame_bytes - len(self._pending))) if self._pending else []
        return [*rest, self._stop()]

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
            return [PlayAudio(self._decode(wire.base64_bytes(payload)))]
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
                    return self._decode(a2b_base64(message[len(head) : -len(_MEDIA_END)], strict_mode=True))
                except (ValueError, MediaProtocolError):
                    return None
        return None

    def _choose_format(self, sample_rate_hz: int) -> tuple[Encoding, str]:
        """Return how audio at a rate is written, and the name of that."""
        if sample_rate_hz != SAMPLE_RATE_HZ:
            raise InvalidField("sample_rate_hz", self.rates_advice)
        return PCMU, "audio/x-mulaw"

    def _start(self) -> dict[str, Any]:
        """Return what the ``start`` says of the call."""
        leg = self.leg
        numbers = {name: value for name, value in (("from", leg.from_), ("to", leg.to)) if value}
        return {
            "accountSid": leg.account_id,
            "streamSid": leg.stream_id,
            "callSid": leg.call_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": self._format_name, "sampleRate": leg.sample_rate_hz, "channels": 1},
            "customParameters": {**numbers, **leg.parameters},
        }

    def _stop(self) -> str:
        return self._numbered("stop", {"accountSid": self.leg.account_id, "callSid": self.leg.call_id})

    def _coded_payload(self, pcm: bytes) -> str:
        return _payload(self._encode(pcm))

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
def _ulaw_payload(pcm: bytes) -> str:
    """Return the payload of a frame. Many callers say the same: it is made once for all of them."""
    return _payload(pcm_to_ulaw(pcm))


def _payload(coded: bytes) -> str:
    return b2a_base64(coded, newline=False).decode("ascii")
