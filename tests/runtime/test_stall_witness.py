from __future__ import annotations

import asyncio
import importlib
import itertools
import queue
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from runtime.loop_watch import STALL_S, LoopWatch
from runtime.stall_witness import Stall, StallReports, StallWitness, frames_of


def hold_the_loop_up(until: threading.Event) -> None:
    """Stand still without the CPU, until the witness has told what it saw."""
    until.wait(10)


class Told(list[tuple[Stall, int]]):
    """What was told, and an event for it."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()

    def __call__(self, stall: Stall, count: int) -> None:
        self.append((stall, count))
        self.event.set()


async def test_what_the_loop_stood_still_in_is_named() -> None:
    told, seen = Told(), threading.Event()
    witness = StallWitness(told)
    watch = LoopWatch(on_lag=lambda _: None, on_stall=witness.stalled, on_period=lambda _: None)
    watch.start()

    looks: list[float] = []

    def due_s() -> float:
        # The witness asks a second time when it has looked.
        if time.monotonic() - watch.due_s >= STALL_S:
            looks.append(watch.due_s)
        if len(looks) > 1:
            seen.set()
        return watch.due_s

    witness.start(due_s)
    try:
        await asyncio.sleep(0.05)
        hold_the_loop_up(seen)
        assert await asyncio.to_thread(told.event.wait, 10)
    finally:
        watch.stop()
        witness.stop()
    stall, count = told[0]
    assert count >= 1
    assert stall.lag_s >= 0.05
    assert any(frame.startswith("tests/runtime/test_stall_witness.py:") for frame in stall.frames), stall
    assert any(frame.endswith(" hold_the_loop_up") for frame in stall.frames), stall


async def test_a_stall_that_nobody_saw_is_told_without_a_place() -> None:
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    sink = logger.add(lambda line: lines.put(str(line)), level="WARNING", format="{message}")
    witness = StallWitness()
    now_s = time.monotonic()
    witness.start(lambda: now_s + 3600)
    try:
        witness.stalled(0.25, now_s)
        line = await asyncio.to_thread(lines.get, timeout=10)
    finally:
        witness.stop()
        logger.remove(sink)
    assert line == ("the event loop stood still for 250 ms (1 times lately): nobody looked in time\n")


def test_a_witness_that_never_began_stops() -> None:
    StallWitness().stop()


def test_stalls_are_told_at_most_once_in_a_while_and_the_worst_of_them() -> None:
    told: list[tuple[Stall, int]] = []
    reports = StallReports(lambda stall, count: told.append((stall, count)), pause_s=10)
    reports.flush(0)
    first, short, long = Stall(0.1, ()), Stall(0.2, ()), Stall(0.9, ("a",))
    reports.add(first)
    reports.flush(1)
    reports.flush(1)
    for stall in (short, long, short):
        reports.add(stall)
        reports.flush(10.9)
    assert told == [(first, 1)]
    reports.flush(11)
    reports.flush(30)
    assert told == [(first, 1), (long, 3)]


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.05, 9))))
def test_every_stall_is_counted_once(stalls: list[tuple[float, float]]) -> None:
    told: list[tuple[float, Stall, int]] = []
    now_s = 0.0
    reports = StallReports(lambda stall, count: told.append((now_s, stall, count)), pause_s=5)
    for pause_s, lag_s in stalls:
        now_s += pause_s
        reports.add(Stall(lag_s, ()))
        reports.flush(now_s)
    now_s += 5
    reports.flush(now_s)
    assert sum(count for _, _, count in told) == len(stalls)
    assert max((stall.lag_s for _, stall, _ in told), default=0) == max((lag_s for _, lag_s in stalls), default=0)
    moments = [moment for moment, _, _ in told]
    assert all(later - sooner > 4.999 for sooner, later in itertools.pairwise(moments))


def test_frames_are_named_innermost_first() -> None:
    def inner() -> tuple[str, ...]:
        return frames_of(sys._getframe(), limit=2)

    first, second = inner()
    assert first.startswith("tests/runtime/test_stall_witness.py:")
    assert first.endswith("<locals>.inner")
    assert second.endswith(" test_frames_are_named_innermost_first")
    assert frames_of(None) == ()


@pytest.mark.parametrize("limit", [1, 3])
def test_not_more_frames_than_asked_for(limit: int) -> None:
    assert len(frames_of(sys._getframe(), limit)) == limit


def test_of_an_import_only_those_who_want_it_are_named() -> None:
    caught: list[tuple[str, ...]] = []

    class Finder:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            caught.append(frames_of(sys._getframe(), limit=2))

    sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]
    try:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("no_such_module_anywhere")
    finally:
        del sys.meta_path[0]
    assert [frame.rpartition(" ")[2].rpartition(".")[2] for frame in caught[0]] == ["find_spec", "import_module"]
