"""Calls of an Asterisk that dials this side, through the real server: its wire spelt out, in both spellings."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from adapters.media.base import Started
from tests.pipelines.sounds import speech
from tests.runtime.calls.offices import assert_ended, office, until_status
from tests.runtime.calls.phones import WAIT_S
from tests.runtime.serving import serving
from tests.standins.audio import encode

QUERY = "?session=1761245643.0&from=%2B15551230001&to=100"
FIELDS = {
    "connection_id": "c1",
    "channel": "WebSocket/c1/0x1",
    "channel_id": "1761245643.1",
    "format": "ulaw",
    "optimal_frame_size": 160,
    "ptime": 20,
}
JSON_START = json.dumps({"event": "MEDIA_START", **FIELDS, "channel_variables": {"plan": "gold"}})
PLAIN_START = " ".join(("MEDIA_START", *(f"{name}:{value}" for name, value in FIELDS.items())))


class Asterisk:
    """One end of a media WebSocket. It plays nothing: what is to be played is only counted."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard = b""
        self.commands: list[str] = []
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def say(self, text: str, silence_s: float = 1.0) -> None:
        """Speak and fall silent, four times as fast as people do: the audio carries its own time."""
        ulaw = encode(speech(8000, text).tobytes(), "mulaw") + b"\xff" * round(silence_s * 8000)
        with contextlib.suppress(ConnectionClosed):
            for at in range(0, len(ulaw), 160):
                await self.socket.send(ulaw[at : at + 160].ljust(160, b"\xff"))
                await asyncio.sleep(0.005)

    async def until_heard(self, more: int = 160) -> None:
        wanted = len(self.heard) + more
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.heard) >= wanted)

    async def until_told(self, command: str) -> None:
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: command in self.commands)

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self.socket:
                async with self._changed:
                    if isinstance(message, bytes):
                        # It throws away what is beyond whole frames.
                        assert len(message) % 160 == 0
                        self.heard += message
                    else:
                        assert len(message.encode()) <= 128
                        await self._obey(message)
                    self._changed.notify_all()

    async def _obey(self, message: str) -> None:
        document = json.loads(message) if message.startswith("{") else {"command": message.partition(" ")[0]}
        self.commands.append(document["command"])
        if document["command"] == "MARK_MEDIA":
            id_ = document.get("correlation_id") or message.partition(" ")[2]
            event = {"event": "MEDIA_MARK_PROCESSED", "correlation_id": id_, "channel_id": "1761245643.1"}
            await self.socket.send(json.dumps(event) if message.startswith("{") else f"MEDIA_MARK_PROCESSED {id_}")


@asynccontextmanager
async def dialled(url: str, start: str) -> AsyncIterator[Asterisk]:
    """Dial as Asterisk does: the subprotocol, neither an origin nor a user agent, no extensions."""
    options = {"proxy": None, "compression": None, "ping_interval": None, "user_agent_header": None}
    async with connect(url, subprotocols=[Subprotocol("media")], **options) as socket:  # type: ignore[arg-type]
        assert socket.subprotocol == "media"
        asterisk = Asterisk(socket)
        # Under load, audio comes before the start.
        await socket.send(b"\xff" * 160)
        await socket.send(start)
        yield asterisk


@pytest.mark.parametrize("start", [JSON_START, PLAIN_START], ids=["json", "plain-text"])
async def test_a_whole_call_with_barge_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    async with office(tmp_path, monkeypatch) as at:
        aicall = await at.new_aicall()
        async with dialled(aicall["media_url"] + QUERY, start) as asterisk:
            await asterisk.until_heard()
            assert asterisk.commands[0] == "ANSWER"
            [worker] = at.api.services.live_calls._calls.values()
            variables = worker._variables(worker._attachment, Started("c1", "1761245643.1", "", 8000))  # type: ignore[attr-defined]
            assert variables["call.from"] == "+15551230001"
            assert variables["call.session"] == "1761245643.0"
            # The greeting is still to be played when the caller speaks.
            await asterisk.say("Hello, is anybody there?")
            await asterisk.until_told("FLUSH_MEDIA")
            await asterisk.until_heard()
        await assert_ended(at.api, aicall, "hangup")


@pytest.mark.parametrize("start", [JSON_START, PLAIN_START], ids=["json", "plain-text"])
async def test_the_end_is_told_in_band(tmp_path: Path, start: str) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        async with dialled(aicall["media_url"] + QUERY, start) as asterisk:
            await until_status(api, aicall, "progressing")
            await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
            await asterisk.until_told("HANGUP")
        await assert_ended(api, aicall, "terminate")


async def test_a_codec_that_is_not_spoken_ends_the_call(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        start = JSON_START.replace("ulaw", "opus")
        async with dialled(aicall["media_url"] + QUERY, start) as asterisk:
            async with asyncio.timeout(WAIT_S):
                await asterisk.socket.wait_closed()
        await assert_ended(api, aicall, "media_error", ("initiating", "terminating", "terminated"))
