"""The WebSocket frames that calls are made of, as a client reads and writes them (RFC 6455, section 5.2).

Reads whole, unfragmented, unmasked messages of up to 64 KiB; everything else (fragments, close, longer messages,
whatever breaks the protocol) is left to a full implementation. For a 20 ms message this takes a tenth of the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

from websockets.frames import Opcode, apply_mask  # type: ignore[attr-defined]

from adapters.media.base import Message

_TEXT: Final = 0x80 | Opcode.TEXT
_BINARY: Final = 0x80 | Opcode.BINARY
_CONTROL: Final = frozenset({0x80 | Opcode.PING, 0x80 | Opcode.PONG})
_LONGEST_CONTROL: Final = 125
_TWO_BYTE_LENGTH: Final = 126
_EIGHT_BYTE_LENGTH: Final = 127
_SHORT_HEAD: Final = 2
_LONG_HEAD: Final = 4
_MASKED: Final = 0x80

_MASK_BYTES: Final = 4
_MASKS_TOGETHER: Final = 1024
_HEAD: Final = Struct("!BB4s")
_HEAD_2: Final = Struct("!BBH4s")
_HEAD_8: Final = Struct("!BBQ4s")


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


class ServerFrames:
    """Reads what one server sends. Give it everything from a frame's first byte on, until it returns a `Rest`."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self._wanted = 0  # bytes from which on it is worth looking at the partial frame again

    def receive(self, data: bytes) -> list[Received]:
        """Take received bytes; returns what they complete, oldest first. Nothing follows a `Rest`."""
        if self._partial:
            self._partial += data
            if len(self._partial) < self._wanted:
                return []
            data = bytes(self._partial)
            self._partial.clear()
        received: list[Received] = []
        at, size = 0, len(data)
        while size - at >= _SHORT_HEAD:
            first, length = data[at], data[at + 1]
            start = at + _SHORT_HEAD
            if length >= _TWO_BYTE_LENGTH:
                if length > _TWO_BYTE_LENGTH:  # longer than any message of a call, or masked
                    received.append(Rest(data[at:]))
                    return received
                start = at + _LONG_HEAD
                if start > size:
                    break
                length = data[at + 2] << 8 | data[at + 3]
            end = start + length
            message = first == _TEXT or first == _BINARY  # noqa: PLR1714 - a set costs more
            if not message and (first not in _CONTROL or length > _LONGEST_CONTROL):
                received.append(Rest(data[at:]))
                return received
            if end > size:
                break
            if not message:
                received.append(Control(data[at:end]))
            elif first == _BINARY:
                received.append(data[start:end])
            else:
                try:
                    received.append(data[start:end].decode())
                except UnicodeDecodeError:
                    received.append(Rest(data[at:]))
                    return received
            at = end
        self._keep(data, at)
        return received

    def _keep(self, data: bytes, at: int) -> None:
        left = len(data) - at
        if not left:
            return
        self._partial += data[at:]
        self._wanted = _SHORT_HEAD
        if left >= _SHORT_HEAD:
            length = data[at + 1]
            self._wanted += length
            if length == _TWO_BYTE_LENGTH:
                self._wanted = _LONG_HEAD
                if left >= _LONG_HEAD:
                    self._wanted += data[at + 2] << 8 | data[at + 3]


def _masks() -> Iterator[bytes]:
    """Yield unpredictable masks, as section 5.3 asks for: a fresh one each time, drawn from the system many at once."""
    while True:
        drawn = os.urandom(_MASK_BYTES * _MASKS_TOGETHER)
        for at in range(0, len(drawn), _MASK_BYTES):
            yield drawn[at : at + _MASK_BYTES]


_next_mask: Final = _masks().__next__


def client_frame(message: Message) -> bytes:
    """Return a message as it goes over the wire: one frame, masked."""
    if isinstance(message, str):
        first, payload = _TEXT, message.encode()
    else:
        first, payload = _BINARY, message
    length, mask = len(payload), _next_mask()
    if length < _TWO_BYTE_LENGTH:
        head = _HEAD.pack(first, _MASKED | length, mask)
    elif length < 1 << 16:
        head = _HEAD_2.pack(first, _MASKED | _TWO_BYTE_LENGTH, length, mask)
    else:
        head = _HEAD_8.pack(first, _MASKED | _EIGHT_BYTE_LENGTH, length, mask)
    masked: bytes = apply_mask(payload, mask)
    return head + masked
