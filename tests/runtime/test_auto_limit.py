from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.auto_limit import ENGINE_LIMIT, LAG_LIMIT_S, LOOP_LIMIT, REOPEN, AutoLimit, Busy

SHARES = st.floats(-1, 2)
LAGS_S = st.floats(-1, 10)
OBSERVATIONS = st.lists(st.tuples(LAGS_S, SHARES, SHARES, st.integers(0, 200)), max_size=60)


class Process:
    """A limit whose clock moves on by a second with every observation."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.limit = AutoLimit(lambda: self.now_s)

    def second(self, *, lag_s: float = 0.0, loop: float = 0.0, engine: float = 0.0, calls: int = 10) -> None:
        self.now_s += 1.0
        self.limit.observe(lag_s=lag_s, loop_busy=loop, engine_busy=engine, calls=calls)

    def seconds(self, count: int, **observation: float) -> None:
        for _ in range(count):
            self.second(**observation)  # type: ignore[arg-type]


@given(OBSERVATIONS)
def test_a_process_without_calls_takes_one(observations: list[tuple[float, float, float, int]]) -> None:
    process = Process()
    for lag_s, loop, engine, calls in observations:
        process.second(lag_s=lag_s, loop=loop, engine=engine, calls=calls)
        assert process.limit.busy(0) is None
        assert process.limit.room(0) >= 1


@given(OBSERVATIONS, st.integers(0, 300))
def test_where_one_call_does_not_fit_more_do_not_fit_either(
    observations: list[tuple[float, float, float, int]], calls: int
) -> None:
    process = Process()
    for lag_s, loop, engine, live in observations:
        process.second(lag_s=lag_s, loop=loop, engine=engine, calls=live)
    if process.limit.busy(calls):
        assert process.limit.busy(calls + 1)
        assert process.limit.room(calls) == max(calls, 0)
    else:
        assert process.limit.room(calls) >= max(calls, 1)


@given(st.lists(st.tuples(st.floats(0, LAG_LIMIT_S), st.integers(0, 40)), max_size=60))
def test_a_process_with_time_to_spare_refuses_nobody(seconds: list[tuple[float, int]]) -> None:
    process = Process()
    for lag_s, calls in seconds:
        process.second(lag_s=lag_s, loop=0.01 * calls, engine=0.01 * calls, calls=calls)
        assert process.limit.busy(calls) is None


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ({"lag_s": 2 * LAG_LIMIT_S}, Busy.LOOP_LAG),
        ({"loop": 0.95}, Busy.LOOP_LOAD),
        ({"engine": 0.95}, Busy.ENGINE_LOAD),
    ],
)
def test_load_that_lasts_closes_the_door_and_opens_it_when_it_is_over(load: dict[str, float], reason: Busy) -> None:
    process = Process()
    process.seconds(20, **load)
    assert process.limit.busy(10) is reason
    assert process.limit.room(10) == 10
    process.seconds(10)
    assert process.limit.busy(10) is None
    assert process.limit.room(10) > 10


def test_two_bad_seconds_close_the_door_and_one_does_not() -> None:
    process = Process()
    process.seconds(5)
    process.second(lag_s=1.0)
    assert process.limit.busy(10) is None
    process.second(lag_s=1.0)
    assert process.limit.busy(10) is Busy.LOOP_LAG


@given(st.lists(st.floats(REOPEN + 0.02, 0.98), min_size=1, max_size=50))
def test_a_load_near_the_limit_moves_the_door_in_neither_direction(loads: list[float]) -> None:
    opened, closed = Process(), Process()
    closed.seconds(20, lag_s=10 * LAG_LIMIT_S)
    # Down to just under the limit, where the door stays as it is.
    while closed.limit._lag_s > 0.95 * LAG_LIMIT_S:
        closed.second(lag_s=(REOPEN + 0.02) * LAG_LIMIT_S)
    for load in loads:
        opened.second(lag_s=load * LAG_LIMIT_S)
        closed.second(lag_s=load * LAG_LIMIT_S)
        assert opened.limit.busy(10) is None
        assert closed.limit.busy(10) is Busy.LOOP_LAG


@pytest.mark.parametrize("signal", ["loop", "engine"])
def test_a_share_that_closed_the_door_opens_it_only_well_below_its_limit(signal: str) -> None:
    opened, closed = Process(), Process()
    opened.seconds(300, **{signal: 0.7})
    closed.seconds(300, **{signal: 0.7})
    closed.seconds(30, **{signal: 0.95})
    # With one call more, about 0.78: between the two limits.
    for process in (opened, closed):
        process.seconds(30, **{signal: 0.7})
    assert opened.limit.busy(10) is None
    assert closed.limit.busy(10)
    closed.seconds(30, **{signal: 0.5})
    assert closed.limit.busy(10) is None


@given(
    cost=st.floats(0.006, 0.08),
    engine=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
    arrivals=st.integers(1, 4),
)
def test_a_process_that_is_called_all_the_time_fills_up_and_is_not_overrun(
    cost: float, engine: float, seed: int, arrivals: int
) -> None:
    chance = random.Random(seed)
    process, calls = Process(), 0
    fits = LOOP_LIMIT / cost
    for second in range(400):
        for _ in range(arrivals):
            if process.limit.busy(calls) is None:
                calls += 1
        noise = chance.uniform(0.97, 1.03)
        process.second(loop=cost * calls * noise, engine=engine * cost * calls * noise, calls=calls)
        if second > 200:
            assert calls <= fits * 1.06 + 1
            assert calls >= fits * REOPEN * 0.94 - 3
        if chance.random() < 0.3:
            calls = max(0, calls - 1)


@given(burst=st.integers(2, 500), cost=st.floats(0.01, 0.05))
def test_a_burst_is_stopped_before_its_load_is_seen(burst: int, cost: float) -> None:
    process, calls = Process(), 5
    for _ in range(120):
        process.second(loop=cost * calls, calls=calls)
    for _ in range(burst):
        calls += process.limit.busy(calls) is None
    assert calls == min(burst + 5, process.limit.room(5))
    assert calls * cost <= LOOP_LIMIT * 1.1


def test_a_cold_process_takes_a_burst_up_to_a_first_guess() -> None:
    process, calls = Process(), 0
    for _ in range(500):
        calls += process.limit.busy(calls) is None
    assert 40 <= calls <= 80


def test_quiet_hours_do_not_change_what_a_call_is_thought_to_cost() -> None:
    process = Process()
    process.seconds(600, loop=0.4, calls=8)
    before = process.limit.room(8)
    process.seconds(3600, calls=0)
    assert process.limit.room(0) == pytest.approx(before, abs=2)


def test_the_inference_threads_limit_the_calls_too() -> None:
    process = Process()
    process.seconds(300, loop=0.1, engine=0.5, calls=10)
    assert process.limit.room(10) == pytest.approx(10 * ENGINE_LIMIT / 0.5, abs=2)


def test_a_clock_that_stands_still_does_no_harm() -> None:
    limit = AutoLimit(lambda: 1.0)
    for _ in range(10):
        limit.observe(lag_s=9.0, loop_busy=1.0, engine_busy=1.0, calls=3)
    assert limit.busy(3) is None
