"""Asterisk's chan_websocket, as the application at the other end of a media WebSocket.

Binary messages are audio in the channel's codec, text messages are control in one of two spellings
(`adapters.media.asterisk_wire`). Received: ``MEDIA_START``, ``DTMF_END``, ``MEDIA_XOFF``, ``MEDIA_XON``,
``MEDIA_MARK_PROCESSED``, ``QUEUE_DRAINED``, ``MEDIA_BUFFERING_COMPLETED``, ``STATUS``, ``ERROR``. Sent: ``ANSWER``,
``MARK_MEDIA``, ``FLUSH_MEDIA``, ``HANGUP``. Asterisk queues what is sent and plays it in real time; a flush drops the
queue and the marks in it, which never come back. The stream ends when the socket is closed.

What comes of the call: ``MEDIA_START`` names the channel and, in JSON, its variables; caller and called number come in
the query of the URL (``v(session=…,from=…,to=…)`` of the dial string), as do further parameters.

Source: https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from adapters.media import wire
from adapters.media.asterisk_wire import Spelling, command, read_event, spelling_of
from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    FlowControl,
    Handshake,
    MarkPolicy,
    MarkReached,
    MediaCapabilities,
    MediaEvent,
    Message,
    Reply,
    Started,
)
from adapters.media.codecs import (
    ALAW_SILENCE,
    ULAW_SILENCE,
    alaw_to_pcm,
    pcm_to_alaw,
    pcm_to_ulaw,
    require_whole_samples,
    ulaw_to_pcm,
)
from adapters.media.stream_life import Phase, Verb
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError

SUBPROTOCOL: Final = "media"
"""What Asterisk offers."""

FRAME_MS: Final = 20
"""Audio in one message, milliseconds. Asterisk throws away what is beyond whole frames of a message."""

MAX_MESSAGE_BYTES: Final = 8_000
"""Largest message sent. A larger one may come to Asterisk in more reads than it has patience for."""

MAX_MARKS: Final = 64
"""Marks with a stand-in for their name that are remembered at a time."""

_MAX_RECEIVED_BYTES: Final = 65_535
_EARLY_MESSAGES: Final = 50
_EARLY_BYTES: Final = 32_000
_NO_CONTENT: Final = frozenset({"QUEUE_DRAINED", "MEDIA_BUFFERING_COMPLETED", "STATUS"})
_SHORT_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,48}")
_OUR_QUERY: Final = frozenset({"session", "from", "to", "protocol"})


def _as_it_is(audio: bytes) -> bytes:
    return audio


def _whole_samples(audio: bytes) -> bytes:
    if len(audio) % 2:
        raise MediaProtocolError("audio must be whole 16-bit samples")
    return audio


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec of a channel.

    Attributes:
        sample_rate_hz: Its rate, Hz.
        sample_bytes: Size of a sample on the wire, bytes.
        decode: Turns the wire's audio into PCM.
        encode: Turns PCM of whole samples into the wire's audio.
        silence: A silent sample on the wire.
    """

    sample_rate_hz: int
    sample_bytes: int
    decode: Callable[[bytes], bytes]
    encode: Callable[[bytes], bytes]
    silence: bytes

    @property
    def frame_bytes(self) -> int:
        """Size of 20 ms on the wire, bytes."""
        return self.sample_rate_hz * FRAME_MS // 1000 * self.sample_bytes


CODECS: Final = MappingProxyType(
    {
        "ulaw": Codec(8000, 1, ulaw_to_pcm, pcm_to_ulaw, ULAW_SILENCE),
        "alaw": Codec(8000, 1, alaw_to_pcm, pcm_to_alaw, ALAW_SILENCE),
        # In the byte order of Asterisk's machine, which is little-endian wherever Asterisk runs today.
        "slin": Codec(8000, 2, _whole_samples, _as_it_is, b"\x00\x00"),
        "slin16": Codec(16000, 2, _whole_samples, _as_it_is, b"\x00\x00"),
    }
)
"""Codecs by their names in Asterisk."""


class AsteriskProtocol(StreamProtocol):
    """One media WebSocket of Asterisk.

    Tolerated: audio before ``MEDIA_START``, which Asterisk sends when it is busy (about a second of it waits for the
    start, the rest is dropped), events of either spelling, an unknown or a malformed event (dropped). Not tolerated:
    another codec (fatal), other events before ``MEDIA_START`` (fatal), half samples.

    Args:
        query: The query of the URL that Asterisk dialled.
    """

    name: ClassVar[str] = "asterisk"
    label: ClassVar[str] = "Asterisk chan_websocket"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.DROPPED,
        flush=True,
        frame_ms=FRAME_MS,
        exact_frames=True,
        max_audio_ms=FRAME_MS,
        max_message_bytes=MAX_MESSAGE_BYTES,
        hangup_in_band=True,
    )
    subprotocol: ClassVar[str | None] = SUBPROTOCOL

    def __init__(self, query: dict[str, str] | None = None) -> None:
        self._query = query or {}
        super().__init__()
        self._spelling = Spelling.JSON
        self._codec = CODECS["ulaw"]
        self._frame_bytes = 0
        self._early: list[bytes] = []
        self._marks: dict[str, str] = {}
        self._marks_made = 0

    @classmethod
    def begin(cls, handshake: Handshake) -> Self:
        """Make the protocol's side of a connection, with what its URL says of the call."""
        return cls(dict(handshake.query))

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Say whether the subprotocol ``media`` was offered."""
        return SUBPROTOCOL in handshake.subprotocols

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a ``MEDIA_START`` in either spelling."""
        if isinstance(message, bytes):
            return False
        try:
            return read_event(message)[0] == "MEDIA_START"
        except MediaProtocolError:
            return False

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the channel's codec, 8000 or 16000; 0 before the start."""
        return self._codec.sample_rate_hz if self._frame_bytes else 0

    def _take(self, message: Message) -> list[MediaEvent]:
        return self._audio(message) if isinstance(message, bytes) else self._control(message)

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. A message of 20 ms each, the last one filled with silence."""
        if not self._life.is_open or not pcm:
            return []
        require_whole_samples(pcm)
        audio, frame_bytes = self._codec.encode(pcm), self._frame_bytes
        if len(audio) == frame_bytes:
            return [audio]
        audio += self._codec.silence * (-len(audio) % frame_bytes // self._codec.sample_bytes)
        return [audio[at : at + frame_bytes] for at in range(0, len(audio), frame_bytes)]

    def send_mark(self, name: str) -> list[Message]:
        """Ask for an echo of ``name`` once everything before it was played.

        A name that does not fit into a command, or holds characters with a meaning there, travels as a short one.
        """
        if not self._life.is_open:
            return []
        if not _SHORT_NAME.fullmatch(name):
            self._marks_made += 1
            short = f"~{self._marks_made}"
            if len(self._marks) >= MAX_MARKS:
                del self._marks[next(iter(self._marks))]
            self._marks[short], name = name, short
        return [command(self._spelling, "MARK_MEDIA", name)]

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played, and the marks in it."""
        if not self._life.is_open:
            return []
        return [command(self._spelling, "FLUSH_MEDIA")]

    def send_hangup(self) -> list[Message]:
        """Hang the channel up."""
        return [command(self._spelling, "HANGUP")] if self._life.is_open else []

    def _audio(self, message: bytes) -> list[MediaEvent]:
        if len(message) > _MAX_RECEIVED_BYTES:
            raise MediaProtocolError("the message is too long")
        if self._life.phase is Phase.WAITING:
            if len(self._early) < _EARLY_MESSAGES and sum(map(len, self._early)) + len(message) <= _EARLY_BYTES:
                self._early.append(message)
            return []
        self._life.move(Verb.CONTENT)
        pcm = self._codec.decode(message)
        return [AudioReceived(pcm)] if pcm else []

    def _control(self, message: str) -> list[MediaEvent]:
        event, fields = read_event(message)
        if event == "MEDIA_START":
            return self._start(spelling_of(message), fields)
        if event == "DTMF_END":
            self._life.move(Verb.CONTENT)
            return [DtmfReceived(wire.digit(fields.get("digit")))]
        if event == "MEDIA_MARK_PROCESSED":
            self._life.move(Verb.CONTENT)
            name = wire.name(fields.get("correlation_id"))
            return [MarkReached(self._marks.pop(name, name))]
        if event in {"MEDIA_XOFF", "MEDIA_XON"}:
            self._life.move(Verb.CONTENT)
            return [FlowControl(paused=event == "MEDIA_XOFF")]
        if event in _NO_CONTENT:
            self._life.move(Verb.CONTENT)
            return []
        if event == "ERROR":
            raise MediaProtocolError("Asterisk did not take a command")
        raise MediaProtocolError("unknown event")

    def _start(self, spelling: Spelling, fields: dict[str, Any]) -> list[MediaEvent]:
        self._life.move(Verb.START)
        try:
            codec = _codec_of(fields)
            started = self._started(fields, codec.sample_rate_hz)
        except MediaProtocolError as error:
            raise MediaProtocolError(error.message, fatal=True) from error
        self._spelling, self._codec, self._frame_bytes = spelling, codec, codec.frame_bytes
        early, self._early = self._early, []
        heard = [AudioReceived(pcm) for audio in early if (pcm := _decoded(codec, audio))]
        # A channel dialled with option n stays silent until it is told to answer; any other ignores a second answer.
        return [started, Reply((command(spelling, "ANSWER"),)), *heard]

    def _started(self, fields: dict[str, Any], sample_rate_hz: int) -> Started:
        variables = wire.parameters(fields.get("channel_variables"))
        query = {wire.text(key): wire.text(value) for key, value in self._query.items()}
        channel = wire.text(fields.get("channel"))
        further = {key: value for key, value in query.items() if key not in _OUR_QUERY}
        return Started(
            stream_id=wire.name(fields.get("connection_id")),
            # Releases before 22.7 do not tell the channel's id, but every one has a name.
            call_id=wire.text(fields.get("channel_id")) or channel,
            account_id="",
            sample_rate_hz=sample_rate_hz,
            parameters={"channel": channel, **variables, **further},
            from_=query.get("from", variables.get("from", "")),
            to=query.get("to", variables.get("to", "")),
        )


def _codec_of(fields: dict[str, Any]) -> Codec:
    codec = CODECS.get(wire.text(fields.get("format")))
    if codec is None:
        raise MediaProtocolError("the format must be ulaw, alaw or slin (8000 Hz), or slin16 (16000 Hz)")
    optimal = fields.get("optimal_frame_size", codec.frame_bytes)
    if isinstance(optimal, str) and optimal.isascii() and optimal.isdigit() and len(optimal) <= len("65535"):
        optimal = int(optimal)
    if type(optimal) is not int or optimal <= 0 or codec.frame_bytes % optimal:
        raise MediaProtocolError("20 milliseconds must be whole frames of the optimal_frame_size")
    return codec


def _decoded(codec: Codec, audio: bytes) -> bytes:
    """Decode audio that came early; it is worth nothing where it does not fit the codec."""
    try:
        return codec.decode(audio)
    except MediaProtocolError:
        return b""
