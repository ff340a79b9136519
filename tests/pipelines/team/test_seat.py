"""A seat that changes with the member: nothing is cut off, nothing overtakes, and every service is let go of."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.frames.frames import ErrorFrame, Frame, InterruptionFrame, STTMetadataFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.utils.errors import ErrorCategory

from models.errors import InvalidField
from pipelines.failover.failures import Seat
from pipelines.team.seat import MemberChangedFrame, MemberSeat
from tests.pipelines.team.benches import Cast, Done, Job
from tests.standins.pipeline import Pipe, piped

pytestmark = pytest.mark.virtual_time


def done(pipe: Pipe) -> list[tuple[str, int]]:
    return [(it.by, it.number) for it in pipe.down.of(Done)]


async def do(pipe: Pipe, number: int) -> str:
    await pipe.send(Job(number))
    await pipe.down.until(lambda: number in [it.number for it in pipe.down.of(Done)])
    return next(it.by for it in pipe.down.of(Done) if it.number == number)


@pytest.fixture
def cast() -> Cast:
    return Cast(Seat.TTS)


async def test_only_the_first_members_service_is_made(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert await do(pipe, 1) == "a"
        assert (seat.provider, seat.key, seat.service) == ("a", "a", cast["a"])
        assert seat.circuit is not None
    assert list(cast.made) == ["a"]
    assert (cast["a"].cancelled, cast["a"].released) == (1, 1)


async def test_a_service_that_cannot_be_used_at_all(cast: Cast) -> None:
    cast.missing.add("a")
    with pytest.raises(InvalidField):
        MemberSeat(Seat.TTS, cast.plan("a"))


async def test_what_came_before_is_the_old_ones_and_what_comes_after_the_new_ones(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    changed: list[str] = []
    seat.on_changed = lambda: changed.append(seat.provider)
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        cast["a"].may_work.clear()
        await pipe.send(Job(1), Job(2), cast.marker("b"), Job(3), Job(4))
        await asyncio.sleep(1)
        assert done(pipe) == []
        cast["a"].may_work.set()
        await pipe.down.wait(Done, 4)
        assert done(pipe) == [("a", 1), ("a", 2), ("b", 3), ("b", 4)]
        kinds = [type(it) for it in pipe.down.frames if isinstance(it, (Done, MemberChangedFrame, STTMetadataFrame))]
        # Whoever listens behind is told of the new one before anything comes from it.
        assert kinds[1:] == [Done, Done, STTMetadataFrame, MemberChangedFrame, Done, Done]
        assert changed == ["b"]
    assert [(it.started, it.cancelled, it.released) for (it,) in cast.made.values()] == [(1, 1, 1)] * 2


async def test_two_seats_change_one_behind_the_other() -> None:
    llm, tts = Cast(Seat.LLM), Cast(Seat.TTS)
    first, second = MemberSeat(Seat.LLM, llm.plan("a")), MemberSeat(Seat.TTS, tts.plan("x"))
    async with piped(Pipeline([first, second])) as pipe:
        assert await first.prepare(llm.plan("b"))
        assert await second.prepare(tts.plan("y"))
        note = Done("note", 0)
        first.hand_over(note, MemberChangedFrame({Seat.LLM: "b", Seat.TTS: "y"}))
        await pipe.down.wait(MemberChangedFrame)
        assert (first.key, second.key) == ("b", "y")
        assert pipe.down.frames.index(note) < pipe.down.frames.index(pipe.down.of(MemberChangedFrame)[0])


async def test_there_and_back_and_on_without_a_pause(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        for name in "bc":
            assert await seat.prepare(cast.plan(name))
        frames: list[Frame] = [Job(1)]
        for number, name in enumerate("bacab", start=2):
            frames += [cast.marker(name), Job(number)]
        await pipe.send(*frames)
        await pipe.down.wait(Done, 6)
        assert done(pipe) == [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("a", 5), ("b", 6)]
    # Each was made once and kept.
    assert [len(it) for it in cast.made.values()] == [1, 1, 1]


async def test_members_with_the_same_service_share_it(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("a"))
        await pipe.send(Job(1), cast.marker("a"), Job(2))
        await pipe.down.wait(Done, 2)
        assert done(pipe) == [("a", 1), ("a", 2)]
        assert len(pipe.down.of(MemberChangedFrame)) == 1
        assert len(pipe.down.of(STTMetadataFrame)) == 1
    assert len(cast.made["a"]) == 1


async def test_an_interruption_drops_what_waits_and_not_the_change(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        cast["a"].may_work.clear()
        await pipe.send(Job(1), cast.marker("b"), Job(2))
        await asyncio.sleep(0.5)
        await pipe.send(InterruptionFrame())
        await pipe.down.wait(MemberChangedFrame)
        assert seat.key == "b"
        assert await do(pipe, 3) == "b"
        assert done(pipe) == [("b", 3)]


async def test_an_old_one_that_hangs_does_not_keep_the_seat(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        cast["a"].may_work.clear()
        await pipe.send(Job(1), cast.marker("b"), Job(2))
        await pipe.down.until(lambda: ("b", 2) in done(pipe), timeout_s=60)
        cast["a"].may_work.set()
        await asyncio.sleep(1)
        # What it still does is nobody's any more.
        assert done(pipe) == [("b", 2)]


async def test_a_stall_while_it_changes_is_the_old_ones(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert not await seat.stalled()
        assert await seat.prepare(cast.plan("b"))
        cast["a"].may_work.clear()
        await pipe.send(Job(1), cast.marker("b"))
        await asyncio.sleep(0.5)
        assert await seat.stalled()
        assert seat.key == "b"


async def test_an_old_one_that_fails_in_its_last_work_is_over(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        cast["a"].may_work.clear()
        await pipe.send(Job(1), cast.marker("b"), Job(2))
        await asyncio.sleep(0.5)
        await cast["a"].fail()
        await pipe.down.wait(Done)
        assert done(pipe) == [("b", 2)]
        assert pipe.up.of(ErrorFrame) == []


async def test_an_error_of_who_has_the_seat_is_the_seats(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        await cast["b"].fail()
        await cast["a"].fail(ErrorCategory.SERVER)
        (error,) = await pipe.up.wait(ErrorFrame)
        assert error.processor is seat
        assert error.category is ErrorCategory.SERVER
        assert seat.is_usable
        cast["a"].usable = False
        assert not seat.is_usable


@pytest.mark.parametrize("how", [{"refuses": True}, {"hangs": True}])
async def test_a_service_that_does_not_come_up_is_let_go(how: dict[str, bool]) -> None:
    cast = Cast(Seat.TTS, b=how)
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert not await seat.prepare(cast.plan("b"))
        assert cast["b"].released == 1
        assert await do(pipe, 1) == "a"
        # Another time it is tried anew.
        cast.how["b"] = {}
        assert await seat.prepare(cast.plan("b"))
    assert [it.released for it in cast.made["b"]] == [1, 1]


async def test_a_service_without_its_key_is_not_there(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    cast.missing.add("b")
    async with piped(seat) as pipe:
        assert not await seat.prepare(cast.plan("b"))
        assert await do(pipe, 1) == "a"


async def test_a_service_that_died_while_it_waited_is_made_again(cast: Cast) -> None:
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        cast["b"].usable = False
        assert await seat.prepare(cast.plan("b"))
        assert [it.released for it in cast.made["b"]] == [1, 0]
        await pipe.send(cast.marker("b"))
        assert await do(pipe, 1) == "b"


async def test_who_gives_up_waiting_does_not_stop_it(cast: Cast) -> None:
    cast.how["b"] = {"hangs": False}
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        waiting = asyncio.create_task(seat.prepare(cast.plan("b")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert await seat.prepare(cast.plan("b"))
        await pipe.send(cast.marker("b"))
        assert await do(pipe, 1) == "b"
    assert len(cast.made["b"]) == 1


async def test_the_end_comes_in_the_middle_of_everything() -> None:
    cast = Cast(Seat.TTS, c={"hangs": True})
    seat = MemberSeat(Seat.TTS, cast.plan("a"))
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        cast["a"].may_work.clear()
        await pipe.send(Job(1), cast.marker("b"), Job(2))
        waiting = asyncio.create_task(seat.prepare(cast.plan("c")))
        await asyncio.sleep(0.1)
    await asyncio.wait({waiting})
    assert [it.released for (it,) in cast.made.values()] == [1, 1, 1]
