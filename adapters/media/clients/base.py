"""The contract of a media protocol's other side: what a phone system says and hears on the socket.

Used by the replay harness, the demo and the tests, which play the phone system. Sans-I/O like `adapters.media.base`.
It checks what the runtime sends as strictly as the real phone system does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from adapters.media import wire
from adapters.media.base import Message
from models.errors import InvalidField


@dataclass(frozen=True, slots=True)
class CallLeg:
    """One call, as the phone system knows it.

    Attributes:
        stream_id: Its id of the media stream.
        call_id: Its id of the call.
        account_id: Its id of the account.
        sample_rate_hz: Rate of the audio in both directions, Hz.
        from_: Caller.
        to: Called number.
        parameters: Custom parameters to pass along.
    """

    stream_id: str
    call_id: str
    account_id: str = ""
    sample_rate_hz: int = 8000
    from_: str = ""
    to: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlayAudio:
    """Audio to put into the playback buffer.

    Attributes:
        pcm: 16-bit signed little-endian mono PCM at the leg's sample rate, as the far end hears it.
    """

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark to put into the playback buffer behind the audio so far.

    Attributes:
        name: To be echoed with `MediaClient.send_mark_reached` when it is reached or flushed.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Drop what was not played yet; whether pending marks are echoed is the protocol's `MarkPolicy`."""


@dataclass(frozen=True, slots=True)
class Dtmf:
    """Digits to send to the far end.

    Attributes:
        digits: Of ``0-9 * # A-D``.
    """

    digits: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """The runtime ends the call."""


ClientEvent = PlayAudio | Mark | Clear | Dtmf | Hangup


class MediaClient(ABC):
    """The phone system's side of one connection. Create one per socket.

    `opening` comes first, `send_stop` last; the ``send_*`` return the messages to write, in order. Audio is 16-bit
    signed little-endian mono PCM at the leg's sample rate.
    """

    name: ClassVar[str]
    """The protocol's name in the table."""
    subprotocol: ClassVar[str | None] = None
    """WebSocket subprotocol to offer, or None."""

    def __init__(self, leg: CallLeg) -> None:
        """Prepare the client for one call.

        Args:
            leg: The call.

        Raises:
            InvalidField: The protocol cannot carry the leg's sample rate.
        """
        self.leg = leg

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the upgrade request by which the phone system says something of the stream."""
        return {}

    @property
    def query(self) -> Mapping[str, str]:
        """What the phone system puts into the query of the URL."""
        return {}

    @abstractmethod
    def opening(self) -> list[Message]:
        """The messages that begin the stream."""

    @abstractmethod
    def send_audio(self, pcm: bytes) -> list[Message]:
        """Send audio of the caller.

        Args:
            pcm: Whole samples, of any length. What is less than a frame of the protocol waits for the next call.

        Raises:
            InvalidField: An odd number of bytes.
        """

    @abstractmethod
    def send_dtmf(self, digit: str) -> list[Message]:
        """Send a key that the caller pressed.

        Args:
            digit: One of ``0-9 * # A-D``.

        Raises:
            InvalidField: Anything else.
        """

    @abstractmethod
    def send_mark_reached(self, name: str) -> list[Message]:
        """Echo a mark that was reached or flushed."""

    def send_cleared(self) -> list[Message]:
        """Confirm that a `Clear` was obeyed; empty where the phone system does not."""
        return []

    @abstractmethod
    def send_stop(self, reason: str = "") -> list[Message]:
        """End the stream, after the rest of the audio; ``reason`` goes along where the protocol has one."""

    @abstractmethod
    def receive(self, message: Message) -> list[ClientEvent]:
        """Take one message of the runtime.

        Returns:
            What it asks for, oldest first.

        Raises:
            MediaProtocolError: The runtime broke the protocol.
        """


def one_digit(digit: str) -> str:
    """Check a key that is about to be sent.

    Raises:
        InvalidField: Not one of ``0-9 * # A-D``.
    """
    if len(digit) != 1:
        raise InvalidField("digit", "one digit at a time")
    return wire.require_digits(digit)
