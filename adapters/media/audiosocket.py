"""Asterisk's AudioSocket: the application ``AudioSocket()`` and the channel ``Dial(AudioSocket/…)``.

Frames on a plain TCP connection that Asterisk opens: one byte of kind, two of length (big-endian), then the payload.
Received: the UUID first of all (0x01), audio (0x10 at 8000 Hz, 0x12 at 16000 Hz), digits (0x03), a hang-up (0x00), an
error (0xff). Sent: audio of the same kind and the hang-up. Here each message is one whole frame, as `Framer` cuts them
out of the stream of bytes. Asterisk plays what is sent as it comes and forgets nothing: there are no marks and no
flush, so that little may lie unplayed there. The stream usually ends when the connection is closed.

The rate shows only in the kind of the first audio frame, which therefore begins the stream; a channel sends one every
20 ms from the beginning. The UUID is what the caller was let in by, so it is not handed on as the stream's id.

Source: https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/
"""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, Final
from uuid import UUID

from adapters.audiosocket_id import audiosocket_call_id
from adapters.media import wire
from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    Handshake,
    MarkPolicy,
    MediaCapabilities,
    MediaEvent,
    Message,
    Started,
    Stopped,
)
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.stream_life import Phase, Verb
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError

HANGUP: Final = 0x00
UUID_KIND: Final = 0x01
DTMF: Final = 0x03
ERROR: Final = 0xFF
AUDIO_KINDS: Final = MappingProxyType({0x10: 8000, 0x12: 16000})
"""Rate of the audio of a kind, Hz; others (0x11 at 12000 Hz, 0x13 to 0x18 from 24000 Hz on) are refused."""

HEADER_BYTES: Final = 3
FRAME_MS: Final = 20
"""Audio in one frame, milliseconds."""

_UUID_BYTES: Final = 16
_OTHER_AUDIO: Final = frozenset({0x11, *range(0x13, 0x19)})
_CALLER_HUNG_UP: Final = b"\x01"
"""Payload of an error that says that the calling party has hung up."""


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Write a frame."""
    return bytes((kind, len(payload) >> 8, len(payload) & 0xFF)) + payload


def read_uuid(message: Message) -> UUID:
    """Read the frame that comes first.

    Raises:
        MediaProtocolError: Fatal: it is another one.
    """
    kind, payload = _read(message) if len(message) == HEADER_BYTES + _UUID_BYTES else (None, b"")
    if kind != UUID_KIND or len(payload) != _UUID_BYTES:
        raise MediaProtocolError("the connection must begin with a UUID", fatal=True)
    return UUID(bytes=payload)


class Framer:
    """Cuts the bytes of a connection into whole frames; holds less than one frame, 65538 bytes at most."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what came.

        Args:
            data: Any number of bytes.

        Returns:
            The frames that are whole, headers included, oldest first.
        """
        if self._rest:
            # Grown in place: whoever sends byte by byte costs no copy of all of them for each.
            self._rest += data
            if _first_end(self._rest, 0) > len(self._rest):
                return []
            data, self._rest = bytes(self._rest), bytearray()
        frames, at = [], 0
        while (behind := _first_end(data, at)) <= len(data):
            frames.append(data[at:behind])
            at = behind
        if at < len(data):
            self._rest += data[at:]
        return frames


def _first_end(data: bytes | bytearray, at: int) -> int:
    """Return where the frame ends that begins at a place; behind the data while its header is not whole."""
    if len(data) - at < HEADER_BYTES:
        return len(data) + 1
    return at + HEADER_BYTES + (data[at + 1] << 8 | data[at + 2])


class AudioSocketProtocol(StreamProtocol):
    """One AudioSocket connection, frame by frame.

    Tolerated: an unknown kind, a digit before the audio, an empty audio frame (all dropped). Not tolerated: anything
    but the UUID first (fatal), audio of another rate than 8000 or 16000 Hz (fatal), another rate than at first (fatal),
    half samples, a second UUID.
    """

    name: ClassVar[str] = "audiosocket"
    label: ClassVar[str] = "Asterisk AudioSocket"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.NONE,
        flush=False,
        frame_ms=FRAME_MS,
        exact_frames=True,
        look_ahead_ms=60,
        max_audio_ms=FRAME_MS,
        hangup_in_band=True,
    )

    def __init__(self) -> None:
        super().__init__()
        self._kind = 0
        self._head = b""
        self._frame_bytes = 0
        self._sample_rate_hz = 0
        self._call_id = ""

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Never: it has a port of its own, where nothing else is spoken."""
        del handshake
        return False

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Never: it has a port of its own, where nothing else is spoken."""
        del message
        return False

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the first audio, 8000 or 16000; 0 before it."""
        return self._sample_rate_hz

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. A frame of 20 ms each, the last one filled with silence."""
        if not self._life.is_open or not pcm:
            return []
        frame_bytes = self._frame_bytes
        if len(pcm) == frame_bytes:
            return [self._head + pcm]
        require_whole_samples(pcm)
        pieces = (pcm[at : at + frame_bytes] for at in range(0, len(pcm), frame_bytes))
        return [self._head + piece.ljust(frame_bytes, b"\x00") for piece in pieces]

    def send_mark(self, name: str) -> list[Message]:
        """Nothing: there are no marks."""
        del name
        return []

    def send_clear(self) -> list[Message]:
        """Nothing: there is no flush."""
        return []

    def send_hangup(self) -> list[Message]:
        """Tell Asterisk that it is over; what the channel does next stands in its dial plan."""
        return [frame(HANGUP)] if self._life.is_open else []

    def _take(self, message: Message) -> list[MediaEvent]:
        kind, payload = _read(message)
        if kind == self._kind and self._life.is_open:
            return [AudioReceived(_samples(payload))]
        phase = self._life.phase
        if phase is Phase.OVER:
            raise MediaProtocolError("the stream is over")
        if phase is Phase.WAITING:
            self._call_id = audiosocket_call_id(read_uuid(message))
            self._life.move(Verb.CONNECTED)
            return []
        if kind in AUDIO_KINDS:
            return self._start(kind, payload)
        if kind in _OTHER_AUDIO:
            raise MediaProtocolError("the audio must be at 8000 Hz (slin) or 16000 Hz (slin16)", fatal=True)
        if kind == HANGUP or (kind == ERROR and payload == _CALLER_HUNG_UP):
            self._life.move(Verb.STOP)
            return [Stopped("hangup")]
        if kind == ERROR:
            raise MediaProtocolError("Asterisk reports an error", fatal=True)
        if phase is Phase.OPEN and kind == DTMF:
            return [DtmfReceived(wire.digit(payload.decode("latin-1")))]
        raise MediaProtocolError("the frame has no meaning here")

    def _start(self, kind: int, payload: bytes) -> list[MediaEvent]:
        if self._kind:
            raise MediaProtocolError("the rate of the audio may not change", fatal=True)
        pcm = _samples(payload)
        self._life.move(Verb.START)
        self._kind, self._sample_rate_hz = kind, AUDIO_KINDS[kind]
        self._frame_bytes = self._sample_rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
        self._head = frame(kind, bytes(self._frame_bytes))[:HEADER_BYTES]
        return [Started("", self._call_id, "", self._sample_rate_hz), AudioReceived(pcm)]


def _read(message: Message) -> tuple[int, bytes]:
    if isinstance(message, str):
        raise MediaProtocolError("only binary frames are allowed")
    if len(message) < HEADER_BYTES or message[1] << 8 | message[2] != len(message) - HEADER_BYTES:
        raise MediaProtocolError("the frame is not as long as it says")
    return message[0], message[HEADER_BYTES:]


def _samples(payload: bytes) -> bytes:
    if not payload or len(payload) % PCM_SAMPLE_BYTES:
        raise MediaProtocolError("audio must be whole 16-bit samples")
    return payload
