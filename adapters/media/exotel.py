"""Exotel AgentStream, as the server of a Voicebot applet.

JSON text messages, base64 of 16-bit little-endian PCM, mono, at 8000 or 16000 Hz (24000 exists). Received:
``connected``, ``start``, ``media`` (about 100 ms each), ``dtmf``, ``mark``, ``stop``. Sent: ``media``, ``mark``,
``clear``. The audio of a sent message has to be a multiple of 320 bytes, 3.2 kB at least, or gaps are heard, and 100 kB
at most. Closing the socket lets the call flow go on behind the applet.

Source: https://developer.exotel.com/docs/agentstream/websocket-protocol and, for the sizes,
https://support.exotel.com/support/solutions/articles/3000108630-working-with-the-stream-applet
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import Any, ClassVar, Final, Self

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
from adapters.media.json_stream import JsonStream
from adapters.media.stream_life import Verb
from models.errors import MediaProtocolError

FRAME_MS: Final = 200
"""Audio of one sent message, milliseconds: 3200 bytes at 8000 Hz, the least that Exotel plays without gaps, and 6400 at
16000 Hz."""

SAMPLE_RATES_HZ: Final = frozenset({8000, 16000})
"""The rates that are taken, Hz; Exotel has 24000 as well."""

_RATES: Final = {str(rate_hz): rate_hz for rate_hz in SAMPLE_RATES_HZ}
_DEFAULT_RATE: Final = "8000"
_COMPRESSED: Final = ("law", "pcmu", "pcma")


class ExotelProtocol(JsonStream):
    """One Exotel voicebot stream.

    Every message of sent audio lasts 200 ms exactly, the last one filled with silence. Where the ``start`` names no
    rate, the ``sample-rate`` of the URL counts, and then 8000 Hz. Exotel's documents do not say whether a flush brings
    pending marks back.
    """

    name: ClassVar[str] = "exotel"
    label: ClassVar[str] = "Exotel AgentStream"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.PLAYED_ONLY, flush=True, frame_ms=FRAME_MS, exact_frames=True
    )
    stream_key: ClassVar[str] = "stream_sid"

    def __init__(self, url_rate: str = _DEFAULT_RATE) -> None:
        """Begin a stream.

        Args:
            url_rate: The ``sample-rate`` of the URL, Hz.
        """
        super().__init__()
        self._url_rate = url_rate
        self._sample_rate_hz = 0
        self._frame_bytes = 0
        self._media_head = ""

    @classmethod
    def begin(cls, handshake: Handshake) -> Self:
        """Make the protocol's side of a connection; the URL's ``sample-rate`` may say the rate."""
        return cls(handshake.query.get("sample-rate", _DEFAULT_RATE))

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Never: the upgrade request is like any other."""
        del handshake
        return False

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a ``start`` with a ``stream_sid``."""
        document = wire.peek(message)
        start = document.get("start")
        return (
            document.get("event") == "start"
            and isinstance(start, dict)
            and ("stream_sid" in document or "stream_sid" in start)
        )

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the ``start``, 8000 or 16000; 0 before it."""
        return self._sample_rate_hz

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One ``media`` for 200 ms, the last filled with silence."""
        if not self._life.is_open or not pcm:
            return []
        require_whole_samples(pcm)
        size = self._frame_bytes
        return [self._play(pcm[at : at + size].ljust(size, b"\0")) for at in range(0, len(pcm), size)]

    def send_mark(self, name: str) -> list[Message]:
        """Ask for an echo of ``name`` once everything before it was played."""
        return self._text(f'{{"event":"mark","stream_sid":{self._stream_json},"mark":{{"name":{json.dumps(name)}}}}}')

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played."""
        return self._text(f'{{"event":"clear","stream_sid":{self._stream_json}}}')

    def _play(self, pcm: bytes) -> str:
        # Base64 needs no JSON escaping, so the message is put together without a JSON encoder.
        return f'{self._media_head}{b2a_base64(pcm, newline=False).decode("ascii")}"}}}}'

    def _event(self, event: object, document: dict[str, Any]) -> list[MediaEvent]:
        if event == "media":
            self._move(Verb.CONTENT, document)
            media = wire.section(document.get("media"))
            pcm = wire.base64_bytes(media.get("payload"))
            if len(pcm) % PCM_SAMPLE_BYTES:
                raise MediaProtocolError("audio must be whole 16-bit samples")
            return [AudioReceived(pcm, wire.whole_number(media.get("timestamp")))] if pcm else []
        if event == "mark":
            self._move(Verb.CONTENT, document)
            return [MarkReached(wire.name(wire.section(document.get("mark")).get("name")))]
        if event == "dtmf":
            self._move(Verb.CONTENT, document)
            return [DtmfReceived(wire.digit(wire.section(document.get("dtmf")).get("digit")))]
        if event == "connected":
            self._life.move(Verb.CONNECTED)
            return []
        if event == "start":
            return self._start(document)
        if event == "stop":
            self._move(Verb.STOP, document)
            return [Stopped(_reason(document.get("stop")))]
        raise MediaProtocolError("unknown event")

    def _read_start(self, document: dict[str, Any]) -> Started:
        start = wire.section(document.get("start"))
        stream_id = wire.text(start.get("stream_sid", document.get("stream_sid")))
        media_format = wire.section(start.get("media_format"))
        encoding = wire.text(media_format.get("encoding")).lower()
        rate_hz = _RATES.get(str(media_format.get("sample_rate") or self._url_rate))
        if rate_hz is None or any(name in encoding for name in _COMPRESSED):
            raise MediaProtocolError("the media format must be 16-bit PCM at 8000 or 16000 Hz")
        parameters = wire.parameters(start.get("custom_parameters"))
        started = Started(
            stream_id=stream_id,
            call_id=wire.text(start.get("call_sid")),
            account_id=wire.text(start.get("account_sid")),
            sample_rate_hz=rate_hz,
            parameters=parameters,
            from_=wire.text(start.get("from", parameters.get("from"))),
            to=wire.text(start.get("to", parameters.get("to"))),
        )
        self._sample_rate_hz = rate_hz
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
        self._media_head = f'{{"event":"media","stream_sid":{json.dumps(stream_id)},"media":{{"payload":"'
        return started


def _reason(stop: object) -> str:
    """Read why the stream stopped; it is over, whatever its reason looks like."""
    try:
        return wire.text(wire.section(stop).get("reason"))
    except MediaProtocolError:
        return ""
