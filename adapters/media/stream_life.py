"""The life of one media stream: which message may follow which, for every protocol of the seat."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from models.errors import MediaProtocolError


class Phase(Enum):
    """Where a stream stands."""

    WAITING = auto()
    """Nothing was received."""
    CONNECTED = auto()
    """The phone system has greeted, but not started the stream."""
    OPEN = auto()
    """Audio, digits and marks flow."""
    OVER = auto()
    """Stopped, or broken off by a fatal error."""


class Verb(Enum):
    """What a received message does to the stream."""

    CONNECTED = auto()
    START = auto()
    CONTENT = auto()
    """Audio, a digit or a mark."""
    STOP = auto()
    BREAK = auto()
    """Not a message: the protocol gave up on the stream."""


MOVES: Final[Mapping[tuple[Phase, Verb], Phase]] = MappingProxyType(
    {
        (Phase.WAITING, Verb.CONNECTED): Phase.CONNECTED,
        (Phase.WAITING, Verb.START): Phase.OPEN,
        (Phase.CONNECTED, Verb.START): Phase.OPEN,
        (Phase.OPEN, Verb.CONTENT): Phase.OPEN,
        (Phase.OPEN, Verb.STOP): Phase.OVER,
        (Phase.WAITING, Verb.BREAK): Phase.OVER,
        (Phase.CONNECTED, Verb.BREAK): Phase.OVER,
        (Phase.OPEN, Verb.BREAK): Phase.OVER,
        (Phase.OVER, Verb.BREAK): Phase.OVER,
    }
)
"""Every legal move. ``connected`` is optional, since some systems begin with ``start``."""


class StreamLife:
    """One stream's phase.

    Attributes:
        phase: Where the stream stands; changed by `move` only.
    """

    __slots__ = ("phase",)

    def __init__(self) -> None:
        self.phase = Phase.WAITING

    @property
    def is_open(self) -> bool:
        """Whether audio may flow."""
        return self.phase is Phase.OPEN

    def move(self, verb: Verb) -> None:
        """Take the stream on.

        Raises:
            MediaProtocolError: `MOVES` does not list the move. Fatal when content or a stop came before the start,
                because such a peer does not speak the protocol; otherwise the message can be dropped.
        """
        if verb is Verb.CONTENT and self.phase is Phase.OPEN:
            return  # The table's own answer, without hashing it fifty times a second.
        target = MOVES.get((self.phase, verb))
        if target is None:
            if self.phase is Phase.OVER:
                raise MediaProtocolError("the stream is over")
            if verb in {Verb.CONTENT, Verb.STOP}:
                raise MediaProtocolError("the stream has not started", fatal=True)
            raise MediaProtocolError("the stream has begun already")
        self.phase = target
