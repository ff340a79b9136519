"""A far end that costs next to nothing: it says back what it heard, some seconds later.

For measuring the harness itself: ``python -m tests.runtime.replay.echo --port 9999`` on one core,
``aicall replay ws://127.0.0.1:9999/ WAV --calls 200`` on another. It speaks just enough of RFC 6455 and of Twilio's
media streams (or of the plain protocol) for that, and trusts its client.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from base64 import b64encode
from collections import deque
from hashlib import sha1

from websockets.speedups import apply_mask

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PAYLOAD = b'"payload": "'
_STREAM = b'"streamSid": "'
_TALK_S = 5.0
"""Of so many seconds it talks in a part, each connection in another one."""


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self, delay_s: float, share: float) -> None:
        self._delay_s = delay_s
        self._share = share
        self._phase_s = random.uniform(0.0, _TALK_S)
        self._rest = b""
        self._upgraded = False
        self._head = b""
        self._due: deque[tuple[float, bytes]] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self._upgraded:
            data = self._upgrade(data)
        at = 0
        while len(data) - at >= 6:
            size, mask_at = data[at + 1] & 0x7F, at + 2
            if size == 126:
                size, mask_at = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            end = mask_at + 4 + size
            if end > len(data):
                break
            self._take(data[at] & 15, apply_mask(data[mask_at + 4 : end], data[mask_at : mask_at + 4]))
            at = end
        self._rest = data[at:]

    def _upgrade(self, data: bytes) -> bytes:
        request, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return data
        headers = {}
        for line in request.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        accept = b64encode(sha1(headers[b"sec-websocket-key"] + _GUID).digest())
        protocol = headers.get(b"sec-websocket-protocol")
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        answer += b"Sec-WebSocket-Accept: " + accept + b"\r\n"
        answer += b"Sec-WebSocket-Protocol: " + protocol + b"\r\n" if protocol else b""
        self._transport.write(answer + b"\r\n")
        self._upgraded = True
        return rest

    def _take(self, opcode: int, message: bytes) -> None:
        if opcode == 8:
            self._transport.write(b"\x88" + bytes([len(message)]) + message)
            self._transport.close()
        elif opcode == 2:
            self._later(frame(2, message))
        elif _PAYLOAD in message:
            if not self._head:
                begin = message.index(_STREAM) + len(_STREAM)
                stream = message[begin : message.index(b'"', begin)]
                self._head = b'{"event":"media","streamSid":"' + stream + b'","media":{"payload":"'
            begin = message.index(_PAYLOAD) + len(_PAYLOAD)
            self._later(frame(1, self._head + message[begin : message.index(b'"', begin)] + b'"}}'))

    def _later(self, answer: bytes) -> None:
        due_s = self._loop.time() + self._delay_s
        if (due_s + self._phase_s) % _TALK_S >= self._share * _TALK_S:
            return
        self._due.append((due_s, answer))
        if self._timer is None:
            self._timer = self._loop.call_at(due_s, self._send_due)

    def _send_due(self) -> None:
        now_s = self._loop.time()
        while self._due and self._due[0][0] <= now_s:
            self._transport.write(self._due.popleft()[1])
        self._timer = self._loop.call_at(self._due[0][0], self._send_due) if self._due else None


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a server's WebSocket frame (RFC 6455 section 5.2) of up to 64 KiB."""
    size = len(payload)
    head = bytes([0x80 | opcode, size]) if size < 126 else bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big")
    return head + payload


async def serve(port: int, delay_s: float, share: float, last_s: float) -> None:
    """Serve for some seconds."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Echo(delay_s, share), "127.0.0.1", port, backlog=1024) as server:
        sys.stdout.write(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/\n")
        sys.stdout.flush()
        await asyncio.sleep(last_s)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=4.0, help="seconds from heard to said")
    parser.add_argument("--share", type=float, default=1.0, help="share of the time in which it says anything")
    parser.add_argument("--last", type=float, default=120.0, help="seconds until it ends by itself")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.delay, options.share, options.last))
