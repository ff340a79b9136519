from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.loop_watch import INTERVAL_S, STALL_S, LoopPeriod, LoopWatch, lag_quantile
from tests.support.virtual_time import VirtualClockLoop

pytestmark = pytest.mark.virtual_time


class Watched:
    """A watch on virtual time, and what it says. A stall moves the clock on without the loop."""

    def __init__(self) -> None:
        self.lags_s: list[float] = []
        self.stalls: list[tuple[float, float]] = []
        self.periods: list[LoopPeriod] = []
        self.cpu_s = 5.0
        self.watch = LoopWatch(
            on_lag=self.lags_s.append,
            on_stall=lambda lag_s, due_s: self.stalls.append((lag_s, due_s)),
            on_period=self.periods.append,
            cpu_clock=lambda: self.cpu_s,
        )
        self.watch.start()

    @staticmethod
    def stall(stalled_s: float) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualClockLoop)
        loop._jumping.now_s += stalled_s


async def test_a_loop_on_time_has_no_lag() -> None:
    it = Watched()
    await asyncio.sleep(10.01)
    it.watch.stop()
    assert len(it.lags_s) == pytest.approx(10 / INTERVAL_S, abs=10)
    assert max(it.lags_s) == pytest.approx(0, abs=1e-9)
    assert it.stalls == []
    assert len(it.periods) == pytest.approx(10, abs=1)
    assert {(round(period.lag_s, 6), period.busy) for period in it.periods} == {(0.0, 0.0)}
    assert it.watch.worst_s == pytest.approx(0, abs=1e-9)


async def test_a_stall_is_a_lag() -> None:
    it = Watched()
    await asyncio.sleep(0.11)
    due_s = it.watch.due_s
    it.stall(0.3)
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    expected_s = 0.3 - (due_s - 0.11)
    assert max(it.lags_s) == pytest.approx(expected_s)
    [(lag_s, missed_s)] = it.stalls
    assert (lag_s, missed_s) == (pytest.approx(expected_s), due_s)
    assert it.watch.worst_s == pytest.approx(expected_s)
    await asyncio.sleep(1)
    assert it.periods[0].worst_s == pytest.approx(expected_s)
    # It is remembered for ten seconds, not for ever.
    await asyncio.sleep(8.5)
    assert it.watch.worst_s == pytest.approx(expected_s)
    await asyncio.sleep(3)
    assert it.watch.worst_s == pytest.approx(0, abs=1e-9)
    it.watch.stop()


@pytest.mark.parametrize(("stalled_s", "stalls"), [(STALL_S - 0.001, 0), (STALL_S + INTERVAL_S + 0.001, 1)])
async def test_only_what_is_long_is_a_stall(stalled_s: float, stalls: int) -> None:
    it = Watched()
    await asyncio.sleep(0.01)
    it.stall(stalled_s)
    await asyncio.sleep(0.1)
    assert len(it.stalls) == stalls
    it.watch.stop()


async def test_how_much_the_thread_worked() -> None:
    it = Watched()
    for _ in range(100):
        await asyncio.sleep(0.03)
        it.cpu_s += 0.0075
    it.watch.stop()
    assert len(it.periods) >= 2
    for period in it.periods:
        assert period.busy == pytest.approx(0.25, abs=0.02)


async def test_a_watch_that_is_stopped_looks_no_more() -> None:
    it = Watched()
    await asyncio.sleep(1.5)
    it.watch.stop()
    it.watch.stop()
    seen = len(it.lags_s)
    await asyncio.sleep(5)
    assert len(it.lags_s) == seen


def test_no_lags_no_quantile() -> None:
    assert lag_quantile([], 0.9, INTERVAL_S) == 0.0


def test_a_stall_counts_as_long_as_it_lasts() -> None:
    # 30 timers on time and one that is late by half a second: it stands for twenty that could not run.
    lags_s = [0.0] * 30 + [0.5]
    assert lag_quantile(lags_s, 0.5, 0.025) == 0.0
    assert lag_quantile(lags_s, 0.9, 0.025) == pytest.approx(0.375, abs=0.026)
    # A short one is no more than what it is.
    assert lag_quantile([0.0] * 39 + [0.05], 0.9, 0.025) == 0.0


@given(st.lists(st.floats(0, 2), min_size=1, max_size=50), st.floats(0, 1), st.floats(0, 1))
def test_a_quantile_is_between_the_extremes_and_grows(lags_s: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    lower, higher = (lag_quantile(lags_s, quantile, 0.025) for quantile in (low, high))
    assert 0 <= lower <= higher <= max(lags_s)
    assert lag_quantile(lags_s, 1.0, 0.025) == max(lags_s)
