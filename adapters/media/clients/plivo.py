"""The phone system's side of Plivo audio streams: what Plivo sends and accepts.

Source: https://www.plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference
"""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import (
    CallLeg,
    Clear,
    ClientEvent,
    Dtmf,
    Mark,
    MediaClient,
    PlayAudio,
    one_digit,
)
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.plivo import FORMATS, L16, ULAW
from models.errors import InvalidField, MediaProtocolError

FRAME_MS: Final = 20
"""Audio in one ``media`` message, milliseconds."""

EPOCH_MS: Final = 1_705_312_200_000
"""Time of day of the first message of audio, milliseconds since 1970."""

_MAX_EXTRA_HEADERS_BYTES: Final = 512
_PAIR: Final = re.compile(r"[^=;,:{}\"]+")


class PlivoClient(MediaClient):
    """One audio stream as Plivo plays it: µ-law at 8000 Hz, 16-bit PCM at 16000 Hz or where it is asked for.

    Custom parameters and the numbers, which Plivo itself does not send, go along as ``extraHeaders``. Audio leaves in
    frames of exactly 20 ms, the last one filled with silence. The stream ends without a message.
    """

    name: ClassVar[str] = "plivo"
    audio_names_stream: ClassVar[bool] = False
    """Whether ``playAudio`` has to carry the stream id."""
    first_number: ClassVar[int] = 1
    """The sequence number of the start."""

    def __init__(self, leg: CallLeg, *, encoding: str | None = None) -> None:
        """Prepare the client for one call.

        Args:
            leg: The call.
            encoding: ``audio/x-mulaw`` or ``audio/x-l16``; None for what is usual at the leg's rate.

        Raises:
            InvalidField: The protocol cannot carry the leg's sample rate or its parameters.
        """
        super().__init__(leg)
        self._encoding = encoding or (ULAW if leg.sample_rate_hz == 8000 else L16)
        written = FORMATS.get((self._encoding, leg.sample_rate_hz))
        if written is None:
            raise InvalidField("sample_rate_hz", "the stream runs at 8000 Hz, and at 16000 Hz as audio/x-l16")
        self._decode, self._encode = written.decoder(leg.sample_rate_hz), written.encoder(leg.sample_rate_hz)
        numbers = {name: value for name, value in (("from", leg.from_), ("to", leg.to)) if value}
        self._extra_headers = self._written({**numbers, **leg.parameters})
        if len(self._extra_headers.encode()) > _MAX_EXTRA_HEADERS_BYTES:
            raise InvalidField("parameters", "extraHeaders may have 512 bytes")
        self._frame_bytes = leg.sample_rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
        self._sequence_number = self.first_number
        self._chunk = 0
        self._pending = b""

    def opening(self) -> list[Message]:
        """``start``."""
        leg = self.leg
        start = {
            "callId": leg.call_id,
            "streamId": leg.stream_id,
            "accountId": leg.account_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": self._encoding, "sampleRate": leg.sample_rate_hz},
        }
        return [self._numbered("start", {"start": start, "extra_headers": self._extra_headers})]

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
        dtmf = {"track": "inbound", "digit": one_digit(digit), "timestamp": self._time()}
        return [self._of_stream("dtmf", {"dtmf": dtmf})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """``playedStream``."""
        return [self._of_stream("playedStream", {"name": name})]

    def send_cleared(self) -> list[Message]:
        """``clearedAudio``."""
        return [self._of_stream("clearedAudio", {})]

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio; the socket's close is the end."""
        del reason
        pending, self._pending = self._pending, b""
        return [self._media(pending.ljust(self._frame_bytes, b"\0"))] if pending else []

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take ``playAudio``, ``checkpoint``, ``clearAudio`` or ``sendDTMF``; see `MediaClient.receive`."""
        if isinstance(message, bytes):
            raise MediaProtocolError("only text messages are allowed")
        document = wire.json_object(message)
        event = document.get("event")
        if event == "playAudio":
            if self.audio_names_stream:
                self._require_stream(document)
            return [PlayAudio(self._heard(wire.section(document.get("media"))))]
        if event == "checkpoint":
            self._require_stream(document)
            return [Mark(wire.name(document.get("name")))]
        if event == "clearAudio":
            self._require_stream(document)
            return [Clear()]
        return self._other(event, document)

    def _other(self, event: object, document: dict[str, Any]) -> list[ClientEvent]:
        """Read what not every system of this protocol takes."""
        if event == "sendDTMF":
            return [Dtmf("".join(wire.digit(digit) for digit in wire.name(document.get("dtmf"))))]
        raise MediaProtocolError("unknown event")

    def _written(self, parameters: Mapping[str, str]) -> str:
        """Return custom parameters as they stand in ``extra_headers``."""
        if any(not _PAIR.fullmatch(part) for pair in parameters.items() for part in pair):
            raise InvalidField("parameters", "extraHeaders take plain names and values")
        return ";".join(f"{name}={value}" for name, value in parameters.items())

    def _require_stream(self, document: dict[str, Any]) -> None:
        if document.get("streamId") != self.leg.stream_id:
            raise MediaProtocolError("the message is for another stream")

    def _heard(self, media: dict[str, Any]) -> bytes:
        if (media.get("contentType"), media.get("sampleRate")) != (self._encoding, self.leg.sample_rate_hz):
            raise MediaProtocolError("the audio is not in the format of the stream")
        pcm = self._decode(wire.base64_bytes(media.get("payload")))
        if not pcm:
            raise MediaProtocolError("the message has no audio")
        return pcm

    def _time(self) -> str:
        return str(EPOCH_MS + self._chunk * FRAME_MS)

    def _media(self, pcm: bytes) -> str:
        payload = b2a_base64(self._encode(pcm), newline=False).decode("ascii")
        media = {"track": "inbound", "timestamp": self._time(), "chunk": self._chunk, "payload": payload}
        self._chunk += 1
        return self._of_stream("media", {"media": media, "extra_headers": self._extra_headers})

    def _of_stream(self, event: str, content: dict[str, Any]) -> str:
        return self._numbered(event, {"streamId": self.leg.stream_id, **content})

    def _numbered(self, event: str, content: dict[str, Any]) -> str:
        document = {"event": event, "sequenceNumber": self._sequence_number, **content}
        self._sequence_number += 1
        return json.dumps(document)
