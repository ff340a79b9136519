"""A phone system that is lost and connects again, to this process and to another one on the same database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from models.aicall import EndReason
from models.errors import Conflict
from runtime.calls.control import pause_aicall, resume_aicall
from runtime.calls.live_calls import LiveCalls
from runtime.calls.reattach import reattach
from runtime.calls.rescue import rescue
from tests.runtime.calls.phones import start_message
from tests.runtime.calls.test_call_worker import STOP, Desk, audio_of, desk_in, dtmf, ended, kinds, until
from tests.runtime.calls.wires import Wire

WENT_AWAY = 1006


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path, reattach_grace_s=20) as made:
        yield made


def another_process(desk: Desk) -> Desk:
    return replace(desk, services=replace(desk.services, live_calls=LiveCalls()))


async def until_status(desk: Desk, aicall_id: UUID, status: str, times: int = 1) -> None:
    async with asyncio.timeout(20):
        while (await kinds(desk, aicall_id)).count(f"aicall_status_{status}") < times:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def talking(desk: Desk, **ai: Any) -> tuple[UUID, str, Wire]:
    """A call whose greeting was heard and that has answered once."""
    aicall_id, url = await desk.new_aicall(parameter={"greeting": "Hi."}, **ai)
    wire = desk.dial(url)
    wire.put(start_message())
    await until_said(desk, aicall_id, "assistant", 1)
    wire.put(*dtmf("12#"))
    await desk.openai.until(lambda: desk.openai.requests_to("chat"))
    await until_said(desk, aicall_id, "assistant", 2)
    return aicall_id, url, wire


async def until_said(desk: Desk, aicall_id: UUID, role: str, times: int) -> None:
    async with asyncio.timeout(20):
        while True:
            page = await desk.services.store.list_messages(aicall_id, customer_id=None, page_size=100)
            if sum(message.role == role for message in page.items) >= times:
                return
            await asyncio.sleep(0.01)


async def hung_up(desk: Desk, wire: Wire, aicall_id: UUID, path: tuple[str, ...]) -> None:
    wire.put(STOP)
    await wire.done()
    assert wire.closed_with == (1000, "hangup")
    await ended(desk, aicall_id, EndReason.HANGUP, path)


AGAIN = ("initiating", "progressing", "pausing", "resuming", "progressing", "terminating", "terminated")


async def test_the_same_pipeline_goes_on_with_another_socket(desk: Desk) -> None:
    aicall_id, url, first = await talking(desk)
    conversation = desk.worker(aicall_id)._conversation
    first.disconnect(WENT_AWAY)
    await until_status(desk, aicall_id, "pausing")
    second = desk.dial(url)
    second.put(start_message())
    await until_status(desk, aicall_id, "progressing", 2)
    assert desk.worker(aicall_id)._conversation is conversation
    asked = len(desk.openai.requests_to("chat"))
    second.put(*dtmf("34#"))
    await desk.openai.until(lambda: len(desk.openai.requests_to("chat")) > asked)
    told = str(desk.openai.requests_to("chat")[-1].body["messages"])
    assert "12" in told
    assert "34" in told
    await until(lambda: audio_of(second))
    await hung_up(desk, second, aicall_id, AGAIN)
    await first.done()


async def test_another_process_goes_on_with_all_that_was_said(desk: Desk) -> None:
    aicall_id, url, first = await talking(desk)
    first.disconnect(WENT_AWAY)
    await until_status(desk, aicall_id, "pausing")
    other = another_process(desk)
    second = other.dial(url)
    second.put(start_message())
    await until_status(desk, aicall_id, "progressing", 2)
    # The first process has not noticed yet, and must not end the call when its own time is over.
    desk.worker(aicall_id).end(EndReason.HANGUP)
    await first.done()
    assert (await desk.services.store.get_aicall(aicall_id, customer_id=None)).status == "progressing"
    asked = len(desk.openai.requests_to("chat"))
    second.put(*dtmf("34#"))
    await desk.openai.until(lambda: len(desk.openai.requests_to("chat")) > asked)
    messages = desk.openai.requests_to("chat")[-1].body["messages"]
    assert messages[0]["role"] in {"system", "developer"}
    told = str(messages)
    assert told.index("Hi.") < told.index("12") < told.index("34")
    await hung_up(other, second, aicall_id, AGAIN)


async def test_a_phone_system_that_does_not_come_back_has_hung_up(tmp_path: Path) -> None:
    async with desk_in(tmp_path, reattach_grace_s=0.3) as desk:
        aicall_id, url, wire = await talking(desk)
        wire.disconnect(WENT_AWAY)
        await wire.done()
        path = ("initiating", "progressing", "pausing", "terminating", "terminated")
        await ended(desk, aicall_id, EndReason.HANGUP, path)
        late = desk.dial(url)
        await late.done()
        assert late.status == 409


async def test_one_connection_at_a_time(desk: Desk) -> None:
    aicall_id, url, first = await talking(desk)
    second = desk.dial(url)
    await second.done()
    assert second.status == 409
    first.disconnect(WENT_AWAY)
    await until_status(desk, aicall_id, "pausing")
    wires = [desk.dial(url) for _ in range(3)]
    await until(lambda: all(wire.kinds for wire in wires))
    assert sorted(wire.status or 101 for wire in wires) == [101, 409, 409]
    back = next(wire for wire in wires if wire.status is None)
    back.put(start_message())
    await until_status(desk, aicall_id, "progressing", 2)
    await hung_up(desk, back, aicall_id, AGAIN)


async def test_a_connection_that_does_not_begin_leaves_the_call_as_it_was(desk: Desk) -> None:
    aicall_id, url, first = await talking(desk)
    first.disconnect(WENT_AWAY)
    await until_status(desk, aicall_id, "pausing")
    broken = desk.dial(url)
    await until(lambda: broken.kinds)
    broken.disconnect(WENT_AWAY)
    await broken.done()
    again = desk.dial(url)
    again.put(start_message())
    await until_status(desk, aicall_id, "progressing", 2)
    await hung_up(desk, again, aicall_id, AGAIN)


async def test_a_held_call_stays_held_when_its_phone_system_is_back(desk: Desk) -> None:
    aicall_id, url, first = await talking(desk)
    store = desk.services.store
    aicall = await store.get_aicall(aicall_id, customer_id=None)
    for _ in range(2):
        assert (await pause_aicall(desk.services, aicall)).status == "pausing"
    asked = len(desk.openai.requests_to("chat"))
    first.put(*dtmf("99#"))
    first.disconnect(WENT_AWAY)
    async with asyncio.timeout(20):
        while (await store.get_tenure(aicall_id)).tm_media is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with pytest.raises(Conflict, match="lost"):
        await resume_aicall(desk.services, await store.get_aicall(aicall_id, customer_id=None))
    second = desk.dial(url)
    second.put(start_message())
    async with asyncio.timeout(20):
        while desk.worker(aicall_id).detached:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    tenure = await store.get_tenure(aicall_id)
    assert (tenure.aicall.status, tenure.held) == ("pausing", True)
    assert len(desk.openai.requests_to("chat")) == asked
    for _ in range(2):
        resumed = await resume_aicall(desk.services, await store.get_aicall(aicall_id, customer_id=None))
        assert resumed.status == "progressing"
    second.put(*dtmf("34#"))
    await desk.openai.until(lambda: len(desk.openai.requests_to("chat")) > asked)
    assert "99" not in str(desk.openai.requests_to("chat")[-1].body["messages"])
    await hung_up(desk, second, aicall_id, AGAIN)


async def test_who_takes_a_call_needs_it_to_be_conducted(desk: Desk) -> None:
    aicall_id, url = await desk.new_aicall()
    with pytest.raises(Conflict, match="initiating"):
        await reattach(desk.services, aicall_id, owner="x")
    assert url


async def test_a_process_that_lost_its_lease_lets_go(desk: Desk) -> None:
    aicall_id, url, first = await talking(desk)
    store, now = desk.services.store, desk.services.clock()
    tenure = await store.get_tenure(aicall_id)
    step = rescue(tenure, now=now, grace=timedelta(seconds=20))
    assert await store.adopt_aicall(tenure, step, owner="rescuer", now=now, tm_lease=now + timedelta(seconds=20))
    first.put(*dtmf("56#"))
    await first.done()
    assert first.closed_with == (1012, "worker_lost")
    # Ids and times hold such numbers too.
    said = str(await store.list_messages(aicall_id, customer_id=None, page_size=100))
    assert "DTMF: 12" in said
    assert "DTMF: 56" not in said
    second = desk.dial(url)
    second.put(start_message())
    await until_status(desk, aicall_id, "progressing", 2)
    await hung_up(desk, second, aicall_id, AGAIN)
