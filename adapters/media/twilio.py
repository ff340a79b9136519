"""Twilio Media Streams, as the server of a bidirectional ``<Connect><Stream>``.

JSON text messages, base64 µ-law at 8000 Hz mono. Received: ``connected``, ``start``, ``media``, ``dtmf``, ``mark``,
``stop``. Sent: ``media``, ``mark``, ``clear``. The phone system buffers what is sent, ``clear`` empties its buffer and
echoes the marks that were pending. Closing the socket lets the call go on with what follows in the TwiML; with nothing
following it hangs up.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    Handshake,
    MarkPolicy,
    MarkReached,
    MediaCapabilities,
    MediaEvent,
    Message,
    Started,
    Stopped,
)
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.encodings import PCMU, Encoding
from adapters.media.stream_life import Verb
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError

SAMPLE_RATE_HZ: Final = 8000
"""The only rate of the protocol."""

MULAW: Final = ("audio/x-mulaw", SAMPLE_RATE_HZ)
"""The only media format of Twilio, and that of a start which names none."""

_PLAIN_MEDIA: Final = re.compile(
    r'\{"event": ?"media", ?"sequenceNumber": ?"[0-9]{1,15}", ?(?:"streamSid": ?"([^"\\\x00-\x1f]*)", ?)?'
    r'"media": ?\{"track": ?"inbound", ?"chunk": ?"[0-9]{1,15}", ?"timestamp": ?"([0-9]{1,15})", ?'
    r'"payload": ?"([A-Za-z0-9+/=]+)"\}(?:, ?"streamSid": ?"([^"\\\x00-\x1f]*)")?\}'
)
"""The caller's audio as Twilio and most that speak its protocol write it. Anything else is parsed as JSON; what this
matches means exactly the same there."""


class TwilioProtocol(StreamProtocol):
    """One Twilio media stream.

    Tolerated, because systems that speak this protocol differ there: no ``connected``, no ``streamSid`` in a message
    after the start, no ``mediaFormat``, media of other tracks than the caller's (dropped), and ``from`` and ``to``
    beside ``callSid`` or among the custom parameters. Not tolerated: another media format (fatal), anything but
    ``connected`` before ``start`` (fatal), a second ``start``, a foreign ``streamSid``, an unknown event, binary
    messages (Twilio's own error 31950) and payloads that are not strict base64.

    Systems that speak this protocol in other media formats or say more in the start are subclasses.
    """

    name: ClassVar[str] = "twilio"
    label: ClassVar[str] = "Twilio Media Streams"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(marks=MarkPolicy.ECHOED, flush=True)
    formats: ClassVar[Mapping[tuple[str, int], Encoding]] = MappingProxyType({MULAW: PCMU})
    """Media format (encoding in lower case, sample rate in Hz) to how its audio is written."""
    formats_advice: ClassVar[str] = "the media format must be audio/x-mulaw, 8000 Hz, one channel"
    """What a stream of any other format is told."""

    def __init__(self) -> None:
        super().__init__()
        self._sample_rate_hz = SAMPLE_RATE_HZ
        self._decode = PCMU.decoder(SAMPLE_RATE_HZ)
        self._encode = PCMU.encoder(SAMPLE_RATE_HZ)
        self._second_bytes = SAMPLE_RATE_HZ * PCM_SAMPLE_BYTES
        self._stream_id = ""
        self._media_head = ""
        self._stream_json = ""

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Say whether Twilio signed the upgrade request."""
        return "x-twilio-signature" in handshake.headers

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a ``start`` with a ``streamSid``."""
        return peek_start(message) is not None

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the media format; of Twilio always 8000."""
        return self._sample_rate_hz

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One ``media`` message for each second or part of it."""
        if not self._life.is_open or not pcm:
            return []
        second_bytes = self._second_bytes
        if len(pcm) <= second_bytes:
            return [self._media(pcm)]
        require_whole_samples(pcm)
        return [self._media(pcm[at : at + second_bytes]) for at in range(0, len(pcm), second_bytes)]

    def send_mark(self, name: str) -> list[Message]:
        """Ask for an echo of ``name`` once everything before it was played, or dropped by `send_clear`."""
        if not self._life.is_open:
            return []
        return [f'{{"event":"mark","streamSid":{self._stream_json},"mark":{{"name":{json.dumps(name)}}}}}']

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played."""
        if not self._life.is_open:
            return []
        return [f'{{"event":"clear","streamSid":{self._stream_json}}}']

    def _media(self, pcm: bytes) -> str:
        # Base64 needs no JSON escaping, so the message is put together without a JSON encoder.
        return f'{self._media_head}{b2a_base64(self._encode(pcm), newline=False).decode("ascii")}"}}}}'

    def _take(self, message: Message) -> list[MediaEvent]:
        if isinstance(message, bytes):
            raise MediaProtocolError("only text messages are allowed")
        audio = self._plain_media(message)
        if audio is not None:
            return [audio]
        document = wire.json_object(message)
        event = document.get("event")
        if event == "media":
            return self._media_received(document)
        if event == "mark":
            self._content(document)
            return [MarkReached(wire.name(wire.section(document.get("mark")).get("name")))]
        if event == "dtmf":
            self._content(document)
            return [DtmfReceived(wire.digit(wire.section(document.get("dtmf")).get("digit")))]
        if event == "connected":
            self._life.move(Verb.CONNECTED)
            return []
        if event == "start":
            return self._start(document)
        if event == "stop":
            self._require_stream(document)
            self._life.move(Verb.STOP)
            return [Stopped()]
        raise MediaProtocolError("unknown event")

    def _plain_media(self, message: str) -> AudioReceived | None:
        """Read audio written in the usual way, fifty times a second; None for anything that must be looked at."""
        if not self._life.is_open or len(message) > wire.MAX_MESSAGE_CHARS:
            return None
        plain = _PLAIN_MEDIA.fullmatch(message)
        if plain is None:
            return None
        stream_id, timestamp, payload, behind = plain.groups()
        if stream_id is None:
            stream_id = behind
        elif behind is not None:
            return None
        if stream_id is not None and stream_id != self._stream_id:
            return None
        try:
            pcm = self._decode(a2b_base64(payload, strict_mode=True))
        except (ValueError, MediaProtocolError):
            return None
        return AudioReceived(pcm, int(timestamp)) if pcm else None

    def _media_received(self, document: dict[str, Any]) -> list[MediaEvent]:
        self._content(document)
        media = wire.section(document.get("media"))
        if media.get("track", "inbound") != "inbound":
            return []
        pcm = self._decode(wire.base64_bytes(media.get("payload")))
        return [AudioReceived(pcm, wire.whole_number(media.get("timestamp")))] if pcm else []

    def _content(self, document: dict[str, Any]) -> None:
        self._life.move(Verb.CONTENT)
        self._require_stream(document)

    def _require_stream(self, document: dict[str, Any]) -> None:
        if self._life.is_open and document.get("streamSid", self._stream_id) != self._stream_id:
            raise MediaProtocolError("the message is for another stream")

    def _start(self, document: dict[str, Any]) -> list[MediaEvent]:
        self._life.move(Verb.START)
        try:
            started = self._read_start(document)
        except MediaProtocolError as error:
            raise MediaProtocolError(error.message, fatal=True) from error
        self._stream_id = started.stream_id
        self._stream_json = json.dumps(started.stream_id)
        self._media_head = f'{{"event":"media","streamSid":{self._stream_json},"media":{{"payload":"'
        return [started]

    def _read_start(self, document: dict[str, Any]) -> Started:
        """Read what a ``start`` says of the call, and set the media format."""
        start = wire.section(document.get("start"))
        stream_id = wire.text(start.get("streamSid", document.get("streamSid")))
        if not stream_id:
            raise MediaProtocolError("the start has no streamSid")
        if document.get("streamSid", stream_id) != stream_id:
            raise MediaProtocolError("the start names two streams")
        self._set_format(wire.section(start.get("mediaFormat")))
        parameters = wire.parameters(start.get("customParameters"))
        return Started(
            stream_id=stream_id,
            call_id=wire.text(start.get("callSid")),
            account_id=wire.text(start.get("accountSid")),
            sample_rate_hz=self._sample_rate_hz,
            parameters=parameters,
            from_=wire.text(start.get("from", parameters.get("from"))),
            to=wire.text(start.get("to", parameters.get("to"))),
        )

    def _set_format(self, media_format: dict[str, Any]) -> None:
        name = str(media_format.get("encoding", MULAW[0])).lower()
        rate_hz = wire.whole_number(media_format.get("sampleRate", MULAW[1]))
        encoding = None if rate_hz is None else self.formats.get((name, rate_hz))
        if rate_hz is None or encoding is None or str(media_format.get("channels", 1)) != "1":
            raise MediaProtocolError(self.formats_advice)
        self._sample_rate_hz = rate_hz
        self._decode, self._encode = encoding.decoder(rate_hz), encoding.encoder(rate_hz)
        self._second_bytes = rate_hz * PCM_SAMPLE_BYTES


def peek_start(message: Message) -> dict[str, Any] | None:
    """Return the inner ``start`` of a first message in Twilio's form; None for any other. Never raises."""
    document = wire.peek(message)
    start = document.get("start")
    if document.get("event") != "start" or not isinstance(start, dict):
        return None
    return start if "streamSid" in document or "streamSid" in start else None
