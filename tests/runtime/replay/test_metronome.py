from __future__ import annotations

import asyncio

import pytest

from runtime.replay.metronome import Metronome

pytestmark = pytest.mark.virtual_time


class Beats:
    """Joins at a time and notes each beat, so many in all."""

    def __init__(self, count: int) -> None:
        self.at_ms: list[float] = []
        self.count = count
        self.loop = asyncio.get_running_loop()
        self.origin_s = self.loop.time()

    def __call__(self, now_s: float) -> bool:
        self.at_ms.append((now_s - self.origin_s) * 1000)
        return len(self.at_ms) < self.count


async def test_each_keeps_its_own_phase_for_as_long_as_it_wants() -> None:
    metronome = Metronome()
    beats = []
    for number, wait_s in enumerate((0.0, 0.003, 0.013, 0.0071)):
        await asyncio.sleep(wait_s)
        beat = Beats(3 + number)
        beats.append(beat)
        metronome.join(beat.origin_s, 0, beat)
    await asyncio.sleep(1.0)
    for number, beat in enumerate(beats):
        assert beat.at_ms == pytest.approx([20 * (n + 1) for n in range(3 + number)], abs=1e-6)


async def test_nothing_drifts() -> None:
    metronome, beat = Metronome(), Beats(3000)
    metronome.join(beat.origin_s, 0, beat)
    await asyncio.sleep(61)
    assert beat.at_ms[-1] == pytest.approx(60_000, abs=1e-6)


async def test_who_joins_in_the_middle_gets_what_is_due_at_once_and_in_order() -> None:
    metronome, steady, late = Metronome(), Beats(20), Beats(5)
    metronome.join(steady.origin_s, 0, steady)
    await asyncio.sleep(0.105)
    metronome.join(late.origin_s, 2, late)
    await asyncio.sleep(1.0)
    # Beats 3, 4 and 5 were due at 60, 80 and 100 ms.
    assert late.at_ms == pytest.approx([105, 105, 105, 120, 140], abs=1e-6)
    assert steady.at_ms == pytest.approx([20 * (n + 1) for n in range(20)], abs=1e-6)


async def test_a_join_before_the_next_strike_is_not_late() -> None:
    metronome, far, near = Metronome(), Beats(1), Beats(1)
    loop = asyncio.get_running_loop()
    metronome.join(loop.time() + 1.0, 0, far)
    metronome.join(near.origin_s, 0, near)
    await asyncio.sleep(2.0)
    assert near.at_ms == pytest.approx([20], abs=1e-6)
    assert far.at_ms == pytest.approx([1020], abs=1e-6)


async def test_one_that_joins_from_within_a_beat_is_served() -> None:
    metronome, inner = Metronome(), Beats(2)

    def outer(now_s: float) -> bool:
        metronome.join(now_s, 0, inner)
        return False

    metronome.join(inner.origin_s, 0, outer)
    await asyncio.sleep(1.0)
    assert inner.at_ms == pytest.approx([40, 60], abs=1e-6)


async def test_an_error_of_one_does_not_stop_the_others() -> None:
    metronome, other = Metronome(), Beats(3)
    loop = asyncio.get_running_loop()
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def broken(now_s: float) -> bool:
        raise RuntimeError("broken")

    metronome.join(other.origin_s, 0, broken)
    metronome.join(other.origin_s, 0, other)
    await asyncio.sleep(1.0)
    assert len(errors) == 1
    assert other.at_ms == pytest.approx([20, 40, 60], abs=1e-6)


async def test_what_a_stall_has_left_is_caught_up_beat_by_beat() -> None:
    metronome, beat = Metronome(), Beats(6)
    metronome.join(beat.origin_s - 0.1, 0, beat)
    await asyncio.sleep(0.5)
    assert beat.at_ms == pytest.approx([0, 0, 0, 0, 0, 20], abs=1e-6)


async def test_one_that_is_late_may_join_from_within_a_beat() -> None:
    metronome, late, other = Metronome(), Beats(4), Beats(4)
    at_ms: list[float] = []

    def outer(now_s: float) -> bool:
        at_ms.append((now_s - other.origin_s) * 1000)
        if len(at_ms) == 2:
            metronome.join(late.origin_s, 0, late)  # its first beat was due with that of the others
        return len(at_ms) < 4

    metronome.join(other.origin_s, 0, outer)
    metronome.join(other.origin_s, 0, other)
    await asyncio.sleep(1.0)
    assert at_ms == pytest.approx([20, 40, 60, 80], abs=1e-6)
    assert other.at_ms == pytest.approx([20, 40, 60, 80], abs=1e-6)
    assert late.at_ms == pytest.approx([40, 40, 60, 80], abs=1e-6)
