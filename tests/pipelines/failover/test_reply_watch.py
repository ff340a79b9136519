import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    CancelFrame,
    Frame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from models.aicall import EndReason
from models.turn import TurnRecord, TurnTrigger
from pipelines.failover.failures import Seat
from pipelines.failover.reply_watch import HangupFrame, HeardFrame, ReplyWatch
from pipelines.failover.stall_watch import StallLimits, StallWatch
from pipelines.turns.ledger import TurnLedger
from tests.pipelines.calls import now
from tests.standins.pipeline import Pipe, piped
from tests.support.virtual_time import VirtualClockLoop

pytestmark = pytest.mark.virtual_time

LIMIT_S = 5.0


class Watched:
    """A `ReplyWatch` in a pipeline, and what it told whom."""

    def __init__(self) -> None:
        self.records: list[TurnRecord] = []
        self.stalls: list[tuple[float, Seat]] = []
        self.ledger = TurnLedger(now, self.records.append)
        self.watchdog = StallWatch(
            StallLimits(LIMIT_S, LIMIT_S, LIMIT_S), lambda seat: self.stalls.append((now(), seat))
        )
        self.watch = ReplyWatch(self.ledger, self.watchdog)
        self.pipe: Pipe

    async def send(self, *frames: Frame) -> None:
        """Send frames and let them come through."""
        await self.pipe.send(*frames)
        await settled()

    def passed(self) -> list[str]:
        names = {
            LLMFullResponseStartFrame: "start",
            LLMTextFrame: "text",
            LLMFullResponseEndFrame: "end",
            HangupFrame: "hangup",
            HeardFrame: "heard",
            InterruptionFrame: "interruption",
        }
        return [names[type(frame)] for frame in self.pipe.down.frames if type(frame) in names]


async def settled() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


@asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    it = Watched()
    async with piped(it.watch, 8_000) as it.pipe:
        it.ledger.media_started()
        it.ledger.begin(TurnTrigger.SPEECH)
        yield it
        it.watchdog.stop()


def hangup() -> HangupFrame:
    return HangupFrame(EndReason.STOP_SERVICE)


async def test_the_answers_times_are_noted() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame())
        await asyncio.sleep(0.3)
        await it.send(LLMTextFrame("Good "))
        await asyncio.sleep(0.2)
        await it.send(LLMTextFrame("morning."))
        await asyncio.sleep(0.1)
        await it.send(LLMFullResponseEndFrame())
        it.ledger.close()
    assert (it.records[0].llm_first_token_ms, it.records[0].llm_end_ms) == (300, 600)
    assert it.passed() == ["start", "text", "text", "end"]


async def test_a_model_that_says_nothing_is_noticed() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame())
        await asyncio.sleep(LIMIT_S + 1)
    assert it.stalls == [(LIMIT_S, Seat.LLM)]


async def test_every_token_is_a_sign_of_life() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame())
        for _ in range(5):
            await asyncio.sleep(LIMIT_S - 1)
            await it.send(LLMTextFrame("word "))
        assert not it.stalls
        await asyncio.sleep(LIMIT_S + 1)
    assert it.stalls == [(5 * (LIMIT_S - 1) + LIMIT_S, Seat.LLM)]


async def test_behind_the_answer_the_voice_is_waited_for() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame(), LLMTextFrame("word"), LLMFullResponseEndFrame())
        assert it.watchdog.waits_for is Seat.TTS


async def test_behind_an_answer_without_words_nobody_is_waited_for() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame(), LLMFullResponseEndFrame())
        await asyncio.sleep(100)
    assert not it.stalls


async def test_after_an_interruption_nobody_is_waited_for() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame(), LLMTextFrame("word"))
        await it.send(InterruptionFrame())
        await asyncio.sleep(100)
    assert not it.stalls


async def test_the_end_of_the_call_stays_behind_the_answer_that_asked_for_it() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame(), LLMTextFrame("Good"), hangup())
        assert it.passed() == ["start", "text"]
        await it.send(LLMTextFrame("bye."), LLMFullResponseEndFrame())
    assert it.passed() == ["start", "text", "text", "end", "hangup"]
    assert it.pipe.down.of(HangupFrame)[0].reason is EndReason.STOP_SERVICE


async def test_between_two_answers_the_end_of_the_call_does_not_wait() -> None:
    async with watched() as it:
        await it.send(hangup())
        assert it.passed() == ["hangup"]


async def test_an_interruption_does_not_undo_the_end_of_the_call() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame(), LLMTextFrame("Good"), hangup())
        await it.send(InterruptionFrame())
        assert it.passed() == ["start", "text", "interruption", "hangup"]
        # Once, and not again with the next answer.
        await it.send(LLMFullResponseStartFrame(), LLMFullResponseEndFrame())
    assert it.passed().count("hangup") == 1


async def test_an_interruption_does_not_catch_the_end_of_the_call_on_its_way() -> None:
    async with watched() as it:
        await it.pipe.send(LLMTextFrame("dropped"), hangup())
        await it.watch.queue_frame(LLMTextFrame("dropped"))
        await it.watch.queue_frame(hangup())
        await it.watch.queue_frame(InterruptionFrame())
        await settled()
    assert it.passed().count("hangup") == 2


async def test_when_the_call_has_ended_it_does_not_end_again() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame(), hangup())
        await it.send(CancelFrame())
        await settled()
        assert "hangup" not in it.passed()


async def test_everything_else_passes_through() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame(), TTSSpeakFrame("Please hold."))
        assert [frame.text for frame in it.pipe.down.of(TTSSpeakFrame)] == ["Please hold."]


KINDS = {
    "start": LLMFullResponseStartFrame,
    "text": lambda: LLMTextFrame("word"),
    "end": LLMFullResponseEndFrame,
    "hangup": hangup,
    "interruption": InterruptionFrame,
}


@settings(max_examples=50)
@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=15))
def test_the_end_of_the_call_never_overtakes_and_is_never_lost(steps: list[str]) -> None:
    async def scenario() -> None:
        async with watched() as it:
            for step in steps:
                await it.send(KINDS[step]())
            await it.send(LLMFullResponseEndFrame())
            replying = False
            for name in it.passed():
                assert not (name == "hangup" and replying)
                replying = name == "start" or (replying and name not in ("end", "interruption"))
            # Two that were asked for during one answer are one.
            assert ("hangup" in it.passed()) == ("hangup" in steps)
            others = [step for step in [*steps, "end"] if step != "hangup"]
            assert [name for name in it.passed() if name != "hangup"] == others

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(scenario())


async def test_a_question_that_is_dropped_costs_nobody_behind_anything() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame())
        await it.send(it.watch.interruption())
        assert it.passed() == ["start", "end"]
        # The model is asked again, and is still waited for.
        assert it.watchdog.waits_for is Seat.LLM
        await it.send(InterruptionFrame())
        assert it.passed() == ["start", "end", "interruption"]


async def test_an_answer_that_has_begun_is_dropped_everywhere() -> None:
    async with watched() as it:
        await it.send(LLMFullResponseStartFrame(), LLMTextFrame("word"))
        await it.send(it.watch.interruption())
        assert it.passed() == ["start", "text", "interruption"]


@pytest.mark.parametrize("run_llm", [True, False, None])
async def test_tools_are_told_of(run_llm: bool | None) -> None:
    async with watched() as it:
        call = FunctionCallFromLLM(function_name="look", tool_call_id="1", arguments={}, context=LLMContext())
        await it.send(LLMFullResponseStartFrame(), FunctionCallsStartedFrame([call]), LLMFullResponseEndFrame())
        assert it.watchdog.tools == 1
        assert it.watchdog.due_since_s is not None
        properties = None if run_llm is None else FunctionCallResultProperties(run_llm=run_llm)
        await it.send(FunctionCallResultFrame("look", "1", {}, "there", properties=properties))
        assert it.watchdog.tools == 0
        assert (it.watchdog.due_since_s is None) == (run_llm is False)


async def test_whoever_waits_for_the_answer_to_be_heard_stays_behind_it_and_loses_no_hangup() -> None:
    async with watched() as it:
        heard = HeardFrame(asyncio.Event())
        await it.send(LLMFullResponseStartFrame(), LLMTextFrame("Good"), heard, hangup())
        assert it.passed() == ["start", "text"]
        await it.send(LLMFullResponseEndFrame())
    assert it.passed() == ["start", "text", "end", "heard", "hangup"]
