"""The contract of a media protocol: what a phone system and the runtime say to each other on one socket.

A protocol is sans-I/O. It turns received messages into events (`MediaProtocol.receive`) and commands into messages to
send (`send_audio`, `send_mark`, `send_clear`, …). It owns no socket, no task and no clock, so that it is tested with
plain lists. Audio inside the runtime is always 16-bit signed little-endian mono PCM at the protocol's own sample rate;
each protocol converts to and from its wire encoding and never resamples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Self

Message = str | bytes
"""One WebSocket message: text or binary."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is known of a connection before any message: the HTTP upgrade request.

    Attributes:
        url: The public ``ws(s)://`` URL that the phone system dialled, path and query included (what it signed).
        path: Path of the request.
        query: Query parameters; the last one wins where a name repeats.
        headers: Header names in lower case.
        subprotocols: What ``Sec-WebSocket-Protocol`` offered, in order.
    """

    url: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """The stream has begun; audio follows.

    Attributes:
        stream_id: The phone system's id of this media stream.
        call_id: The phone system's id of the call ('' when it has none).
        account_id: The phone system's id of the account ('' when it has none).
        sample_rate_hz: Rate of the audio in both directions, Hz.
        parameters: Custom parameters that the phone system passed along.
        from_: Caller, as given ('' when unknown).
        to: Called number, as given ('' when unknown).
    """

    stream_id: str
    call_id: str
    account_id: str
    sample_rate_hz: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    from_: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """Audio of the caller.

    Attributes:
        pcm: 16-bit signed little-endian mono PCM at the protocol's sample rate; whole samples, at least one.
        timestamp_ms: The phone system's media time of the first sample, milliseconds since the start, or None.
    """

    pcm: bytes
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DtmfReceived:
    """The caller pressed a key.

    Attributes:
        digit: One of ``0-9 * # A-D``.
    """

    digit: str


@dataclass(frozen=True, slots=True)
class MarkReached:
    """The phone system echoed a mark.

    Attributes:
        name: The name given to `MediaProtocol.send_mark`.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The phone system ended the stream (hang-up or a further instruction).

    Attributes:
        reason: The phone system's own word for it ('' when it gave none).
    """

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The protocol itself has to answer, before anything else is sent.

    Attributes:
        messages: What to send, in order.
    """

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class FlowControl:
    """The phone system's buffer is full, or has room again.

    Attributes:
        paused: Whether no more audio may be sent for now.
    """

    paused: bool


MediaEvent = Started | AudioReceived | DtmfReceived | MarkReached | Stopped | Reply | FlowControl


class MarkPolicy(StrEnum):
    """What becomes of marks that are pending when the playback buffer is flushed."""

    NONE = "none"
    """The protocol has no marks."""
    ECHOED = "echoed"
    """Pending marks are echoed at once (Twilio): an echo after a flush does not mean 'played'."""
    DROPPED = "dropped"
    """Pending marks never come back."""
    PLAYED_ONLY = "played_only"
    """Only marks that were really reached come back."""


@dataclass(frozen=True, slots=True)
class MediaCapabilities:
    """What a protocol can do; the playback side adapts to it.

    Attributes:
        marks: What becomes of marks on a flush.
        flush: Whether the phone system buffers and can be told to drop what it has not played.
        dtmf_out: Whether digits can be sent to the far end.
        frame_ms: Preferred duration of one outgoing audio message, milliseconds.
        exact_frames: Whether every audio message must last exactly `frame_ms`; the last one is filled with silence.
        look_ahead_ms: Audio that may lie unplayed at the phone system, milliseconds: little where it cannot be flushed.
        max_audio_ms: Longest audio of one outgoing message, milliseconds.
        max_message_bytes: Largest outgoing message that the phone system takes.
        hangup_in_band: Whether `send_hangup` ends the call itself (otherwise closing the socket does).
        goodbye_s: How long to wait for the phone system's own goodbye after `send_hangup`, seconds; 0 closes at once.
    """

    marks: MarkPolicy
    flush: bool
    dtmf_out: bool = False
    frame_ms: int = 20
    exact_frames: bool = False
    look_ahead_ms: int = 200
    max_audio_ms: int = 1_000
    max_message_bytes: int = 65_536
    hangup_in_band: bool = False
    goodbye_s: float = 0.0


class MediaProtocol(ABC):
    """One connection's protocol state. Create one per socket.

    Contract (checked for every protocol by ``tests/adapters/media/test_contract.py``):

    - `receive` is called with every message in order and returns its events, oldest first. It raises
      `models.errors.MediaProtocolError` and nothing else for anything that the protocol does not allow; unless the
      error is fatal, the protocol stays usable. A message that breaks the protocol has no other effect.
    - The first event is `Started` and the last one `Stopped`, `Reply` apart, which may come before and after them;
      content before the start is a fatal error, and every message after the stop or after a fatal error is an error.
    - ``send_*`` return the messages to write, in order, and never raise for valid input. Outside of the stream (before
      `Started`, after `Stopped` or a fatal error) they return none, so that a late sender needs no check of its own.
    - Audio survives both directions bit-exact, apart from the wire codec's own quantisation.
    """

    name: ClassVar[str]
    """Name in ``protocol=`` and in the table."""
    label: ClassVar[str]
    """Name for people."""
    capabilities: ClassVar[MediaCapabilities]
    subprotocol: ClassVar[str | None] = None
    """WebSocket subprotocol to accept, or None."""

    @classmethod
    def begin(cls, handshake: Handshake) -> Self:
        """Make the protocol's side of a connection.

        Args:
            handshake: The upgrade request, for the protocols that say something of the stream there.
        """
        del handshake
        return cls()

    @classmethod
    @abstractmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Say whether the upgrade request alone shows this protocol."""

    @classmethod
    @abstractmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether a connection speaks this protocol whose first message, a greeting apart, is this. Never raises.

        A greeting is a ``{"event": "connected"}``, with which half a dozen protocols begin.
        """

    @property
    @abstractmethod
    def sample_rate_hz(self) -> int:
        """Rate of the audio in both directions, Hz; meaningful once `Started` was returned."""

    @abstractmethod
    def receive(self, message: Message) -> list[MediaEvent]:
        """Take one received message.

        Args:
            message: Text or binary, as it came.

        Returns:
            Its events, oldest first; empty for messages that carry nothing for us.

        Raises:
            MediaProtocolError: The message breaks the protocol.
        """

    @abstractmethod
    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio.

        Args:
            pcm: Whole samples of 16-bit signed little-endian mono PCM at `sample_rate_hz`. More than a second is cut
                into messages of `MediaCapabilities.max_audio_ms`.

        Raises:
            InvalidField: An odd number of bytes.
        """

    @abstractmethod
    def send_mark(self, name: str) -> list[Message]:
        """Ask for an echo once everything sent so far was played; empty where the protocol has no marks.

        Args:
            name: 1 to 1024 characters; comes back in `MarkReached`.
        """

    @abstractmethod
    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played; empty where the phone system does not buffer."""

    def send_dtmf(self, digits: str) -> list[Message]:
        """Send digits to the far end; empty where the protocol cannot.

        Raises:
            InvalidField: Something beside ``0-9 * # A-D``, where the protocol can send digits.
        """
        del digits
        return []

    def send_hangup(self) -> list[Message]:
        """Last messages before the runtime closes the socket; empty where closing is all there is."""
        return []
