"""The relay of a server process, with its real sinks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from models.aicall import EndReason
from models.errors import InvalidField
from runtime.delivery.running import sink_options
from runtime.ending import end_unattended
from tests.adapters.events.test_nats import messages
from tests.runtime.serving import serving, settings_in
from tests.standins.webhook_receiver import SECRET, WebhookReceiver
from tests.support.nats_server import NatsServer

PATIENCE_S = 20.0


def test_settings_reach_the_sinks(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path,
        nats_url=SecretStr("nats://h"),
        nats_stream="S",
        nats_subject_prefix="p",
        nats_credentials="c",
    )
    options = sink_options(settings)
    assert (options.nats_url, options.nats_stream, options.nats_subject_prefix) == ("nats://h", "S", "p")
    assert options.nats_credentials == "c"


async def test_a_wrong_setting_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidField) as refused:
        async with serving(tmp_path, nats_url="nats://127.0.0.1:1", nats_credentials=str(tmp_path / "nothing")):
            pass
    assert refused.value.field == "nats_credentials"


async def test_a_call_that_the_stop_ends_is_told_before_the_server_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AICALL_ALLOW_PRIVATE_ENDPOINTS", "true")
    async with WebhookReceiver() as receiver:
        async with serving(tmp_path) as api:
            await api.ok("POST", "/v1.0/webhooks", json={"url": receiver.url, "secret": SECRET})
            aicall = await api.new_aicall()
            await receiver.until(lambda: len(receiver.received) == 1, PATIENCE_S)
            aicall_id = UUID(aicall["id"])
            await end_unattended(api.services, aicall_id, EndReason.HANGUP)
        assert receiver.sequences(aicall["id"]) == [1, 2, 3]


async def test_what_was_not_delivered_is_delivered_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AICALL_ALLOW_PRIVATE_ENDPOINTS", "true")
    database = str(tmp_path / "calls.db")
    async with WebhookReceiver() as receiver:
        await receiver.refuse()
        async with serving(tmp_path, database=database) as api:
            await api.ok("POST", "/v1.0/webhooks", json={"url": receiver.url, "secret": SECRET})
            aicalls = [await api.new_aicall() for _ in range(3)]
        assert receiver.received == []
        await receiver.accept()
        async with serving(tmp_path, database=database):
            await receiver.until(lambda: len(receiver.received) == 3, PATIENCE_S)
        async with serving(tmp_path, database=database):
            await asyncio.sleep(0.5)
        assert sorted(one.event["aicall_id"] for one in receiver.received) == sorted(it["id"] for it in aicalls)


async def test_nats_gets_every_event_in_order_through_an_outage(nats_server: NatsServer, tmp_path: Path) -> None:
    async with serving(tmp_path, nats_url=nats_server.url) as api:
        aicalls = [await api.new_aicall() for _ in range(2)]
        await asyncio.to_thread(nats_server.stop)
        aicalls += [await api.new_aicall() for _ in range(2)]
        for aicall in aicalls:
            await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
        await asyncio.to_thread(nats_server.start)
        events = (await api.ok("GET", "/v1.0/events"))["result"]
        async with asyncio.timeout(3 * PATIENCE_S):
            while len(kept := await messages(nats_server)) < len(events):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    assert len(kept) == len(events) == 12
    for aicall in aicalls:
        expected = [event["id"] for event in events if event["aicall_id"] == aicall["id"]]
        ids = [one.headers["Nats-Msg-Id"] for one in kept if aicall["id"].encode() in one.data[:200]]
        assert ids == expected
