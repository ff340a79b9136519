from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from adapters.media.base import Started
from adapters.store.base import GrantKind, MediaGrant
from models.ai import Ai, AiWrite
from models.aicall import Aicall, AicallWrite
from models.timestamps import NOT_YET
from runtime.api.app import create_app
from runtime.auto_limit import AutoLimit
from runtime.calls.live_calls import LiveCalls
from runtime.capacity import Capacity
from runtime.services import Services
from runtime.tokens import hash_token
from tests.adapters.store.samples import CUSTOMER
from tests.runtime.calls.phones import start_message
from tests.runtime.calls.wires import Wire, history, services_in
from tests.runtime.serving import an_ai, until

TOKEN = "token-of-the-tests"


@dataclass
class House:
    """An application, and AIcalls that wait for their phone system."""

    services: Services
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        self.app = create_app(self.services)

    async def url(self) -> tuple[UUID, str]:
        store, now = self.services.store, self.services.clock()
        ai = Ai.create(AiWrite(**an_ai()), id=uuid4(), customer_id=CUSTOMER, now=now)
        await store.create_ai(ai)
        aicall = Aicall.create(AicallWrite(assistance_id=ai.id), ai, id=uuid4(), now=now)
        grant = MediaGrant(GrantKind.AICALL, aicall.id, hash_token(TOKEN), NOT_YET)
        await store.create_aicall(aicall, grant=grant)
        return aicall.id, f"ws://test/ws/{aicall.id}/{TOKEN}"

    def assert_idle(self) -> None:
        assert len(self.services.live_calls) == 0
        assert self.services.live_calls._reserved == 0
        assert self.services.capacity.taken == 0


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with services_in(tmp_path) as services:
        yield House(services)


def body_of(wire: Wire) -> bytes:
    return b"".join(message.get("body", b"") for message in wire.sent)


async def test_a_call_is_conducted_and_counted_while_it_lives(house: House) -> None:
    aicall_id, url = await house.url()
    wire = Wire(house.app, url)
    await until(lambda: wire.kinds == ["accept"])
    assert len(house.services.live_calls) == 1
    assert b"aicall_live_calls 1.0" in house.services.metrics.render()
    wire.put(start_message(), {"event": "stop"})
    await wire.done()
    assert wire.closed_with == (1000, "hangup")
    house.assert_idle()
    assert (await history(house.services, aicall_id))[-1].data["end_reason"] == "hangup"


async def test_a_refusal_is_a_problem_document_without_the_token(house: House) -> None:
    aicall_id, url = await house.url()
    for dialled, status in ((url + "x", 401), (url + "?protocol=x", 422), (url.replace(str(aicall_id), "x"), 404)):
        wire = Wire(house.app, dialled)
        await wire.done()
        assert wire.serving.exception() is None
        assert wire.kinds == ["http.response.start", "http.response.body"]
        assert wire.status == status
        assert TOKEN.encode() not in body_of(wire)
        house.assert_idle()


async def test_a_full_process_refuses_before_it_looks_at_the_token(tmp_path: Path) -> None:
    async with services_in(tmp_path, max_calls=1) as services:
        house = House(services)
        (first, url), (_, other) = await house.url(), await house.url()
        taken = Wire(house.app, url)
        await until(lambda: taken.kinds == ["accept"])
        for dialled in (other, other + "x"):
            wire = Wire(house.app, dialled)
            await wire.done()
            assert wire.status == 503
            assert any(name == b"retry-after" for name, _ in wire.sent[0]["headers"])
        taken.disconnect()
        await taken.done()
        await history(services, first)
        again = Wire(house.app, other)
        await until(lambda: again.kinds == ["accept"])
        again.disconnect()
        await again.done()
        house.assert_idle()


async def test_a_process_without_time_refuses_and_leaves_the_aicall_to_the_next_try(house: House) -> None:
    now_s = [0.0]
    auto = AutoLimit(lambda: now_s[0])
    capacity = Capacity(
        max_calls=0,
        auto=auto,
        draining=lambda: False,
        engine_busy=lambda: 0.0,
        on_refused=house.services.metrics.call_refused,
    )

    def seconds(lag_s: float) -> None:
        for _ in range(20):
            now_s[0] += 1
            capacity.observe(lag_s=lag_s, loop_busy=0.1)

    busy = House(replace(house.services, capacity=capacity))
    (_, first), (aicall_id, url) = await busy.url(), await busy.url()
    seconds(lag_s=1.0)
    # The first call is taken however late the loop is.
    taken = Wire(busy.app, first)
    await until(lambda: taken.kinds == ["accept"])
    refused = Wire(busy.app, url)
    await refused.done()
    assert refused.status == 503
    headers = dict(refused.sent[0]["headers"])
    assert headers[b"retry-after"] == b"5"
    assert headers[b"content-type"] == b"application/problem+json"
    assert b"event loop runs late" in body_of(refused)
    assert TOKEN.encode() not in body_of(refused)
    assert b'aicall_calls_refused_total{reason="loop_lag"} 1.0' in busy.services.metrics.render()
    assert (await busy.services.store.get_aicall(aicall_id, customer_id=None)).status == "initiating"
    seconds(lag_s=0.0)
    again = Wire(busy.app, url)
    await until(lambda: again.kinds == ["accept"])
    assert capacity.taken == 2
    for wire in (taken, again):
        wire.disconnect()
        await wire.done()
    busy.assert_idle()


async def test_refusals_are_counted_by_their_reason(house: House) -> None:
    aicall_id, url = await house.url()
    for dialled, reason in (
        (url + "x", "unauthorized"),
        (url + "?protocol=x", "invalid_field"),
        (url.replace(str(aicall_id), "x"), "not_found"),
    ):
        wire = Wire(house.app, dialled)
        await wire.done()
        counted = f'aicall_calls_refused_total{{reason="{reason}"}} 1.0'
        assert counted.encode() in house.services.metrics.render()


async def test_a_process_that_drains_refuses_with_a_reason(house: House) -> None:
    aicall_id, url = await house.url()
    await house.services.live_calls.drain(0)
    wire = Wire(house.app, url)
    await wire.done()
    assert wire.status == 503
    assert b"draining" in body_of(wire)
    assert b'aicall_calls_refused_total{reason="draining"} 1.0' in house.services.metrics.render()
    assert (await house.services.store.get_aicall(aicall_id, customer_id=None)).status == "initiating"


async def test_of_two_connections_for_the_last_place_one_gets_it(tmp_path: Path) -> None:
    async with services_in(tmp_path, max_calls=1) as services:
        house = House(services)
        wires = [Wire(house.app, (await house.url())[1]) for _ in range(3)]
        await until(lambda: all(wire.kinds for wire in wires))
        assert sorted(wire.kinds[0] for wire in wires) == ["accept", "http.response.start", "http.response.start"]
        for wire in wires:
            wire.disconnect()
            await wire.done()
        house.assert_idle()


async def test_a_phone_system_that_is_gone_before_its_refusal_costs_nothing(house: House) -> None:
    _, url = await house.url()
    wire = Wire(house.app, url + "x")
    wire.disconnect()
    await wire.done()
    assert wire.serving.exception() is None
    house.assert_idle()


async def test_a_store_that_does_not_answer_is_a_refusal(tmp_path: Path) -> None:
    async with services_in(tmp_path, database=str(tmp_path / "calls.db")) as services:
        house = House(services)
        _, url = await house.url()
        await services.store.close()
        wire = Wire(house.app, url)
        await wire.done()
        assert wire.status == 503
        house.assert_idle()
        await services.store.open()


async def test_a_server_that_gives_up_on_a_call_cancels_it_and_the_aicall_still_ends(house: House) -> None:
    aicall_id, url = await house.url()
    wire = Wire(house.app, url)
    wire.put(start_message())
    await until(lambda: len(wire.sent) > 1)
    wire.serving.cancel()
    await wire.done()
    assert wire.serving.cancelled()
    assert wire.closed_with == (1001, "drain")
    events = await history(house.services, aicall_id)
    assert [event.data["end_reason"] for event in events[-1:]] == ["drain"]
    house.assert_idle()


async def test_a_drain_ends_a_connection_that_is_being_admitted(house: House) -> None:
    aicall_id, url = await house.url()
    wire = Wire(house.app, url)
    await until(lambda: house.services.live_calls._reserved == 1)
    assert len(house.services.live_calls) == 0
    await house.services.live_calls.drain(0)
    await wire.done()
    assert wire.closed_with == (1001, "drain")
    assert [event.type for event in await history(house.services, aicall_id)][-1] == "aicall_status_terminated"


async def test_the_application_owns_what_it_takes(house: House) -> None:
    # Two processes on one database.
    other = replace(house.services, live_calls=LiveCalls())
    _, url = await house.url()
    first, second = Wire(house.app, url), Wire(create_app(other), url)
    await until(lambda: first.kinds and second.kinds)
    assert sorted((first.status or 101, second.status or 101)) == [101, 409]
    for wire in (first, second):
        wire.disconnect()
        await wire.done()


@pytest.mark.parametrize("query", ["", "?session=s-1&from=%2B44+20&to=1000"])
async def test_what_the_url_says_of_the_call_is_known_to_its_tools(house: House, query: str) -> None:
    _, url = await house.url()
    wire = Wire(house.app, url + query)
    await until(lambda: wire.kinds == ["accept"])
    [worker] = house.services.live_calls._calls.values()
    started = Started("MZ1", "CA1", "AC1", 8000, parameters={"a": "b"}, from_="+1", to="+2")
    variables = worker._variables(worker._attachment, started)
    wire.disconnect()
    await wire.done()
    given = (
        {"call.session": "s-1", "call.from": "+44 20", "call.to": "1000"}
        if query
        else {"call.session": "CA1", "call.from": "+1", "call.to": "+2"}
    )
    assert variables == {"a": "b", "aicall.id": variables["aicall.id"], "call.id": "CA1", **given}


async def test_what_the_stream_says_of_the_call_stands_in_for_a_query(house: House) -> None:
    _, url = await house.url()
    wire = Wire(house.app, f"{url}/twilio")
    await until(lambda: wire.kinds == ["accept"])
    [worker] = house.services.live_calls._calls.values()
    said = {"session": "s-1", "from": "+44 20", "to": "1000"}
    variables = worker._variables(worker._attachment, Started("MZ1", "CA1", "AC1", 8000, parameters=said))
    wire.disconnect()
    await wire.done()
    assert {name: variables[f"call.{name}"] for name in said} == said
    assert variables["call.id"] == "CA1"


async def test_connections_of_one_aicall_one_after_the_other(house: House) -> None:
    aicall_id, url = await house.url()
    wires = []
    for _ in range(3):
        wire = Wire(house.app, url)
        wire.disconnect()
        await wire.done()
        wires.append(wire)
    # The first one was gone before it was let in; the AIcall ended with it.
    assert [wire.status for wire in wires[1:]] == [None, None]
    assert [event.type for event in await history(house.services, aicall_id)][1:] == [
        "aicall_status_terminating",
        "aicall_status_terminated",
    ]
    await asyncio.sleep(0)
    house.assert_idle()
