"""The caller's own end of the audio: an RTP endpoint (RFC 3550) with µ-law and keypad events (RFC 4733)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.standins.audio import encode

FRAME = 160
"""Samples and bytes of 20 ms of µ-law."""
FRAME_S = 0.02
SILENCE = b"\xff" * FRAME
ULAW, EVENT = 0, 101
"""Payload types: the static one of PCMU, and the one that the caller's SDP gives to telephone-event."""

_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_DIGITS = "0123456789*#ABCD"
_KEY_FRAMES = 5
_SSRC = 0x41494341


@dataclass(frozen=True)
class Packet:
    """One packet of audio that the caller received.

    Attributes:
        at: When, on the loop's clock, seconds.
        sequence: RTP sequence number.
        timestamp: RTP timestamp, in samples.
        ulaw: Its audio.
    """

    at: float
    sequence: int
    timestamp: int
    ulaw: bytes


class Handset(asyncio.DatagramProtocol):
    """Sends 20 ms of µ-law every 20 ms, silence unless it has something to say, and keeps what it hears.

    Attributes:
        port: UDP port on 127.0.0.1.
        packets: What came, in the order of arrival.
        keys: Keypad events that came, one for each key.
    """

    def __init__(self) -> None:
        self.port = 0
        self.packets: list[Packet] = []
        self.keys = ""
        self._key_timestamps: set[int] = set()
        self._queue: list[tuple[int, bytes]] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._sending: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take a port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]

    def talk_to(self, port: int) -> None:
        """Send to this port on 127.0.0.1 from now on."""
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(("127.0.0.1", port)))

    async def close(self) -> None:
        """Fall silent and give the port back."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})
        if self._transport is not None:
            self._transport.close()

    def say(self, pcm: bytes) -> None:
        """Speak, behind what is being said.

        Args:
            pcm: 16-bit mono PCM at 8000 Hz.
        """
        ulaw = encode(pcm, "mulaw")
        self._queue += [(ULAW, ulaw[at : at + FRAME].ljust(FRAME, b"\xff")) for at in range(0, len(ulaw), FRAME)]

    def press(self, digits: str) -> None:
        """Press keys, 100 ms each."""
        for digit in digits:
            code = _DIGITS.index(digit)
            lasting = [_EVENT.pack(code, 10, FRAME * n) for n in range(1, _KEY_FRAMES + 1)]
            # RFC 4733, 2.5.1.4: the end is told three times.
            end = _EVENT.pack(code, 0x80 | 10, FRAME * _KEY_FRAMES)
            self._queue += [(EVENT, it) for it in (*lasting, end, end, end)] + [(ULAW, SILENCE)] * 5

    @property
    def saying(self) -> bool:
        """Whether something is left to say or press."""
        return bool(self._queue)

    @property
    def heard(self) -> bytes:
        """All audio so far in the order in which it was sent, µ-law; gaps are left out."""
        return b"".join(it.ulaw for it in sorted(self.packets, key=lambda it: it.timestamp))

    def heard_since(self, at: float) -> bytes:
        """The audio that arrived from this moment on, µ-law."""
        return b"".join(it.ulaw for it in self.packets if it.at >= at)

    async def until(self, condition: Callable[[], object], timeout_s: float = 20.0) -> None:
        """Wait until a condition holds that is looked at with each packet.

        Raises:
            TimeoutError: It did not in time.
        """
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Take one packet."""
        first, kind, sequence, timestamp, _source = _HEADER.unpack_from(data)
        assert first == 0x80
        payload = data[_HEADER.size :]
        if kind & 0x7F == ULAW:
            self.packets.append(Packet(asyncio.get_running_loop().time(), sequence, timestamp, payload))
        elif kind & 0x7F == EVENT and timestamp not in self._key_timestamps:
            self._key_timestamps.add(timestamp)
            self.keys += _DIGITS[payload[0]]
        notice = asyncio.create_task(self._notice())
        self._notices.add(notice)
        notice.add_done_callback(self._notices.discard)

    async def _notice(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _send(self, address: tuple[str, int]) -> None:
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        due = loop.time()
        sequence = timestamp = key_timestamp = 0
        last_kind = ULAW
        last_payload = b""
        while True:
            kind, payload = self._queue.pop(0) if self._queue else (ULAW, SILENCE)
            if kind == EVENT and (last_kind != EVENT or (last_payload[1] & 0x80 and not payload[1] & 0x80)):
                key_timestamp = timestamp
            marker = 0x80 if kind != last_kind else 0
            stamp = key_timestamp if kind == EVENT else timestamp
            self._transport.sendto(_HEADER.pack(0x80, marker | kind, sequence, stamp, _SSRC) + payload, address)
            last_kind, last_payload = kind, payload
            sequence = sequence + 1 & 0xFFFF
            timestamp += FRAME
            due += FRAME_S
            await asyncio.sleep(due - loop.time())
