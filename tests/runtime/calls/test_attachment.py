from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from adapters.media.base import Handshake
from adapters.media.plain import SUBPROTOCOL, PlainProtocol
from models.aicall import EndReason
from models.errors import MediaProtocolError
from runtime.calls.attachment import Attachment
from runtime.calls.call_socket import Disconnected

START = json.dumps({"event": "start", "call_id": "c", "sample_rate": 8000})
pytestmark = pytest.mark.virtual_time


class Peer:
    """A phone system's end of a WebSocket."""

    def __init__(self, *texts: str, code: int | None = None) -> None:
        self.accepted: list[str | None] = []
        self.closed: list[int] = []
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for text in texts:
            self._inbox.put_nowait({"type": "websocket.receive", "text": text})
        if code is not None:
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": code})

    async def accept(self, subprotocol: str | None = None) -> None:
        self.accepted.append(subprotocol)

    async def receive(self) -> Any:
        return await self._inbox.get()

    async def send_text(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.closed.append(code)


def attached(peer: Peer, *, offered: tuple[str, ...] = (), named: bool = False) -> Attachment:
    handshake = Handshake(url="ws://x", path="/", subprotocols=offered)
    return Attachment(handshake, PlainProtocol if named else None, peer, start_timeout_s=5.0)


@pytest.mark.parametrize(("offered", "answered"), [((), None), ((SUBPROTOCOL,), SUBPROTOCOL)])
async def test_a_stream_begins(offered: tuple[str, ...], answered: str | None) -> None:
    peer = Peer(START)
    attachment = attached(peer, offered=offered, named=True)
    started, early = await attachment.open()
    assert (started.call_id, started.sample_rate_hz, early) == ("c", 8000, [])
    assert peer.accepted == [answered]
    assert attachment.socket.started


async def test_the_first_message_shows_the_protocol() -> None:
    started, _ = await attached(Peer(START)).open()
    assert started.call_id == "c"
    with pytest.raises(MediaProtocolError, match="no media protocol"):
        await attached(Peer("what?")).open()


async def test_a_greeting_does_not_show_the_protocol_but_what_follows_does() -> None:
    greeting = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    start = json.dumps({"event": "start", "start": {"streamSid": "MZ1", "callSid": "CA1"}})
    attachment = attached(Peer(greeting, start))
    started, _ = await attachment.open()
    assert started.stream_id == "MZ1"
    assert attachment.socket.protocol.name == "twilio"
    with pytest.raises(MediaProtocolError, match="no media protocol"):
        await attached(Peer(greeting, greeting)).open()


async def test_a_stream_that_does_not_begin() -> None:
    began_s = asyncio.get_running_loop().time()
    with pytest.raises(MediaProtocolError, match="in time"):
        await attached(Peer()).open()
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(5.0)
    with pytest.raises(Disconnected) as caught:
        await attached(Peer(code=1006)).open()
    assert not caught.value.hung_up


async def test_the_first_reason_for_giving_up_counts_and_closing_says_that_it_is_over() -> None:
    peer = Peer(START)
    attachment = attached(peer)
    attachment.break_off(EndReason.MEDIA_ERROR)
    attachment.break_off(EndReason.HANGUP)
    assert attachment.broken.result() is EndReason.MEDIA_ERROR
    assert not attachment.over.is_set()
    await attachment.close(1000, "")
    assert attachment.over.is_set()
    assert peer.closed == [1000]
