"""Plivo audio streams, as the server of a ``<Stream bidirectional="true">``.

JSON text messages, base64 of µ-law at 8000 Hz or of 16-bit little-endian PCM at 8000 or 16000 Hz, mono; the same format
both ways. Received: ``start``, ``media``, ``dtmf``, ``playedStream``, ``clearedAudio``. Sent: ``playAudio``,
``checkpoint``, ``clearAudio``, ``sendDTMF``. The phone system buffers what is sent; a checkpoint that ``clearAudio``
dropped is never reported. There is no message at the end: the socket closes.

Source: https://www.plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from adapters.media import encodings, wire
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
from adapters.media.extra_headers import extra_headers
from adapters.media.json_stream import JsonStream
from adapters.media.stream_life import Verb
from models.errors import MediaProtocolError

ULAW: Final = "audio/x-mulaw"
"""Name of µ-law, which comes at 8000 Hz only."""

L16: Final = "audio/x-l16"
"""Name of 16-bit PCM. Little-endian, unlike the ``audio/L16`` of RTP: the vendors' own examples pass it on as it is to
services that take little-endian PCM."""

_NUMBER: Final = r"(?:0|[1-9][0-9]{0,14})"
_EVENT: Final = r'"event": ?"media", ?'
_IDS: Final = rf'"sequenceNumber": ?{_NUMBER}, ?"streamId": ?"([^"\\\x00-\x1f]*)", ?'
_PLAIN_MEDIA: Final = re.compile(
    rf"\{{(?:{_EVENT}{_IDS}|{_IDS}{_EVENT})"
    rf'"media": ?\{{"track": ?"inbound", ?"timestamp": ?"([0-9]{{1,15}})", ?"chunk": ?{_NUMBER}, ?'
    r'"payload": ?"([^"]+)"\}'
    r'(?:, ?"extra_headers": ?"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")?\}'
)
"""The caller's audio as Plivo and Vobiz write it. Anything else is parsed as JSON; what this matches, with a payload
of strict base64, means exactly the same there."""

FORMATS: Final[Mapping[tuple[object, object], Encoding]] = MappingProxyType(
    {(ULAW, 8000): PCMU, (L16, 8000): encodings.L16, (L16, 16000): encodings.L16}
)
"""Name and rate (Hz) of the streams that are taken to how their audio is written."""


class PlivoProtocol(JsonStream):
    """One Plivo audio stream.

    Custom parameters are the ``extraHeaders``; ``from`` and ``to`` among them are the numbers. Media times, which are
    the time of day, count from the first message of audio.

    Tolerated, because systems that speak this protocol differ there: no stream id after the start, media of other
    tracks than the caller's (dropped), a ``connected`` before and a ``stop`` at the end. Not tolerated: another media
    format (fatal), a second ``start``, a foreign stream id, an unknown event, binary messages and payloads that are not
    strict base64.
    """

    name: ClassVar[str] = "plivo"
    label: ClassVar[str] = "Plivo audio streams"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.PLAYED_ONLY, flush=True, dtmf_out=True
    )
    stream_key: ClassVar[str] = "streamId"
    audio_names_stream: ClassVar[bool] = False
    """Whether ``playAudio`` carries the stream id."""

    def __init__(self) -> None:
        super().__init__()
        self._sample_rate_hz = 0
        self._second_bytes = 0
        self._decode = PCMU.decoder(8000)
        self._encode = PCMU.encoder(8000)
        self._audio_head = ""
        self._first_ms: int | None = None

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Say whether Plivo signed the upgrade request."""
        return "x-plivo-signature-v3" in handshake.headers

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a ``start`` with a ``streamId`` in its inner object."""
        document = wire.peek(message)
        start = document.get("start")
        return document.get("event") == "start" and isinstance(start, dict) and "streamId" in start

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the ``start``, 8000 or 16000; 0 before it."""
        return self._sample_rate_hz

    def receive(self, message: Message) -> list[MediaEvent]:
        """Take one received message; see `MediaProtocol.receive`."""
        audio = self._plain_media(message) if self._life.is_open and isinstance(message, str) else None
        return super().receive(message) if audio is None else [audio]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One ``playAudio`` for each second or part of it."""
        if not self._life.is_open or not pcm:
            return []
        require_whole_samples(pcm)
        size = self._second_bytes
        return [self._play(pcm[at : at + size]) for at in range(0, len(pcm), size)]

    def send_mark(self, name: str) -> list[Message]:
        """Ask for ``playedStream`` once everything before it was played; never comes where `send_clear` dropped it."""
        return self._text(f'{{"event":"checkpoint","streamId":{self._stream_json},"name":{json.dumps(name)}}}')

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played."""
        return self._text(f'{{"event":"clearAudio","streamId":{self._stream_json}}}')

    def send_dtmf(self, digits: str) -> list[Message]:
        """Send digits to the far end.

        Raises:
            InvalidField: Something beside ``0-9 * # A-D``.
        """
        return self._text(f'{{"event":"sendDTMF","dtmf":"{wire.require_digits(digits)}"}}')

    def _play(self, pcm: bytes) -> str:
        # Base64 needs no JSON escaping, so the message is put together without a JSON encoder.
        return f'{self._audio_head}{b2a_base64(self._encode(pcm), newline=False).decode("ascii")}"}}}}'

    def _plain_media(self, message: str) -> AudioReceived | None:
        """Read audio written in the usual way, fifty times a second; None for anything that must be looked at."""
        plain = _PLAIN_MEDIA.fullmatch(message) if len(message) <= wire.MAX_MESSAGE_CHARS else None
        if plain is None:
            return None
        before, behind, timestamp, payload = plain.groups()
        if (behind if before is None else before) != self._stream_id:
            return None
        try:
            audio = a2b_base64(payload, strict_mode=True)
        except ValueError:
            return None
        return AudioReceived(self._decode(audio), self._media_time(int(timestamp))) if audio else None

    def _event(self, event: object, document: dict[str, Any]) -> list[MediaEvent]:
        if event == "media":
            self._move(Verb.CONTENT, document)
            return self._media(wire.section(document.get("media")))
        if event == "playedStream":
            self._move(Verb.CONTENT, document)
            return [MarkReached(wire.name(document.get("name")))]
        if event == "dtmf":
            self._move(Verb.CONTENT, document)
            return [DtmfReceived(wire.digit(wire.section(document.get("dtmf")).get("digit")))]
        if event == "clearedAudio":
            self._move(Verb.CONTENT, document)
            return []
        if event == "start":
            return self._start(document)
        if event == "connected":
            self._life.move(Verb.CONNECTED)
            return []
        if event == "stop":
            self._move(Verb.STOP, document)
            return [Stopped()]
        raise MediaProtocolError("unknown event")

    def _media(self, media: dict[str, Any]) -> list[MediaEvent]:
        if media.get("track", "inbound") != "inbound":
            return []
        pcm = self._decode(wire.base64_bytes(media.get("payload")))
        return [AudioReceived(pcm, self._media_time(wire.whole_number(media.get("timestamp"))))] if pcm else []

    def _media_time(self, time_ms: int | None) -> int | None:
        if time_ms is None:
            return None
        if self._first_ms is None:
            self._first_ms = time_ms
        return max(0, time_ms - self._first_ms)

    def _read_start(self, document: dict[str, Any]) -> Started:
        start = wire.section(document.get("start"))
        stream_id = wire.text(start.get("streamId"))
        media_format = wire.section(start.get("mediaFormat"))
        named, rate_hz = media_format.get("encoding"), wire.whole_number(media_format.get("sampleRate"))
        encoding = FORMATS.get((named, rate_hz)) if isinstance(named, str) else None
        if encoding is None or rate_hz is None:
            raise MediaProtocolError(
                "the media format must be audio/x-mulaw at 8000 Hz or audio/x-l16 at 8000 or 16000 Hz"
            )
        parameters = extra_headers(document.get("extra_headers"))
        started = Started(
            stream_id=stream_id,
            call_id=wire.text(start.get("callId")),
            account_id=wire.text(start.get("accountId")),
            sample_rate_hz=rate_hz,
            parameters=parameters,
            from_=parameters.get("from", ""),
            to=parameters.get("to", ""),
        )
        self._sample_rate_hz = rate_hz
        self._second_bytes = rate_hz * PCM_SAMPLE_BYTES
        self._decode, self._encode = encoding.decoder(rate_hz), encoding.encoder(rate_hz)
        stream = f'"streamId":{json.dumps(stream_id)},' if self.audio_names_stream else ""
        self._audio_head = (
            f'{{"event":"playAudio",{stream}"media":{{"contentType":"{named}","sampleRate":{rate_hz},"payload":"'
        )
        return started
