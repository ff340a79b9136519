"""What all seats with several vendors have in common; each seat's own part has tests of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from pipecat.frames.frames import (
    ControlFrame,
    DataFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    SystemFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.utils.errors import ErrorCategory

from adapters.breaker import BreakerSettings, Circuit, CircuitState
from adapters.vendor_errors import STALLED
from models.errors import InvalidField
from pipelines.failover.failover import Candidate, Failover, FailoverListener, Switch
from pipelines.failover.failures import Seat
from tests.standins.pipeline import Pipe, piped


@dataclass
class Job(DataFrame):
    """Something to be done."""

    number: int = 0


@dataclass
class Done(ControlFrame):
    """A job that was done."""

    by: str = ""
    number: int = 0


@dataclass
class News(SystemFrame):
    """Something that passes through."""


class Service(FrameProcessor):
    """Does jobs, and fails when it is told to."""

    def __init__(
        self,
        label: str,
        *,
        fails_in_setup: bool = False,
        hangs_in_setup: bool = False,
        breaks_in_setup: bool = False,
    ) -> None:
        super().__init__()
        self.label = label
        self.fails: ErrorCategory | None = None
        self.started = self.released = 0
        self._fails_in_setup = fails_in_setup
        self._hangs_in_setup = hangs_in_setup
        self._breaks_in_setup = breaks_in_setup

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        if self._fails_in_setup:
            await self.push_error("no", category=ErrorCategory.AUTHENTICATION)
        if self._hangs_in_setup:
            await asyncio.Event().wait()
        if self._breaks_in_setup:
            raise RuntimeError("ours")

    async def cleanup(self) -> None:
        self.released += 1
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self.started += 1
        if not isinstance(frame, Job):
            await self.push_frame(frame, direction)
        elif self.fails is None:
            await self.push_frame(Done(self.label, frame.number))
        else:
            await self.push_error("no", category=self.fails)
            await self.push_frame(Done("nobody"))


class Jobs(Failover):
    """A seat whose jobs are handed over."""

    def __init__(self, candidates: Sequence[Candidate], *, busy: bool = True) -> None:
        super().__init__(Seat.LLM, candidates)
        self.asked: list[Frame] = []
        self.is_busy = busy

    def _entering(self, frame: Frame, direction: FrameDirection) -> bool:
        del direction
        if isinstance(frame, Job):
            self.asked.append(frame)
            return True
        return False

    def _leaving(self, frame: Frame, direction: FrameDirection) -> bool:
        del direction
        if isinstance(frame, Done):
            self._worked()
            self.asked.pop(0)
        return True

    def _busy(self) -> bool:
        return self.is_busy

    async def _handover(self) -> Sequence[Frame]:
        return list(self.asked)


class Notes(FailoverListener):
    def __init__(self) -> None:
        self.switches: list[Switch] = []
        self.failures: list[tuple[Seat, str, str]] = []

    def switched(self, switch: Switch) -> None:
        self.switches.append(switch)

    def failed(self, seat: Seat, provider: str, category: str) -> None:
        self.failures.append((seat, provider, category))


class Cast:
    """Services by the letters of their names, made when they are asked for."""

    def __init__(self, labels: str, **how: dict[str, Any]) -> None:
        self.made: dict[str, Service] = {}
        self.now_s = 0.0
        self.notes = Notes()
        self.missing: set[str] = set()
        self.circuits = {name: Circuit("llm", name, BreakerSettings(), lambda: self.now_s) for name in labels}
        self._how = how
        self.candidates = [Candidate(name, self.circuits[name], partial(self._make, name)) for name in labels]

    def jobs(self, **how: Any) -> Jobs:
        made = Jobs(self.candidates, **how)
        made.watch(self.notes)
        return made

    def _make(self, name: str) -> Service:
        if name in self.missing:
            raise InvalidField("engine_key", "is required")
        self.made[name] = Service(name, **self._how.get(name, {}))
        return self.made[name]


async def do(pipe: Pipe, number: int) -> Done:
    await pipe.send(Job(number))
    await pipe.down.until(lambda: number in [done.number for done in pipe.down.of(Done)])
    return next(done for done in pipe.down.of(Done) if done.number == number)


async def test_the_first_vendor_has_the_seat_and_no_other_is_made() -> None:
    cast = Cast("ab")
    async with piped(cast.jobs()) as pipe:
        assert (await do(pipe, 1)).by == "a"
        await pipe.send(News())
        await pipe.down.wait(News)
    assert list(cast.made) == ["a"]
    assert cast.made["a"].released == 1
    assert not cast.notes.switches


@pytest.mark.parametrize(
    "category",
    [it for it in ErrorCategory if it is not ErrorCategory.APPLICATION],
)
async def test_the_next_vendor_does_what_the_first_could_not(category: ErrorCategory) -> None:
    cast = Cast("ab")
    async with piped(cast.jobs()) as pipe:
        assert (await do(pipe, 1)).by == "a"
        cast.made["a"].fails = category
        assert (await do(pipe, 2)).by == "b"
        assert (await do(pipe, 3)).by == "b"
        # The error is dealt with, and nothing of the first one is heard of any more.
        assert not pipe.up.of(ErrorFrame)
        assert [done.by for done in pipe.down.of(Done)] == ["a", "b", "b"]
    (switch,) = cast.notes.switches
    assert (switch.seat, switch.failed, switch.successor, switch.category) == (Seat.LLM, "a", "b", category.value)
    assert 0 <= switch.took_ms < 1000
    assert [service.started for service in cast.made.values()] == [1, 1]
    assert [service.released for service in cast.made.values()] == [1, 1]


async def test_the_pipeline_sees_one_start() -> None:
    cast = Cast("ab")
    starts = 0

    class Watch(FrameProcessor):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            nonlocal starts
            await super().process_frame(frame, direction)
            starts += isinstance(frame, StartFrame)
            await self.push_frame(frame, direction)

    async with piped(Pipeline([cast.jobs(), Watch()])) as pipe:
        await do(pipe, 1)
        cast.made["a"].fails = ErrorCategory.SERVER
        await do(pipe, 2)
    assert starts == 1


async def test_a_mistake_of_our_own_changes_nothing() -> None:
    cast = Cast("ab")
    async with piped(cast.jobs()) as pipe:
        await do(pipe, 1)
        await cast.made["a"].push_error("a tool", category=ErrorCategory.APPLICATION)
        await pipe.up.wait(ErrorFrame)
        assert (await do(pipe, 2)).by == "a"


async def test_what_comes_meanwhile_waits_and_keeps_its_order() -> None:
    cast = Cast("ab")
    async with piped(cast.jobs()) as pipe:
        await do(pipe, 1)
        cast.made["a"].fails = ErrorCategory.SERVER
        await pipe.send(*[Job(number) for number in range(2, 20)])
        await pipe.down.until(lambda: len(pipe.down.of(Done)) == 19)
        assert [done.number for done in pipe.down.of(Done)] == list(range(1, 20))


async def test_a_failure_for_which_there_is_nobody_left_is_passed_on() -> None:
    cast = Cast("ab")
    jobs = cast.jobs()
    async with piped(jobs) as pipe:
        await do(pipe, 1)
        cast.made["a"].fails = ErrorCategory.SERVER
        await do(pipe, 2)
        cast.made["b"].fails = ErrorCategory.AUTHENTICATION
        await pipe.send(Job(3))
        (error,) = await pipe.up.wait(ErrorFrame)
        assert error.processor is jobs
        assert error.category is ErrorCategory.AUTHENTICATION
        assert not jobs.is_usable
    assert len(cast.notes.switches) == 1


async def test_a_vendor_that_cannot_be_made_is_passed_over() -> None:
    cast = Cast("abc")
    cast.missing = {"b"}
    async with piped(cast.jobs()) as pipe:
        await do(pipe, 1)
        cast.made["a"].fails = ErrorCategory.SERVER
        assert (await do(pipe, 2)).by == "c"


def test_when_none_can_be_made_the_first_says_why() -> None:
    cast = Cast("ab")
    cast.missing = {"a", "b"}
    with pytest.raises(InvalidField, match="is required"):
        cast.jobs()


@pytest.mark.parametrize("how", ["fails_in_setup", "hangs_in_setup", "breaks_in_setup"])
async def test_a_vendor_that_fails_as_it_is_put_in_place(how: str) -> None:
    cast = Cast("abc", b={how: True})
    async with piped(cast.jobs()) as pipe:
        await do(pipe, 1)
        cast.made["a"].fails = ErrorCategory.SERVER
        assert (await do(pipe, 2)).by == "c"
        assert not pipe.up.of(ErrorFrame)
    assert [service.released for service in cast.made.values()] == [1, 1, 1]


async def test_the_last_vendor_fails_as_it_is_put_in_place() -> None:
    cast = Cast("ab", b={"fails_in_setup": True})
    jobs = cast.jobs()
    async with piped(jobs) as pipe:
        await do(pipe, 1)
        cast.made["a"].fails = ErrorCategory.SERVER
        await pipe.send(Job(2))
        (error,) = await pipe.up.wait(ErrorFrame)
        assert error.processor is jobs


async def test_a_first_vendor_that_fails_before_the_start() -> None:
    cast = Cast("ab", a={"fails_in_setup": True})
    async with piped(cast.jobs()) as pipe:
        assert (await do(pipe, 1)).by == "b"
    assert cast.notes.switches[0].category == "authentication"


async def test_a_failure_that_costs_nothing_is_told_and_the_vendor_stays() -> None:
    cast = Cast("ab")
    async with piped(cast.jobs(busy=False)) as pipe:
        await do(pipe, 1)
        await cast.made["a"].push_error("broke", category=ErrorCategory.CONNECTIVITY)
        assert (await do(pipe, 2)).by == "a"
        assert not pipe.up.of(ErrorFrame)
        assert cast.notes.failures == [(Seat.LLM, "a", "connectivity")]
        await cast.made["a"].push_error("refused", category=ErrorCategory.AUTHENTICATION)
        assert (await do(pipe, 3)).by == "b"


async def test_somebody_else_notices_that_nothing_comes() -> None:
    cast = Cast("abc")
    jobs = cast.jobs()
    async with piped(jobs) as pipe:
        await do(pipe, 1)
        assert await jobs.stalled()
        assert (await do(pipe, 2)).by == "b"
        await jobs.push_error("stalled", category=ErrorCategory.CONNECTIVITY)
        assert (await do(pipe, 3)).by == "c"
        assert not await jobs.stalled()
        assert jobs.provider == "c"
        assert jobs.number == 2
    assert [switch.category for switch in cast.notes.switches] == [STALLED, "connectivity"]


async def test_an_interruption_passes() -> None:
    cast = Cast("ab")
    async with piped(cast.jobs()) as pipe:
        await pipe.send(InterruptionFrame())
        await pipe.down.wait(InterruptionFrame)


async def test_a_call_that_ends_in_the_middle_of_a_switch_leaves_nothing() -> None:
    cast = Cast("ab", b={"hangs_in_setup": True})
    jobs = cast.jobs()
    async with piped(jobs) as pipe:
        await do(pipe, 1)
        assert await jobs.stalled()
    assert [service.released for service in cast.made.values()] == [1, 1]


# What the calls of a process know together.


async def test_a_call_begins_on_a_vendor_that_is_not_known_to_fail() -> None:
    cast = Cast("ab")
    cast.circuits["a"].failed("authentication")
    async with piped(cast.jobs()) as pipe:
        assert (await do(pipe, 1)).by == "b"
    assert list(cast.made) == ["b"]


async def test_when_all_are_known_to_fail_the_first_is_tried() -> None:
    cast = Cast("ab")
    for circuit in cast.circuits.values():
        circuit.failed("authentication")
    async with piped(cast.jobs()) as pipe:
        assert (await do(pipe, 1)).by == "a"
    # It works, and all calls know.
    assert cast.circuits["a"].state is CircuitState.CLOSED


async def test_a_vendor_that_is_known_to_fail_is_better_than_none() -> None:
    cast = Cast("abc")
    cast.circuits["b"].failed("authentication")
    async with piped(cast.jobs()) as pipe:
        await do(pipe, 1)
        cast.made["a"].fails = ErrorCategory.SERVER
        assert (await do(pipe, 2)).by == "c"
        cast.made["c"].fails = ErrorCategory.SERVER
        assert (await do(pipe, 3)).by == "b"


async def test_who_wants_to_know_of_errors_hears_of_those_of_every_service() -> None:
    cast = Cast("ab")
    jobs = cast.jobs()
    errors: list[ErrorFrame] = []

    async def note(processor: FrameProcessor, error: ErrorFrame) -> None:
        del processor
        errors.append(error)

    jobs.add_event_handler("on_error", note)
    async with piped(jobs) as pipe:
        cast.made["a"].fails = ErrorCategory.SERVER
        await do(pipe, 1)
        await cast.made["b"].push_error("broke", category=ErrorCategory.SERVER)
        await pipe.up.wait(ErrorFrame)
    assert len(errors) == 2


async def test_one_call_finds_out_whether_a_vendor_works_again() -> None:
    cast = Cast("ab")
    cast.circuits["a"].failed("authentication")
    cast.now_s += 61
    async with piped(cast.jobs()) as first:
        async with piped(cast.jobs()) as second:
            assert (await do(second, 1)).by == "b"
        assert (await do(first, 1)).by == "a"
    async with piped(cast.jobs()) as third:
        assert (await do(third, 1)).by == "a"


async def test_the_failures_of_a_call_are_known_to_all() -> None:
    cast = Cast("ab")
    for _ in range(3):
        async with piped(cast.jobs()) as pipe:
            cast.made["a"].fails = ErrorCategory.SERVER
            assert (await do(pipe, 1)).by == "b"
    assert cast.circuits["a"].state is CircuitState.OPEN
    async with piped(cast.jobs()) as pipe:
        assert (await do(pipe, 1)).by == "b"
    assert len(cast.notes.switches) == 3


@pytest.mark.virtual_time
async def test_a_vendor_that_failed_for_a_passing_reason_is_taken_again_after_a_while() -> None:
    cast = Cast("ab")
    async with piped(cast.jobs()) as pipe:
        cast.made["a"].fails = ErrorCategory.SERVER
        assert (await do(pipe, 1)).by == "b"
        await asyncio.sleep(40)
        cast.made["b"].fails = ErrorCategory.SERVER
        assert (await do(pipe, 2)).by == "a"
