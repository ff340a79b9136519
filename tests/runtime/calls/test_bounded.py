import asyncio
import contextvars
from collections.abc import Callable
from contextvars import Context

import pytest
from typing_extensions import TypeVarTuple, Unpack

from runtime.calls.bounded import within
from tests.support.virtual_time import VirtualClockLoop

_Ts = TypeVarTuple("_Ts")

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def answer(*pauses_s: float, error: Exception | None = None) -> str:
    for pause_s in pauses_s:
        await asyncio.sleep(pause_s)
    if error is not None:
        raise error
    return "answer"


@pytest.mark.parametrize("pauses_s", [(), (0,), (1.0,), (1.0, 0, 1.0), (4.9,)])
async def test_the_result_comes_when_it_is_there(pauses_s: tuple[float, ...]) -> None:
    assert await within(5.0, answer(*pauses_s)) == "answer"
    assert now() == sum(pauses_s)


@pytest.mark.parametrize("pauses_s", [(), (1.0,), (0, 1.0)])
async def test_an_error_comes_through(pauses_s: tuple[float, ...]) -> None:
    with pytest.raises(ZeroDivisionError):
        await within(5.0, answer(*pauses_s, error=ZeroDivisionError()))
    assert now() == sum(pauses_s)


@pytest.mark.parametrize("pauses_s", [(60.0,), (0, 60.0), (3.0, 3.0)])
async def test_what_takes_too_long_is_cancelled(pauses_s: tuple[float, ...]) -> None:
    cancelled = False

    async def work() -> None:
        nonlocal cancelled
        try:
            await answer(*pauses_s)
        except asyncio.CancelledError:
            cancelled = True
            raise

    with pytest.raises(TimeoutError):
        await within(5.0, work())
    assert (now(), cancelled) == (5.0, True)
    # The task itself goes on.
    await asyncio.sleep(1)


@pytest.mark.parametrize("after_s", [0, 1.0])
async def test_whoever_waits_can_be_cancelled(after_s: float) -> None:
    waiting = asyncio.create_task(within(5.0, answer(60.0)))
    await asyncio.sleep(after_s)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert now() == after_s


class CountingLoop(VirtualClockLoop):
    """Counts the timers that are set."""

    timers = 0

    def call_at(
        self, when: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_at(when, callback, *args, context=context)


def test_no_timer_is_set_when_nothing_waits() -> None:
    async def scenario() -> list[int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        counts = [loop.timers]
        for _ in range(100):
            await within(5.0, answer())
        counts.append(loop.timers)
        await within(5.0, answer(0))
        counts.append(loop.timers)
        return counts

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        assert runner.run(scenario()) == [0, 0, 1]


async def test_whoever_waits_first_goes_first() -> None:
    order: list[str] = []
    gate = asyncio.Event()

    async def through(name: str) -> None:
        await gate.wait()
        order.append(name)

    tasks = [asyncio.create_task(within(5.0, through(name))) for name in "ab"]
    await asyncio.sleep(1)
    tasks.append(asyncio.create_task(within(5.0, through("c"))))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c"]
    for _ in range(1_000):
        await within(5.0, through("again"))
    # Everything ran without the loop once taking a turn.
    assert now() == 1


async def test_it_runs_in_the_callers_own_task_and_context() -> None:
    variable = contextvars.ContextVar("variable", default=0)
    seen: list[object] = []

    async def look() -> None:
        seen.append((asyncio.current_task(), variable.get()))
        variable.set(2)
        await asyncio.sleep(1)
        seen.append((asyncio.current_task(), variable.get()))

    variable.set(1)
    await within(5.0, look())
    me = asyncio.current_task()
    assert seen == [(me, 1), (me, 2)]
    assert variable.get() == 2
