from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Unavailable
from runtime.auto_limit import AutoLimit
from runtime.capacity import RETRY_AFTER_S, Capacity, Refusal


@dataclass
class House:
    """A capacity, and what it depends on."""

    max_calls: int = 0
    auto: bool = False
    draining: bool = False
    engine: float = 0.0
    now_s: float = 0.0
    refused: list[Refusal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.capacity = Capacity(
            max_calls=self.max_calls,
            auto=AutoLimit(lambda: self.now_s) if self.auto else None,
            draining=lambda: self.draining,
            engine_busy=lambda: self.engine,
            on_refused=self.refused.append,
        )

    def seconds(self, count: int, *, lag_s: float = 0.0, loop_busy: float = 0.0) -> None:
        for _ in range(count):
            self.now_s += 1.0
            self.capacity.observe(lag_s=lag_s, loop_busy=loop_busy)

    def refuses(self, reason: Refusal, word: str) -> None:
        """The next call is refused for this reason, in all that say so."""
        counted, taken = len(self.refused), self.capacity.taken
        assert self.capacity.refusal() is reason
        with pytest.raises(Unavailable, match=word) as caught:
            self.capacity.check()
        assert caught.value.retry_after_s == RETRY_AFTER_S
        assert len(self.refused) == counted, "asking is no call"
        with pytest.raises(Unavailable, match=word), self.capacity.place():
            raise AssertionError("it was taken")
        assert self.refused[counted:] == [reason]
        assert self.capacity.taken == taken


@contextmanager
def calls(house: House, count: int) -> Iterator[None]:
    with ExitStack() as held:
        for _ in range(count):
            held.enter_context(house.capacity.place())
        yield


def test_without_a_limit_there_is_always_a_place() -> None:
    house = House()
    with calls(house, 1000):
        assert house.capacity.taken == 1000
        assert house.capacity.refusal() is None
        house.capacity.check()
    assert house.capacity.limit == math.inf
    # What is measured does not matter then.
    house.seconds(60, lag_s=9.0, loop_busy=1.0)
    with calls(house, 10):
        assert house.capacity.refusal() is None
    assert house.refused == []


def test_a_fixed_limit() -> None:
    house = House(max_calls=2)
    with calls(house, 1):
        assert house.capacity.refusal() is None
        with calls(house, 1):
            house.refuses(Refusal.MAX_CALLS, "full")
        assert house.capacity.refusal() is None
    assert house.capacity.limit == 2


def test_a_process_that_drains_takes_nothing() -> None:
    house = House(draining=True)
    house.refuses(Refusal.DRAINING, "draining")


def test_the_automatic_limit_and_the_fixed_one_hold_together() -> None:
    house = House(max_calls=5, auto=True)
    with calls(house, 3):
        house.seconds(20, lag_s=1.0)
        house.refuses(Refusal.LOOP_LAG, "late")
        assert house.capacity.limit == 3
        house.seconds(20)
        assert house.capacity.refusal() is None
        assert house.capacity.limit == 5
        house.engine = 1.0
        house.seconds(20)
        house.refuses(Refusal.ENGINE_LOAD, "inference")
        house.engine = 0.0
        house.seconds(20, loop_busy=1.0)
        house.refuses(Refusal.LOOP_LOAD, "event loop")
    # Whatever the machine is busy with: it is not with calls.
    assert house.capacity.refusal() is None


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError, SystemExit, GeneratorExit])
def test_a_place_comes_back_whatever_ends_the_call(error: type[BaseException]) -> None:
    house = House(max_calls=1)
    with pytest.raises(error), house.capacity.place():
        raise error
    assert house.capacity.taken == 0
    assert house.capacity.refusal() is None


async def test_a_task_that_is_cancelled_gives_its_place_back() -> None:
    house = House(max_calls=1)

    async def call() -> None:
        with house.capacity.place():
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    assert house.capacity.taken == 1
    task.cancel()
    await asyncio.wait({task})
    assert house.capacity.taken == 0


@given(limit=st.integers(1, 5), steps=st.lists(st.integers(0, 9), max_size=60))
def test_never_more_than_the_limit_and_never_fewer_than_come(limit: int, steps: list[int]) -> None:
    house = House(max_calls=limit)
    held: list[ExitStack] = []
    for step in steps:
        if step < len(held):
            held.pop(step).close()
            continue
        place = ExitStack()
        try:
            place.enter_context(house.capacity.place())
        except Unavailable:
            assert len(held) == limit
        else:
            held.append(place)
        assert house.capacity.taken == len(held) <= limit
