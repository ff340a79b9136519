import asyncio

import pytest

from pipelines.media.ticker import Ticker
from tests.pipelines.bots import run, stall

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


def later(delay_s: float, ticker: Ticker) -> None:
    asyncio.get_running_loop().call_later(delay_s, ticker.wake)


async def test_without_a_pace_it_waits_until_woken() -> None:
    ticker = Ticker(0.04)
    later(5.0, ticker)
    assert await ticker.wait(ticking=False) == 5.0


async def test_woken_before_the_wait_it_does_not_wait() -> None:
    ticker = Ticker(0.04)
    ticker.wake()
    ticker.wake()
    assert await ticker.wait(ticking=False) == 0.0
    # Once.
    later(1.0, ticker)
    assert await ticker.wait(ticking=False) == 1.0


async def test_ticks_are_counted_from_the_first_waking() -> None:
    ticker = Ticker(0.04)
    later(1.003, ticker)
    await ticker.wait(ticking=False)
    moments = [await ticker.wait(ticking=True) for _ in range(5)]
    assert moments == pytest.approx([1.043, 1.083, 1.123, 1.163, 1.203])


async def test_being_woken_early_does_not_put_the_tick_off() -> None:
    ticker = Ticker(0.04)
    ticker.wake()
    await ticker.wait(ticking=False)
    for delay_s in (0.01, 0.02, 0.07):
        later(delay_s, ticker)
    moments = [await ticker.wait(ticking=True) for _ in range(6)]
    assert moments == pytest.approx([0.01, 0.02, 0.04, 0.07, 0.08, 0.12])


def test_a_stall_is_followed_by_one_tick_and_not_by_all_that_were_missed() -> None:
    async def scenario() -> None:
        ticker = Ticker(0.04)
        ticker.wake()
        await ticker.wait(ticking=False)
        stall(1.01)
        moments = [await ticker.wait(ticking=True) for _ in range(3)]
        assert moments == pytest.approx([1.01, 1.04, 1.08])

    run(scenario())


async def test_an_hour_of_ticks_does_not_drift() -> None:
    ticker = Ticker(0.04)
    ticker.wake()
    await ticker.wait(ticking=False)
    for _ in range(9_000):
        await ticker.wait(ticking=True)
    assert now() == pytest.approx(360.0, abs=1e-6)


async def test_a_cancelled_wait_leaves_no_timer() -> None:
    ticker = Ticker(0.04)
    ticker.wake()
    await ticker.wait(ticking=False)
    waiting = asyncio.create_task(ticker.wait(ticking=True))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    ticker.wake()
    assert await ticker.wait(ticking=True) == pytest.approx(0.01)
