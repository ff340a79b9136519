"""Waiting for events, with the polling's pauses under the test's control."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.store.notifier import EventNotifier
from models.errors import Unavailable


class Bench:
    """A notifier over a number that the test sets, whose polling goes on when the test says so."""

    def __init__(self) -> None:
        self.newest = 0
        self.fails = False
        self.looks = 0
        self.pauses: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.notifier = EventNotifier(self._look, poll_interval_s=0.25, sleep=self._sleep)

    async def _look(self) -> int:
        self.looks += 1
        await asyncio.sleep(0)
        if self.fails:
            raise Unavailable("the store does not answer")
        return self.newest

    async def _sleep(self, seconds: float) -> None:
        assert seconds == 0.25
        pause = asyncio.get_running_loop().create_future()
        await self.pauses.put(pause)
        await pause

    async def end_pause(self) -> None:
        async with asyncio.timeout(10):
            (await self.pauses.get()).set_result(None)

    def waiting(self, after: int) -> asyncio.Task[bool]:
        return asyncio.create_task(self.notifier.wait(after, timeout_s=60))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.notifier.stop()


async def test_an_event_that_is_there_needs_no_waiting(bench: Bench) -> None:
    bench.newest = 5
    assert await bench.notifier.wait(4, timeout_s=0)
    assert await bench.notifier.wait(3, timeout_s=0)
    assert bench.looks == 1
    assert not await bench.notifier.wait(5, timeout_s=0)


async def test_an_event_of_this_process_wakes_at_once(bench: Bench) -> None:
    early, late = bench.waiting(0), bench.waiting(1)
    await bench.pauses.get()
    bench.notifier.seen(1)
    assert await early
    assert not late.done()
    bench.notifier.seen(2)
    assert await late


async def test_an_event_of_another_process_is_found_by_polling(bench: Bench) -> None:
    waiting = bench.waiting(0)
    await bench.end_pause()
    await bench.end_pause()
    assert not waiting.done()
    bench.newest = 1
    await bench.end_pause()
    assert await waiting


async def test_one_polls_for_all(bench: Bench) -> None:
    waiting = [bench.waiting(0) for _ in range(20)]
    await bench.end_pause()
    await bench.end_pause()
    bench.newest = 1
    await bench.end_pause()
    assert all(await asyncio.gather(*waiting))
    assert bench.looks <= 20 + 3


async def test_polling_outlives_a_database_that_does_not_answer(bench: Bench) -> None:
    waiting = bench.waiting(0)
    pause = await bench.pauses.get()
    bench.fails = True
    pause.set_result(None)
    pause = await bench.pauses.get()
    bench.fails, bench.newest = False, 1
    pause.set_result(None)
    assert await waiting


async def test_nobody_polls_when_nobody_waits(bench: Bench) -> None:
    waiting = bench.waiting(0)
    pause = await bench.pauses.get()
    bench.notifier.seen(1)
    assert await waiting
    looks = bench.looks
    pause.set_result(None)
    for _ in range(10):
        await asyncio.sleep(0)
    assert bench.looks <= looks + 1
    assert bench.pauses.empty()
    again = bench.waiting(1)
    await bench.end_pause()
    bench.notifier.seen(2)
    assert await again


async def test_a_cancelled_waiter_is_forgotten(bench: Bench) -> None:
    cancelled, other = bench.waiting(0), bench.waiting(0)
    await bench.pauses.get()
    cancelled.cancel()
    await asyncio.wait((cancelled,))
    bench.notifier.seen(1)
    assert cancelled.cancelled()
    assert await other


async def test_stopping_sends_everybody_home(bench: Bench) -> None:
    waiting, looking = bench.waiting(0), bench.waiting(0)
    await bench.pauses.get()
    await bench.notifier.stop()
    await bench.notifier.stop()
    assert not await waiting
    assert not await looking


async def test_stopping_catches_those_who_are_still_looking(bench: Bench) -> None:
    waiting = bench.waiting(0)
    await asyncio.sleep(0)
    await bench.notifier.stop()
    async with asyncio.timeout(10):
        assert not await waiting
    assert bench.pauses.empty()


async def test_a_look_that_fails_is_the_callers_to_know(bench: Bench) -> None:
    bench.fails = True
    with pytest.raises(Unavailable):
        await bench.notifier.wait(0, timeout_s=0)


async def test_a_nudge_finds_an_event_of_another_process_before_the_next_poll(bench: Bench) -> None:
    bench.notifier.nudge()
    assert bench.looks == 0, "nobody waits"
    waiting = bench.waiting(0)
    await bench.pauses.get()
    bench.notifier.nudge()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    bench.newest = 1
    bench.notifier.nudge()
    async with asyncio.timeout(10):
        assert await waiting


async def test_nudges_while_it_looks_lead_to_one_more_look(bench: Bench) -> None:
    waiting = bench.waiting(0)
    await bench.pauses.get()
    before = bench.looks
    for _ in range(5):
        bench.notifier.nudge()
    await asyncio.sleep(0)
    for _ in range(5):
        bench.notifier.nudge()
    for _ in range(10):
        await asyncio.sleep(0)
    assert bench.looks == before + 2
    bench.fails = True
    bench.notifier.nudge()
    await asyncio.sleep(0)
    assert not waiting.done()
    await bench.notifier.stop()
    assert not await waiting
