from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.store.base import GrantKind, MediaGrant
from models.ai import Ai, AiWrite
from models.aicall import Aicall, AicallWrite, EndReason
from models.event import Event
from models.status import TRANSITIONS, AicallStatus, is_final
from runtime.api.app import create_app
from runtime.calls.live_calls import LiveCalls
from runtime.ending import end_unattended
from runtime.services import Services
from runtime.tokens import hash_token
from tests.adapters.store.samples import CUSTOMER
from tests.runtime.calls.offices import NEVER_RAN, RAN, office_ai
from tests.runtime.calls.phones import STREAM, WAIT_S, start_message
from tests.runtime.calls.wires import Wire, history, services_in
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.openai import OpenAIStandIn
from tests.support.leaks import leaked_tasks

TOKEN = "token-of-the-tests"
STOP = {"event": "stop", "streamSid": STREAM}


def dtmf(digits: str) -> list[dict[str, Any]]:
    return [{"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": digit}} for digit in digits]


@dataclass
class Desk:
    """What calls run on: services without a server, and the vendors."""

    services: Services
    deepgram: DeepgramStandIn
    openai: OpenAIStandIn

    async def new_aicall(self, **ai: Any) -> tuple[UUID, str]:
        """Create an AI and an AIcall; returns its id and the URL to dial."""
        store, now = self.services.store, self.services.clock()
        made = Ai.create(AiWrite(**office_ai(**ai)), id=uuid4(), customer_id=CUSTOMER, now=now)
        await store.create_ai(made)
        aicall = Aicall.create(AicallWrite(assistance_id=made.id), made, id=uuid4(), now=now)
        grant = MediaGrant(GrantKind.AICALL, aicall.id, hash_token(TOKEN), now + timedelta(hours=1))
        await store.create_aicall(aicall, grant=grant)
        return aicall.id, f"ws://test/ws/{aicall.id}/{TOKEN}"

    def dial(self, url: str) -> Wire:
        return Wire(create_app(self.services), url)

    def worker(self, aicall_id: UUID) -> Any:
        return self.services.live_calls._calls.get(aicall_id)


@asynccontextmanager
async def desk_in(folder: Path, **changes: Any) -> AsyncIterator[Desk]:
    async with DeepgramStandIn() as deepgram, OpenAIStandIn() as openai:
        environ = {"AICALL_BASE_URL_DEEPGRAM": deepgram.base_url, "AICALL_BASE_URL_OPENAI": openai.base_url}
        async with services_in(folder, **changes) as services:
            yield Desk(replace(services, environ=environ), deepgram, openai)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path) as made:
        yield made


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def statuses(events: list[Event]) -> tuple[str, ...]:
    kinds = [event.type for event in events]
    return tuple(kind.removeprefix("aicall_status_") for kind in kinds if kind.startswith("aicall_status_"))


async def events_so_far(desk: Desk) -> list[Event]:
    return await desk.services.store.list_events(limit=1000, customer_id=None)


async def kinds(desk: Desk, aicall_id: UUID) -> list[str]:
    return [event.type for event in await events_so_far(desk) if event.aicall_id == aicall_id]


def audio_of(wire: Wire) -> int:
    return sum('"media"' in message.get("text", "") for message in wire.sent)


async def ended(desk: Desk, aicall_id: UUID, reason: EndReason, path: tuple[str, ...] = RAN) -> list[Event]:
    events = await history(desk.services, aicall_id)
    assert statuses(events) == path
    assert events[-1].type == "aicall_status_terminated"
    assert events[-1].data["end_reason"] == reason
    return events


async def test_one_call_from_the_upgrade_to_the_end(desk: Desk) -> None:
    aicall_id, url = await desk.new_aicall(
        init_prompt="You know ${call.from}, ${call.session}, ${shop} and ${aicall.id}.",
        parameter={"greeting": "This is ${shop}."},
    )
    wire = desk.dial(f"{url}?from=%2B44&session=s-1")
    wire.put(start_message(customParameters={"shop": "Main Street"}))
    while "aimessage_created" not in await kinds(desk, aicall_id):
        await desk.services.store.wait_events(after=(await events_so_far(desk))[-1].id, timeout_s=WAIT_S)
    wire.put(*dtmf("12#"))
    await desk.openai.until(lambda: desk.openai.requests_to("chat"))
    await until(lambda: audio_of(wire) >= 20)
    wire.put(STOP)
    await wire.done()
    assert wire.closed_with == (1000, "hangup")
    events = await ended(desk, aicall_id, EndReason.HANGUP)
    said = [event.data["content"] for event in events if event.type == "aimessage_created"]
    assert said[0] == "This is Main Street."
    assert "12" in said[1]
    prompt = str(desk.openai.requests_to("chat")[0].body["messages"][0]["content"])
    assert f"You know +44, s-1, Main Street and {aicall_id}." in prompt
    assert {event.data["trigger"] for event in events if event.type == "aicall_turn_completed"} >= {"greeting"}


async def test_what_comes_along_with_the_start_is_not_lost(desk: Desk) -> None:
    aicall_id, url = await desk.new_aicall(parameter={"greeting": "Hi."})
    wire = desk.dial(url)
    wire.put({"event": "connected"}, start_message(), STOP)
    await wire.done()
    assert wire.closed_with == (1000, "hangup")
    events = await history(desk.services, aicall_id)
    assert statuses(events) in {NEVER_RAN, RAN}
    assert events[-1].data["end_reason"] == "hangup"


async def test_a_start_that_comes_too_late_asks_no_vendor(desk: Desk) -> None:
    aicall_id, url = await desk.new_aicall()
    wire = desk.dial(url)
    await until(lambda: wire.kinds)
    desk.worker(aicall_id).end(EndReason.TERMINATE)
    wire.put(start_message())
    await wire.done()
    await ended(desk, aicall_id, EndReason.TERMINATE, NEVER_RAN)
    assert desk.deepgram.requests == []


async def test_the_longest_duration_of_the_ai_wins_over_the_servers(desk: Desk) -> None:
    for path in ({"max_duration_s": 1.5}, {}):
        services = desk.services
        if not path:
            limited = services.settings.model_copy(update={"max_duration_s": 1.5})
            desk.services = replace(services, settings=limited)
        aicall_id, url = await desk.new_aicall(parameter=path)
        wire = desk.dial(url)
        wire.put(start_message())
        await wire.done()
        assert wire.closed_with == (1000, "max_duration")
        await ended(desk, aicall_id, EndReason.MAX_DURATION)


async def test_the_first_reason_counts(desk: Desk) -> None:
    aicall_id, url = await desk.new_aicall()
    wire = desk.dial(url)
    wire.put(start_message())
    await until(lambda: audio_of(wire))
    worker = desk.worker(aicall_id)
    for reason in (EndReason.TERMINATE, EndReason.HANGUP, EndReason.INTERNAL_ERROR):
        worker.end(reason)
    await asyncio.gather(worker.wait_ended(), worker.wait_ended())
    assert (await desk.services.store.get_aicall(aicall_id, customer_id=None)).status is AicallStatus.TERMINATED
    await wire.done()
    assert wire.closed_with == (1000, "terminate")
    await ended(desk, aicall_id, EndReason.TERMINATE)
    worker.end(EndReason.DRAIN)
    await worker.wait_ended()


@pytest.mark.parametrize("phase", ["before the start", "at the start", "in the greeting"])
@pytest.mark.parametrize("times", [1, 50])
async def test_a_cancelled_call_ends_first(desk: Desk, phase: str, times: int) -> None:
    aicall_id, url = await desk.new_aicall()
    wire = desk.dial(url)
    await until(lambda: wire.kinds)
    if phase != "before the start":
        wire.put(start_message())
        await until(lambda: desk.worker(aicall_id)._conversation)
    if phase == "in the greeting":
        await until(lambda: audio_of(wire))
    for _ in range(times):
        wire.serving.cancel()
        await asyncio.sleep(0)
    await wire.done()
    assert wire.serving.cancelled()
    assert (await desk.services.store.get_aicall(aicall_id, customer_id=None)).status is AicallStatus.TERMINATED
    events = await history(desk.services, aicall_id)
    assert statuses(events) in {NEVER_RAN, RAN}
    assert events[-1].data["end_reason"] == "drain"
    assert wire.closed_with == (1001, "drain")
    assert len(desk.services.live_calls) == 0


class _Unreadable(Mapping[str, str]):
    """An environment that nobody can read."""

    def __getitem__(self, key: str) -> str:
        raise ZeroDivisionError

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError

    def __len__(self) -> int:
        raise ZeroDivisionError


async def test_an_error_that_nobody_thought_of_ends_the_call(desk: Desk) -> None:
    aicall_id, url = await desk.new_aicall()
    desk.services = replace(desk.services, environ=_Unreadable())
    wire = desk.dial(url)
    wire.put(start_message())
    await wire.done()
    assert wire.serving.exception() is None
    assert wire.closed_with == (1011, "internal_error")
    await ended(desk, aicall_id, EndReason.INTERNAL_ERROR, NEVER_RAN)


async def test_a_phone_system_that_takes_nothing_any_more_has_hung_up(desk: Desk) -> None:
    aicall_id, url = await desk.new_aicall()
    wire = desk.dial(url)
    wire.put(start_message())
    await until(lambda: audio_of(wire))
    # Sending fails before the server has noticed that there is nobody to read from.
    wire._gone = True
    await wire.done()
    await ended(desk, aicall_id, EndReason.HANGUP)


async def test_an_aicall_that_was_ended_elsewhere_hangs_up(desk: Desk) -> None:
    aicall_id, url = await desk.new_aicall()
    wire = desk.dial(url)
    await until(lambda: wire.kinds)
    await end_unattended(desk.services, aicall_id, EndReason.EXPIRED)
    wire.put(start_message(), *dtmf("1#"))
    await wire.done()
    assert wire.closed_with == (1000, "terminate")
    events = await ended(desk, aicall_id, EndReason.EXPIRED, NEVER_RAN)
    assert len(events) == 3


async def test_a_store_that_is_closed_during_the_call_loses_nothing_once_it_is_back(tmp_path: Path) -> None:
    async with desk_in(tmp_path, database=str(tmp_path / "calls.db")) as desk:
        aicall_id, url = await desk.new_aicall(parameter={"greeting": "Hi."})
        wire = desk.dial(url)
        await until(lambda: wire.kinds)
        await desk.services.store.close()
        wire.put(start_message())
        await until(lambda: audio_of(wire) >= 10)
        wire.put(STOP)
        await until(lambda: wire.closed_with)
        assert not wire.serving.done(), "the call is over, its records are not written"
        await desk.services.store.open()
        await wire.done()
        events = await ended(desk, aicall_id, EndReason.HANGUP)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))


# Any interleaving of ends

PHASES = ("dialled", "accepted", "started", "running", "greeting", "answering")
REQUESTS = {
    # Before the start it shows that the phone system speaks another protocol.
    "stop": {EndReason.HANGUP, EndReason.MEDIA_ERROR},
    "disconnect": {EndReason.HANGUP},
    "break": {EndReason.MEDIA_ERROR},
    "terminate": {EndReason.TERMINATE},
    "stop_service": {EndReason.STOP_SERVICE},
    "provider_failed": {EndReason.PROVIDER_ERROR},
    "cancel": {EndReason.DRAIN},
    "drain": {EndReason.DRAIN},
    "another hand": {EndReason.EXPIRED, EndReason.TERMINATE},
}


class Ending:
    """One call that is asked to end in several ways at once."""

    def __init__(self, desk: Desk, aicall_id: UUID, wire: Wire) -> None:
        self.desk, self.aicall_id, self.wire = desk, aicall_id, wire
        self.asking: list[asyncio.Task[Any]] = []

    async def reach(self, phase: str) -> None:
        """Let the call come to a phase."""
        number = PHASES.index(phase)
        if number >= 1:
            await until(lambda: self.wire.kinds)
        if number >= 2:
            self.wire.put(start_message())
            await asyncio.sleep(0)
        if number >= 3:
            await until(lambda: self.desk.worker(self.aicall_id)._records._status is AicallStatus.PROGRESSING)
        if number >= 4:
            await until(lambda: audio_of(self.wire))
        if number >= 5:
            asked = len(self.desk.openai.requests_to("chat"))
            self.wire.put(*dtmf("1#"))
            await self.desk.openai.until(lambda: len(self.desk.openai.requests_to("chat")) > asked)

    def ask(self, request: str) -> None:
        """Ask the call to end."""
        worker = self.desk.worker(self.aicall_id)
        live_calls = self.desk.services.live_calls
        match request:
            case "stop":
                self.wire.put(STOP)
            case "disconnect":
                self.wire.disconnect()
            case "break":
                self.wire.disconnect(1009)
            case "terminate":
                self._in_background(live_calls.terminate(self.aicall_id, EndReason.TERMINATE))
            case "stop_service" if worker is not None:
                worker._listener.finished(EndReason.STOP_SERVICE)
            case "provider_failed" if worker is not None:
                worker._listener.finished(EndReason.PROVIDER_ERROR)
            case "cancel" if worker is not None:
                self.wire.serving.cancel()
            case "drain":
                self._in_background(live_calls.drain(0))
            case "another hand" if worker is None or worker._conversation is None:
                # The API does so only while the call is in no process's list.
                self._in_background(end_unattended(self.desk.services, self.aicall_id, EndReason.EXPIRED))

    def _in_background(self, work: Any) -> None:
        self.asking.append(asyncio.create_task(work))

    async def over(self) -> None:
        """Hang up for good, and wait for everybody who asked."""
        self.wire.disconnect()
        await self.wire.done()
        await asyncio.gather(*self.asking)


async def check_ending(desk: Desk, phase: str, requests: list[tuple[int, str]]) -> None:
    desk.services = replace(desk.services, live_calls=LiveCalls())
    aicall_id, url = await desk.new_aicall(parameter={"greeting": "Good morning to you."})
    before = asyncio.all_tasks()
    wire = desk.dial(url)
    ending = Ending(desk, aicall_id, wire)
    await ending.reach(phase)
    for turns, request in requests:
        for _ in range(turns):
            await asyncio.sleep(0)
        ending.ask(request)
    await ending.over()

    live_calls = desk.services.live_calls
    assert (len(live_calls), live_calls._reserved) == (0, 0)
    assert wire.kinds.count("close") <= 1
    if wire.status == 503:
        assert (await desk.services.store.get_aicall(aicall_id, customer_id=None)).status in {
            AicallStatus.INITIATING,
            AicallStatus.TERMINATED,
        }
        return
    events = await history(desk.services, aicall_id)
    path = [AicallStatus(status) for status in statuses(events)]
    assert path[0] is AicallStatus.INITIATING
    assert all(after in TRANSITIONS[before_] for before_, after in pairwise(path)), path
    assert [is_final(status) for status in path] == [False] * (len(path) - 1) + [True], path
    assert events[-1].type == "aicall_status_terminated", [event.type for event in events]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    possible = {EndReason.HANGUP}.union(*(REQUESTS[request] for _, request in requests))
    assert events[-1].data["end_reason"] in possible
    # The vendors' stand-ins keep idle HTTP connections in tasks of their own.
    left = [task for task in await leaked_tasks(before) if "RequestHandler.start" not in task]
    assert left == []


def test_however_a_call_is_ended_it_ends_once(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = desk_in(tmp_path)
        desk = runner.run(opened.__aenter__())
        desk.openai.first_token_s = 0.01

        @settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
        @given(
            st.sampled_from(PHASES),
            st.lists(st.tuples(st.integers(0, 30), st.sampled_from(sorted(REQUESTS))), min_size=1, max_size=4),
        )
        def check(phase: str, requests: list[tuple[int, str]]) -> None:
            runner.run(check_ending(desk, phase, requests))

        try:
            check()
        finally:
            runner.run(opened.__aexit__(None, None, None))
