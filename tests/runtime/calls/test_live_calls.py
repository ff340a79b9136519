from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from models.aicall import EndReason
from models.errors import Unavailable
from runtime.calls.live_calls import LiveCalls

pytestmark = pytest.mark.virtual_time


class Call:
    """A call that needs so long to end."""

    def __init__(self, calls: LiveCalls, teardown_s: float = 0.0) -> None:
        self.id = uuid4()
        self.reasons: list[EndReason] = []
        self._calls = calls
        self._teardown_s = teardown_s
        self._ended = asyncio.Event()
        calls.add(self.id, self)

    def end(self, reason: EndReason) -> None:
        self.reasons.append(reason)
        asyncio.get_running_loop().call_later(self._teardown_s, self.finish)

    async def wait_ended(self) -> None:
        await self._ended.wait()

    def finish(self) -> None:
        self._ended.set()
        self._calls.remove(self.id)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_every_process_is_an_owner_of_its_own() -> None:
    assert LiveCalls().owner != LiveCalls().owner


async def test_a_call_is_terminated_and_waited_for() -> None:
    calls = LiveCalls()
    call, other = Call(calls, teardown_s=3.0), Call(calls)
    assert len(calls) == 2
    began_s = asyncio.get_running_loop().time()
    assert await calls.terminate(call.id, EndReason.TERMINATE)
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(3.0)
    assert (call.reasons, other.reasons) == ([EndReason.TERMINATE], [])
    assert not await calls.terminate(call.id, EndReason.TERMINATE)
    assert not await calls.terminate(uuid4(), EndReason.TERMINATE)
    calls.remove(uuid4())
    assert len(calls) == 1


async def test_an_empty_process_drains_at_once() -> None:
    calls = LiveCalls()
    await calls.drain(0)
    assert calls.draining
    with pytest.raises(Unavailable, match="draining") as caught:
        calls.reserve()
    assert caught.value.retry_after_s > 0


async def test_draining_waits_for_the_last_call_to_end_by_itself() -> None:
    calls = LiveCalls()
    first, second = Call(calls), Call(calls)
    draining = asyncio.create_task(calls.drain(60))
    await turns()
    assert calls.draining
    first.finish()
    await turns()
    assert not draining.done()
    second.finish()
    await draining
    assert first.reasons == second.reasons == []


async def test_draining_ends_what_is_left_when_the_time_is_over() -> None:
    calls = LiveCalls()
    slow = Call(calls, teardown_s=5.0)
    began_s = asyncio.get_running_loop().time()
    await calls.drain(60)
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(65)
    assert set(slow.reasons) == {EndReason.DRAIN}


async def test_a_connection_that_is_being_admitted_is_waited_for() -> None:
    calls = LiveCalls()
    calls.reserve()
    draining = asyncio.create_task(calls.drain(0))
    await turns()
    assert not draining.done(), "it may become a call at any moment"
    call = Call(calls, teardown_s=1.0)
    await turns()
    assert set(call.reasons) == {EndReason.DRAIN}
    await asyncio.sleep(2.0)
    assert not draining.done()
    calls.release()
    await draining


async def test_a_connection_that_is_refused_is_not_waited_for_any_longer() -> None:
    calls = LiveCalls()
    calls.reserve()
    draining = asyncio.create_task(calls.drain(60))
    await turns()
    calls.release()
    began_s = asyncio.get_running_loop().time()
    await draining
    assert asyncio.get_running_loop().time() == began_s


async def test_a_drain_that_is_given_up_leaves_calls_alone_and_another_one_ends_them() -> None:
    calls = LiveCalls()
    call = Call(calls)
    patient = asyncio.create_task(calls.drain(3600))
    await turns()
    patient.cancel()
    await asyncio.wait({patient})
    assert call.reasons == []
    await asyncio.gather(calls.drain(0), calls.drain(0))
    assert set(call.reasons) == {EndReason.DRAIN}
