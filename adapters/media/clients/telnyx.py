"""The phone system's side of a Telnyx media stream, `adapters.media.telnyx`: what Telnyx sends and accepts."""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, Clear, ClientEvent, Mark, MediaClient, PlayAudio, one_digit
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.encodings import ENCODINGS, L16, PCMU, Encoding
from adapters.media.telnyx import FRAME_MS
from models.errors import InvalidField, MediaProtocolError

_LONGEST_S: Final = 30
_WIDE_BAND_HZ: Final = 16_000


class TelnyxClient(MediaClient):
    """One media stream as Telnyx plays it, in ``rtp`` mode. Audio leaves in frames of exactly 20 ms.

    Args:
        leg: The call.
        codec: What is sent; '' for PCMU at 8000 Hz and L16 at 16000 Hz.
        heard: What is expected; '' for the same as what is sent.
    """

    name: ClassVar[str] = "telnyx"

    def __init__(self, leg: CallLeg, codec: str = "", heard: str = "") -> None:
        super().__init__(leg)
        rate_hz = leg.sample_rate_hz
        usual = L16 if rate_hz == _WIDE_BAND_HZ else PCMU
        self._codec = ENCODINGS[codec] if codec else usual
        self._encode = _at(rate_hz, self._codec).encoder(rate_hz)
        self._decode = _at(rate_hz, ENCODINGS[heard] if heard else self._codec).decoder(rate_hz)
        self._frame_bytes = rate_hz * PCM_SAMPLE_BYTES * FRAME_MS // 1000
        self._sequence_number = 0
        self._chunk = 0
        self._pending = b""

    def opening(self) -> list[Message]:
        """``connected`` and ``start``."""
        leg = self.leg
        start = {
            "user_id": leg.account_id,
            "call_control_id": leg.call_id,
            "call_session_id": f"session-{leg.call_id}",
            "from": leg.from_,
            "to": leg.to,
            "client_state": "",
            "custom_parameters": dict(leg.parameters),
            "media_format": {"encoding": self._codec.name, "sample_rate": leg.sample_rate_hz, "channels": 1},
        }
        return [json.dumps({"event": "connected", "version": "1.0.0"}), self._numbered("start", start)]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """``media`` messages of 20 ms; see `MediaClient.send_audio`."""
        require_whole_samples(pcm)
        pcm = self._pending + pcm
        size = self._frame_bytes
        whole = len(pcm) - len(pcm) % size
        self._pending = pcm[whole:]
        return [self._media(pcm[at : at + size]) for at in range(0, whole, size)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """``dtmf``; see `MediaClient.send_dtmf`."""
        return [self._numbered("dtmf", {"digit": one_digit(digit)})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """``mark``."""
        return [self._numbered("mark", {"name": name})]

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio and ``stop``, which knows no reason."""
        del reason
        rest = self.send_audio(bytes(self._frame_bytes - len(self._pending))) if self._pending else []
        stop = {"user_id": self.leg.account_id, "call_control_id": self.leg.call_id}
        return [*rest, self._numbered("stop", stop)]

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take ``media``, ``mark`` or ``clear``; see `MediaClient.receive`."""
        if isinstance(message, bytes):
            raise MediaProtocolError("only text messages are allowed")
        document = wire.json_object(message)
        event = document.get("event")
        if event == "media":
            pcm = self._decode(wire.base64_bytes(wire.section(document.get("media")).get("payload")))
            if not self._frame_bytes <= len(pcm) <= self._frame_bytes * 1000 // FRAME_MS * _LONGEST_S:
                raise MediaProtocolError("a message must hold 20 milliseconds to 30 seconds of audio")
            return [PlayAudio(pcm)]
        if event == "mark":
            return [Mark(wire.name(wire.section(document.get("mark")).get("name")))]
        if event == "clear":
            return [Clear()]
        raise MediaProtocolError("unknown event")

    def _media(self, pcm: bytes) -> str:
        timestamp_ms = self._chunk * FRAME_MS
        self._chunk += 1
        media = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(timestamp_ms),
            "payload": b2a_base64(self._encode(pcm), newline=False).decode("ascii"),
        }
        return self._numbered("media", media)

    def _numbered(self, event: str, content: dict[str, Any]) -> str:
        self._sequence_number += 1
        return json.dumps(
            {
                "event": event,
                "sequence_number": str(self._sequence_number),
                "stream_id": self.leg.stream_id,
                event: content,
            }
        )


def _at(rate_hz: int, encoding: Encoding) -> Encoding:
    if rate_hz not in encoding.rates_hz:
        raise InvalidField("sample_rate_hz", "the codec does not run at this rate")
    return encoding
