"""Phone systems that have to be asked to hang up, and that must be answered when they do, through the whole runtime."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, Hangup, MediaClient
from adapters.media.clients.genesys import GenesysClient
from adapters.media.clients.jambonz import JambonzClient
from adapters.media.clients.mod_audio_fork import ModAudioForkClient
from adapters.media.genesys_wire import NIL_ID
from adapters.store.base import GrantKind, MediaGrant
from models.ai import Ai, AiWrite
from models.aicall import EndReason
from models.timestamps import NOT_YET
from runtime.api.app import create_app
from runtime.services import Services
from runtime.tokens import hash_token
from tests.adapters.store.samples import CUSTOMER
from tests.runtime.calls.wires import Wire, history, services_in
from tests.runtime.serving import an_ai, until

TOKEN = "token-of-the-tests"
LEG = CallLeg("s1", "c1", "o1", from_="+1", to="100")


class FarEnd:
    """A phone system on one wire: it takes what comes, and ends the stream when it is asked to."""

    def __init__(self, wire: Wire, client: MediaClient) -> None:
        self.wire, self.client = wire, client
        self.asked_to_hang_up = False
        self.texts: list[dict[str, Any]] = []
        self._read = 0

    def send(self, messages: list[Message]) -> None:
        for message in messages:
            self.wire.put(message if isinstance(message, bytes) else json.loads(message))

    async def until_closed(self, *, closes: bool = False) -> None:
        """Play the phone system until the runtime closes the socket, or until it closes it itself."""
        while not self.wire.serving.done():
            await asyncio.sleep(0.005)
            for sent in self.wire.sent[self._read :]:
                self._take(sent, closes=closes)
            self._read = len(self.wire.sent)

    def _take(self, sent: dict[str, Any], *, closes: bool) -> None:
        if sent["type"] != "websocket.send":
            return
        if sent.get("text") is not None:
            self.texts.append(json.loads(sent["text"]))
        message = sent["text"] if sent.get("text") is not None else sent["bytes"]
        if Hangup() in self.client.receive(message):
            self.asked_to_hang_up = True
            self.send(self.client.send_stop("disconnect"))
        if closes and (self.asked_to_hang_up or self._closed()):
            self.wire.disconnect(1000)

    def _closed(self) -> bool:
        return any(text.get("type") == "closed" for text in self.texts)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with services_in(tmp_path) as services:
        yield services


async def _dialled(services: Services, query: str = "") -> Wire:
    """Connect to an AI, as a phone system with a fixed URL does."""
    ai = Ai.create(AiWrite(**an_ai()), id=uuid4(), customer_id=CUSTOMER, now=services.clock())
    await services.store.create_ai(ai)
    await services.store.put_grant(MediaGrant(GrantKind.AI, ai.id, hash_token(TOKEN), NOT_YET))
    wire = Wire(create_app(services), f"ws://test/ws/{ai.id}/{TOKEN}{query}")
    await until(lambda: wire.kinds == ["accept"])
    return wire


def _only_call(services: Services) -> Any:
    [call] = services.live_calls._calls.values()
    return call


async def test_genesys_hangs_up_and_is_answered(services: Services) -> None:
    wire = await _dialled(services)
    genesys = FarEnd(wire, client := GenesysClient(LEG))
    aicall_id = _only_call(services)._aicall.id
    genesys.send(client.opening())
    playing = asyncio.create_task(genesys.until_closed())
    await until(lambda: any(text["type"] == "opened" for text in genesys.texts))
    genesys.send(client.send_ping())
    await until(lambda: any(text["type"] == "pong" for text in genesys.texts))
    genesys.send([*client.send_audio(bytes(16_000)), *client.send_stop()])
    await playing
    assert genesys.texts[-1]["type"] == "closed"
    assert not genesys.asked_to_hang_up
    assert wire.closed_with == (1000, "hangup")
    assert (await history(services, aicall_id))[-1].data["end_reason"] == "hangup"


@pytest.mark.parametrize("client", [GenesysClient(LEG), JambonzClient(LEG)], ids=lambda it: it.name)
async def test_the_runtime_asks_the_phone_system_to_hang_up_and_waits_for_it(
    services: Services, client: MediaClient
) -> None:
    wire = await _dialled(services)
    far = FarEnd(wire, client)
    call = _only_call(services)
    far.send([*client.opening()])
    playing = asyncio.create_task(far.until_closed(closes=client.name == "jambonz"))
    await until(lambda: call._listening)
    far.send(client.send_audio(bytes(16_000)))
    call.end(EndReason.TERMINATE)
    await playing
    assert far.asked_to_hang_up
    if client.name == "genesys":
        assert [text["type"] for text in far.texts if text["type"] in {"disconnect", "closed"}] == [
            "disconnect",
            "closed",
        ]
    assert (await history(services, call._aicall.id))[-1].data["end_reason"] == "terminate"


async def test_a_connection_probe_is_a_hang_up_of_a_call_that_never_was(services: Services) -> None:
    wire = await _dialled(services)
    genesys = FarEnd(wire, client := GenesysClient(CallLeg("s1", NIL_ID, "o1")))
    aicall_id = _only_call(services)._aicall.id
    genesys.send(client.opening())
    playing = asyncio.create_task(genesys.until_closed(closes=True))
    await until(lambda: any(text["type"] == "opened" for text in genesys.texts))
    genesys.send(client.send_stop())
    await playing
    assert [text["type"] for text in genesys.texts] == ["opened", "closed"]
    events = await history(services, aicall_id)
    assert [event.type.removeprefix("aicall_status_") for event in events] == [
        "initiating",
        "terminating",
        "terminated",
    ]
    assert events[-1].data["end_reason"] == "hangup"


async def test_freeswitch_is_left_by_closing_the_socket(services: Services) -> None:
    wire = await _dialled(services, "?protocol=mod_audio_fork&sample-rate=16k&from=%2B1&to=100")
    client = ModAudioForkClient(CallLeg("", "", sample_rate_hz=16_000), metadata="")
    far = FarEnd(wire, client)
    call = _only_call(services)
    far.send(client.send_audio(bytes(32_000)))
    playing = asyncio.create_task(far.until_closed())
    await until(lambda: call._listening)
    call.end(EndReason.TERMINATE)
    await playing
    assert not far.asked_to_hang_up
    assert not any(text["type"] == "disconnect" for text in far.texts)
    assert wire.closed_with == (1000, "terminate")
