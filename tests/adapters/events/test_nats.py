"""The NATS sink against a real server with JetStream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import nats
import pytest
from nats.js.api import StreamConfig

from adapters.events.nats import CUSTOMER_HEADER, NatsOptions, NatsSink
from models.errors import DeliveryFailed, InvalidField
from tests.adapters.events.contract import PATIENCE_S, TIMEOUT_S, Arrived, Peer, SinkContract, make_event
from tests.adapters.store.samples import CUSTOMER
from tests.support.nats_server import NatsServer

STREAM = "AICALL"


def make_sink(server: NatsServer, **options: Any) -> NatsSink:
    return NatsSink(NatsOptions(server.url, **{"timeout_s": TIMEOUT_S, "reconnect_wait_s": 0.1, **options}))


@asynccontextmanager
async def connected(server: NatsServer) -> AsyncIterator[nats.NATS]:
    client = await nats.connect(server.url)
    try:
        yield client
    finally:
        await client.close()


async def messages(server: NatsServer, stream: str = STREAM) -> list[Any]:
    """Everything that a stream holds."""
    async with connected(server) as client:
        jetstream = client.jetstream()
        try:
            state = (await jetstream.stream_info(stream)).state
        except nats.js.errors.NotFoundError:
            return []
        numbers = range(max(1, state.first_seq), state.last_seq + 1)
        return [await jetstream.get_msg(stream, number) for number in numbers]


class Broker(Peer):
    def __init__(self, server: NatsServer, sink: NatsSink) -> None:
        self.server = server
        self.sink = sink
        self._held = False

    async def arrived(self) -> Sequence[Arrived]:
        return [Arrived(one.headers["Nats-Msg-Id"], one.data) for one in await messages(self.server)]

    async def go_away(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def come_back(self) -> None:
        if self._held:
            self._held = False
            self.server.resume()
        else:
            await asyncio.to_thread(self.server.start)

    async def stall(self) -> None:
        self._held = True
        self.server.hold()


@asynccontextmanager
async def broker(server: NatsServer) -> AsyncIterator[Broker]:
    yield Broker(server, make_sink(server))


class TestNats(SinkContract):
    def running(self, request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Broker]:
        return broker(request.getfixturevalue("nats_server"))


async def test_subject_and_headers(nats_server: NatsServer) -> None:
    sink = make_sink(nats_server, subject_prefix="calls.prod")
    event = make_event(type="aicall_status_terminated")
    await sink.deliver(event, customer_id=CUSTOMER)
    await sink.aclose()
    (message,) = await messages(nats_server)
    assert message.subject == "calls.prod.aicall_status_terminated"
    assert message.headers["Nats-Msg-Id"] == event.id
    assert message.headers[CUSTOMER_HEADER] == str(CUSTOMER)


async def test_a_repeat_is_kept_once(nats_server: NatsServer) -> None:
    for _ in range(2):
        sink = make_sink(nats_server)
        for _ in range(3):
            await sink.deliver(make_event(), customer_id=CUSTOMER)
        await sink.aclose()
    assert len(await messages(nats_server)) == 1


async def test_a_stream_that_is_there_is_left_as_it_is(nats_server: NatsServer) -> None:
    async with connected(nats_server) as client:
        config = StreamConfig(name="MINE", subjects=["aicall.>"], max_msgs=2, description="ours")
        await client.jetstream().add_stream(config)
        sink = make_sink(nats_server, stream="MINE")
        for sequence in (1, 2, 3):
            await sink.deliver(make_event(sequence), customer_id=CUSTOMER)
        await sink.aclose()
        kept = (await client.jetstream().stream_info("MINE")).config
    assert (kept.description, kept.max_msgs, kept.subjects) == ("ours", 2, ["aicall.>"])
    assert [one.headers["Nats-Msg-Id"] for one in await messages(nats_server, "MINE")] == ["1002", "1003"]


async def test_a_stream_that_was_deleted_is_made_again(nats_server: NatsServer) -> None:
    sink = make_sink(nats_server)
    await sink.deliver(make_event(1), customer_id=CUSTOMER)
    async with connected(nats_server) as client:
        await client.jetstream().delete_stream(STREAM)
    with pytest.raises(DeliveryFailed):
        await sink.deliver(make_event(2), customer_id=CUSTOMER)
    await sink.deliver(make_event(2), customer_id=CUSTOMER)
    assert [one.headers["Nats-Msg-Id"] for one in await messages(nats_server)] == ["1002"]
    await sink.aclose()


async def test_a_subject_that_no_stream_takes_is_a_failure(nats_server: NatsServer) -> None:
    async with connected(nats_server) as client:
        await client.jetstream().add_stream(StreamConfig(name="MINE", subjects=["other.>"]))
        sink = make_sink(nats_server, stream="MINE")
        with pytest.raises(DeliveryFailed) as failed:
            await sink.deliver(make_event(), customer_id=CUSTOMER)
        assert failed.value.retryable
        await sink.aclose()


async def test_what_is_too_large_will_never_be_taken(nats_server: NatsServer) -> None:
    sink = make_sink(nats_server)
    with pytest.raises(DeliveryFailed) as failed:
        await sink.deliver(make_event(data={"text": "x" * 2_000_000}), customer_id=CUSTOMER)
    assert (failed.value.code, failed.value.retryable) == ("too_large", False)
    await sink.deliver(make_event(2), customer_id=CUSTOMER)
    await sink.aclose()


async def test_one_of_several_servers_is_enough(nats_server: NatsServer) -> None:
    sink = NatsSink(NatsOptions(f"nats://127.0.0.1:1, {nats_server.url}", timeout_s=PATIENCE_S, reconnect_wait_s=0.1))
    await sink.deliver(make_event(), customer_id=CUSTOMER)
    await sink.aclose()
    with pytest.raises(DeliveryFailed) as failed:
        await sink.deliver(make_event(2), customer_id=CUSTOMER)
    assert failed.value.code == "closed"


def test_the_url_is_not_shown() -> None:
    assert "hunter2" not in repr(NatsOptions("nats://user:hunter2@127.0.0.1"))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nats", None)
    with pytest.raises(InvalidField) as refused:
        NatsSink(NatsOptions("nats://127.0.0.1"))
    assert refused.value.field == "nats_url"
    assert "nats-py" in refused.value.message
