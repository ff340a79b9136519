"""Telnyx media streaming, as the server of a bidirectional stream in ``rtp`` mode.

JSON text messages, base64 audio without RTP headers. Received: ``connected``, ``start``, ``media``, ``dtmf``,
``mark``, ``error``, ``stop``; the order of ``media`` is not guaranteed, their ``chunk`` counts. Sent: ``media`` (20 ms
to 30 s each), ``mark``, ``clear``, without a stream id. ``clear`` returns the marks that were pending. In the default
``mp3`` mode the caller would hear nothing. Closing the socket leaves the call to Call Control.

The two directions have codecs of their own, and the ``start`` names only what Telnyx sends (``stream_codec``, by
default the call's). What it expects (``stream_bidirectional_codec``, by default PCMU) is told to us by the query or the
custom parameter ``bidirectional_codec``. Without it, it is PCMU where Telnyx sends G.711, and otherwise what it sends,
which is the only way that fits, as both directions need the same rate here.

L16 is little-endian, as in Telnyx' own example; its documents do not say. AMR-WB is not read.

Sources: https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming,
https://developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket,
https://github.com/team-telnyx/realtime-ai-demo
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from types import MappingProxyType
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
from adapters.media.chunk_order import ChunkOrder
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.encodings import ENCODINGS, G722, L16, OPUS, PCMA, PCMU, Encoding, Transcoder
from adapters.media.stream_life import Verb
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError

TOKEN_HEADER: Final = "x-telnyx-streaming-auth-token"  # noqa: S105 - the name of a header
"""Header of the upgrade request that carries ``stream_auth_token``."""

CODEC_PARAMETER: Final = "bidirectional_codec"
"""Query or custom parameter that says which codec Telnyx expects."""

WINDOW: Final = 5
"""How many messages wait for a missing one: 100 ms."""

FRAME_MS: Final = 20
"""Audio in one message, milliseconds: the least that Telnyx takes, and what one packet of Opus holds."""

_DECODED_HZ: Final[Mapping[tuple[str, int], tuple[int, ...]]] = MappingProxyType(
    {
        (PCMU.name, 8_000): (8_000,),
        (PCMA.name, 8_000): (8_000,),
        (L16.name, 8_000): (8_000,),
        (L16.name, 16_000): (16_000,),
        **{(G722.name, clock_hz): G722.rates_hz for clock_hz in (8_000, 16_000)},
        **{(OPUS.name, clock_hz): (16_000, 8_000) for clock_hz in (8_000, 16_000, 24_000, 48_000)},
    }
)
"""Encoding and rate of a media format to the rates that its audio can be decoded at, best first. The rate that comes
with G.722 and Opus may be that of their RTP clock."""

_USUAL_HZ: Final[Mapping[str, int]] = MappingProxyType({PCMU.name: 8_000, PCMA.name: 8_000})
_WIDE_BAND_HZ: Final = 16_000
_ALSO_TOLD: Final = ("call_session_id", "client_state")

_NUMBER: Final = '"([0-9]{1,15})"'
_PAYLOAD: Final = '"([A-Za-z0-9+/=]+)"'
_STREAM: Final = r'"stream_id": ?"([^"\\\x00-\x1f]*)"'
_PLAIN_MEDIA: Final = re.compile(
    rf'\{{"event": ?"media", ?(?:"sequence_number": ?"[0-9]{{1,15}}", ?(?:{_STREAM}, ?)?)?'
    rf'"media": ?\{{(?:"track": ?"inbound", ?"chunk": ?{_NUMBER}, ?"timestamp": ?{_NUMBER}, ?"payload": ?{_PAYLOAD}'
    rf'|"chunk": ?{_NUMBER}, ?"payload": ?{_PAYLOAD}, ?"timestamp": ?{_NUMBER}, ?"track": ?"inbound")\}}'
    rf'(?:, ?"sequence_number": ?"[0-9]{{1,15}}")?(?:, ?{_STREAM})?\}}'
)
"""The caller's audio with its keys in the order of the documents or of the alphabet. Anything else is parsed as JSON;
what this matches means exactly the same there."""


class TelnyxProtocol(StreamProtocol):
    """One Telnyx media stream.

    `Started.call_id` is the ``call_control_id``, `Started.account_id` the ``user_id``; ``call_session_id`` and
    ``client_state`` are among the parameters. Audio that is late by more than `WINDOW` messages, or came already, is
    dropped. An ``error`` of Telnyx is about something that was sent; it is reported and the stream goes on.

    Args:
        bidirectional_codec: What Telnyx expects, by the upgrade request; '' when that does not say.
    """

    name: ClassVar[str] = "telnyx"
    label: ClassVar[str] = "Telnyx"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.ECHOED, flush=True, frame_ms=FRAME_MS, exact_frames=True
    )

    def __init__(self, bidirectional_codec: str = "") -> None:
        super().__init__()
        self._asked = bidirectional_codec
        self._stream_id = ""
        self._sample_rate_hz = 0
        self._frame_bytes = 0
        self._decode: Transcoder = bytes
        self._encode: Transcoder = bytes
        self._order: ChunkOrder[tuple[bytes, int | None]] = ChunkOrder(WINDOW)

    @classmethod
    def begin(cls, handshake: Handshake) -> Self:
        """Make the protocol's side of a connection; see `MediaProtocol.begin`."""
        return cls(handshake.query.get(CODEC_PARAMETER, ""))

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Say whether the upgrade request carries a stream's auth token."""
        return TOKEN_HEADER in handshake.headers

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a ``start`` with a ``call_control_id``."""
        document = wire.peek(message)
        start = document.get("start")
        return document.get("event") == "start" and isinstance(start, dict) and "call_control_id" in start

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the media format, 8000 or 16000; 0 before the start."""
        return self._sample_rate_hz

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One ``media`` message for each 20 ms."""
        if not self._life.is_open or not pcm:
            return []
        size = self._frame_bytes
        if len(pcm) == size:
            return [self._media(pcm)]
        require_whole_samples(pcm)
        return [self._media(pcm[at : at + size].ljust(size, b"\x00")) for at in range(0, len(pcm), size)]

    def send_mark(self, name: str) -> list[Message]:
        """Ask for an echo of ``name`` once everything before it was played, or dropped by `send_clear`."""
        return [f'{{"event":"mark","mark":{{"name":{json.dumps(name)}}}}}'] if self._life.is_open else []

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played."""
        return ['{"event":"clear"}'] if self._life.is_open else []

    def _media(self, pcm: bytes) -> str:
        # Base64 needs no JSON escaping, so the message is put together without a JSON encoder.
        payload = b2a_base64(self._encode(pcm), newline=False).decode("ascii")
        return f'{{"event":"media","media":{{"payload":"{payload}"}}}}'

    def _take(self, message: Message) -> list[MediaEvent]:
        if isinstance(message, bytes):
            raise MediaProtocolError("only text messages are allowed")
        plain = self._plain_media(message)
        if plain is not None:
            return self._chunk_received(*plain)
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
            return [*self._heard(self._order.rest()), Stopped()]
        if event == "error":
            raise MediaProtocolError("Telnyx reports an error")
        raise MediaProtocolError("unknown event")

    def _plain_media(self, message: str) -> tuple[int, bytes, int] | None:
        """Read audio written in a usual way, fifty times a second; None for anything that must be looked at.

        Returns:
            Its number, payload and media time in milliseconds.
        """
        if not self._life.is_open or len(message) > wire.MAX_MESSAGE_CHARS:
            return None
        plain = _PLAIN_MEDIA.fullmatch(message)
        if plain is None:
            return None
        stream_id, chunk, timestamp, payload, chunk2, payload2, timestamp2, behind = plain.groups()
        if stream_id is None:
            stream_id = behind
        elif behind is not None:
            return None
        if stream_id is not None and stream_id != self._stream_id:
            return None
        try:
            coded = a2b_base64(payload or payload2, strict_mode=True)
        except ValueError:
            return None
        return int(chunk or chunk2), coded, int(timestamp or timestamp2)

    def _media_received(self, document: dict[str, Any]) -> list[MediaEvent]:
        self._content(document)
        media = wire.section(document.get("media"))
        if media.get("track", "inbound") != "inbound":
            return []
        payload = wire.base64_bytes(media.get("payload"))
        timestamp_ms = wire.whole_number(media.get("timestamp"))
        return self._chunk_received(wire.whole_number(media.get("chunk")), payload, timestamp_ms)

    def _chunk_received(self, chunk: int | None, payload: bytes, timestamp_ms: int | None) -> list[MediaEvent]:
        ready = self._order.take(chunk, (payload, timestamp_ms))
        if len(ready) > 1:
            return self._heard(ready)
        events: list[MediaEvent] = []
        for ready_payload, ready_ms in ready:
            pcm = self._decode(ready_payload)
            if pcm:
                events.append(AudioReceived(pcm, ready_ms))
        return events

    def _heard(self, ready: list[tuple[bytes, int | None]]) -> list[MediaEvent]:
        """Decode audio that had to wait. What cannot be decoded must not cost that behind it."""
        events: list[MediaEvent] = []
        for payload, timestamp_ms in ready:
            try:
                pcm = self._decode(payload)
            except MediaProtocolError:
                continue
            if pcm:
                events.append(AudioReceived(pcm, timestamp_ms))
        return events

    def _content(self, document: dict[str, Any]) -> None:
        self._life.move(Verb.CONTENT)
        self._require_stream(document)

    def _require_stream(self, document: dict[str, Any]) -> None:
        if self._life.is_open and document.get("stream_id", self._stream_id) != self._stream_id:
            raise MediaProtocolError("the message is for another stream")

    def _start(self, document: dict[str, Any]) -> list[MediaEvent]:
        self._life.move(Verb.START)
        try:
            started = self._read_start(document)
        except MediaProtocolError as error:
            raise MediaProtocolError(error.message, fatal=True) from error
        self._stream_id = started.stream_id
        self._frame_bytes = self._sample_rate_hz * PCM_SAMPLE_BYTES * FRAME_MS // 1000
        return [started]

    def _read_start(self, document: dict[str, Any]) -> Started:
        start = wire.section(document.get("start"))
        stream_id = wire.text(document.get("stream_id", start.get("stream_id")))
        if not stream_id:
            raise MediaProtocolError("the start has no stream_id")
        parameters = _parameters(start)
        self._set_format(wire.section(start.get("media_format")), self._asked or parameters.get(CODEC_PARAMETER, ""))
        return Started(
            stream_id=stream_id,
            call_id=wire.text(start.get("call_control_id")),
            account_id=wire.text(start.get("user_id")),
            sample_rate_hz=self._sample_rate_hz,
            parameters=parameters,
            from_=wire.text(start.get("from")),
            to=wire.text(start.get("to")),
        )

    def _set_format(self, media_format: dict[str, Any], asked: str) -> None:
        incoming = _encoding(media_format.get("encoding", PCMU.name))
        outgoing = _encoding(asked) if asked else PCMU if incoming in {PCMU, PCMA} else incoming
        told_hz = wire.whole_number(media_format.get("sample_rate", _USUAL_HZ.get(incoming.name, _WIDE_BAND_HZ)))
        if str(media_format.get("channels", 1)) != "1":
            raise MediaProtocolError("the media format must have one channel")
        rates_hz = () if told_hz is None else _DECODED_HZ.get((incoming.name, told_hz), ())
        if not rates_hz:
            raise MediaProtocolError("the sample rate must be 8000 or 16000 Hz, of PCMU and PCMA 8000 Hz")
        rate_hz = next((rate_hz for rate_hz in rates_hz if rate_hz in outgoing.rates_hz), None)
        if rate_hz is None:
            raise MediaProtocolError("the codecs of both directions must run at the same rate")
        self._decode, self._encode = incoming.decoder(rate_hz), outgoing.encoder(rate_hz)
        self._sample_rate_hz = rate_hz


def _encoding(name: object) -> Encoding:
    encoding = ENCODINGS.get(name.upper()) if isinstance(name, str) else None
    if encoding is None:
        raise MediaProtocolError("the codec must be PCMU, PCMA, G722, L16 or OPUS")
    return encoding


def _parameters(start: dict[str, Any]) -> dict[str, str]:
    """Read the custom parameters, an object or, as they are given to Call Control, a list of names and values."""
    custom = start.get("custom_parameters")
    if isinstance(custom, list):
        pairs = [wire.section(entry) for entry in custom]
        custom = {wire.name(pair.get("name")): pair.get("value") for pair in pairs}
    told = {name: wire.text(start.get(name)) for name in _ALSO_TOLD}
    return {**{name: value for name, value in told.items() if value}, **wire.parameters(custom)}
