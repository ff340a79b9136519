"""Fillers on virtual time, with a mouth that says when it was asked to say what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.failover.stall_watch import StallLimits, StallWatch
from pipelines.speech.filler import Filler
from tests.support.virtual_time import VirtualClockLoop

pytestmark = pytest.mark.virtual_time

AFTER_S = 1.5
LENGTH_S = 1.0


def now() -> float:
    return asyncio.get_running_loop().time()


class Call:
    """A call as far as its fillers are concerned."""

    def __init__(self, *texts: str) -> None:
        self.began_s = now()
        self.said: list[tuple[float, str]] = []
        self.told: list[str] = []
        self.quiet_s = 0.0
        self.recorded = True
        self.speaking = False
        self.watch = StallWatch(StallLimits(100, 100, 100), lambda seat: None, self._due)
        self.filler = Filler(
            texts or ("one", "two"),
            AFTER_S,
            watch=self.watch,
            mouth=self,
            caller_speaks=lambda: self.speaking,
            on_said=self.told.append,
        )

    def _due(self) -> None:
        self.filler.due()

    def quiet_since_s(self) -> float:
        return self.quiet_s

    def say(self, text: str) -> bool:
        if self.recorded:
            self.said.append((round(now() - self.began_s, 3), text))
            self.quiet_s = now() + LENGTH_S
        return self.recorded

    def end(self) -> list[tuple[float, str]]:
        self.watch.finish()
        self.filler.stop()
        assert self.told == [text for _, text in self.said]
        return self.said


async def test_nothing_is_said_while_nothing_is_due() -> None:
    call = Call()
    await asyncio.sleep(100)
    assert call.end() == []


async def test_the_first_comes_soon_and_the_others_later() -> None:
    call = Call()
    call.watch.asked()
    await asyncio.sleep(30)
    assert call.end() == [(1.5, "one"), (6.5, "two"), (15.5, "one"), (24.5, "two")]


async def test_the_same_is_never_said_twice_in_a_row() -> None:
    call = Call("only")
    call.watch.asked()
    await asyncio.sleep(100)
    assert call.end() == [(1.5, "only")]


async def test_the_next_wait_goes_on_with_the_next_text() -> None:
    call = Call()
    for _ in range(3):
        call.watch.asked()
        await asyncio.sleep(2)
        call.watch.audio()
        await asyncio.sleep(8)
    assert call.end() == [(1.5, "one"), (11.5, "two"), (21.5, "one")]


async def test_an_answer_in_time_needs_none() -> None:
    call = Call()
    call.watch.asked()
    await asyncio.sleep(1.4)
    call.watch.audio()
    await asyncio.sleep(100)
    assert call.end() == []


async def test_what_the_bot_still_says_is_waited_for() -> None:
    call = Call()
    call.quiet_s = now() + 5
    call.watch.asked()
    await asyncio.sleep(7)
    assert call.end() == [(6.5, "one")]


async def test_the_caller_is_not_talked_over() -> None:
    call = Call()
    call.speaking = True
    call.watch.asked()
    await asyncio.sleep(5)
    call.speaking = False
    await asyncio.sleep(0.2)
    assert [text for _, text in call.end()] == ["one"]


async def test_a_text_that_is_not_recorded_is_said_as_soon_as_it_is() -> None:
    call = Call()
    call.recorded = False
    call.watch.asked()
    await asyncio.sleep(3)
    call.recorded = True
    await asyncio.sleep(0.2)
    ((at_s, text),) = call.end()
    assert (3.0 <= at_s <= 3.1, text) == (True, "one")


async def test_a_new_wait_does_not_inherit_the_pause_of_the_last() -> None:
    call = Call()
    call.watch.asked()
    await asyncio.sleep(3)
    call.watch.turn_started()
    call.watch.asked()
    await asyncio.sleep(2)
    assert call.end() == [(1.5, "one"), (4.5, "two")]


async def test_without_texts_and_after_the_end_nothing_is_said() -> None:
    call = Call()
    call.filler.stop()
    call.watch.asked()
    await asyncio.sleep(100)
    assert call.end() == []


STEPS = {
    "asked": lambda call: call.watch.asked(),
    "token": lambda call: call.watch.token(),
    "tools": lambda call: call.watch.tools_started(1),
    "told": lambda call: call.watch.tool_ended(asks_again=True),
    "replied": lambda call: call.watch.replied(),
    "audio": lambda call: call.watch.audio(),
    "interrupted": lambda call: call.watch.stop(),
    "turn": lambda call: call.watch.turn_started(),
}


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.floats(0, 6)), max_size=15))
def test_no_silence_of_two_seconds_without_a_filler_while_an_answer_is_due(steps: Sequence[tuple[str, float]]) -> None:
    async def scenario() -> None:
        call = Call()
        for name, then_s in [*steps, ("asked", 5.0)]:
            STEPS[name](call)
            until_s = now() + then_s
            due_s = call.watch.due_since_s
            while now() < until_s:
                await asyncio.sleep(min(0.05, until_s - now()))
                if due_s is not None:
                    spoken = [at_s + call.began_s + LENGTH_S for at_s, _ in call.said]
                    quiet_since_s = max([due_s, *(s for s in spoken if s < call.quiet_s)], default=due_s)
                    explained = any(s >= due_s for s in spoken)
                    assert explained or now() - quiet_since_s <= 2.0
        said = [text for _, text in call.end()]
        assert all(one != other for one, other in pairwise(said))

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(scenario())


async def test_other_texts_after_another_wait() -> None:
    call = Call("one", "two")
    call.filler.change(["three"], 0.5)
    call.watch.asked()
    await asyncio.sleep(1.0)
    assert call.end() == [(0.5, "three")]
    # What has stopped stays so.
    call.filler.stop()
    call.filler.change(["four"], 0.5)
    call.filler.due()
    await asyncio.sleep(5)
    assert [text for _, text in call.said] == ["three"]
