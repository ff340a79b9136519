from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    Frame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection

from models.aicall import EndReason
from models.prompts import ANSWER_BROKE_OFF
from pipelines.failover.llm import LlmFailover
from pipelines.failover.reply_watch import HangupFrame
from tests.adapters.vendors import until
from tests.pipelines.puppets import Puppet, Puppets
from tests.standins.pipeline import Pipe, piped

QUESTION: list[Any] = [{"role": "user", "content": "When are you open?"}]


def asked(*, speculation: bool = False) -> LLMContextFrame:
    return LLMContextFrame(LLMContext(list(QUESTION)), speculation=speculation)


def texts(pipe: Pipe) -> str:
    return "".join(frame.text for frame in pipe.down.of(LLMTextFrame))


@asynccontextmanager
async def models() -> AsyncIterator[tuple[Pipe, Puppets]]:
    puppets = Puppets(lambda: Puppet((LLMContextFrame,)))
    async with piped(LlmFailover(puppets.candidates)) as pipe:
        yield pipe, puppets


async def test_a_model_that_said_nothing_is_followed_by_one_with_the_same_question() -> None:
    async with models() as (pipe, puppets):
        await pipe.send(question := asked())
        await puppets.first.until_got(LLMContextFrame)
        await puppets.first.say(LLMFullResponseStartFrame())
        await puppets.first.fail()
        second = await puppets.second()
        (again,) = await second.until_got(LLMContextFrame)
        assert again.context is question.context
        await second.say(LLMFullResponseStartFrame(), LLMTextFrame("At eight."), LLMFullResponseEndFrame())
        await pipe.down.wait(LLMFullResponseEndFrame)
        assert texts(pipe) == "At eight."
        assert len(pipe.down.of(LLMFullResponseStartFrame)) == 1


async def test_what_is_asked_after_a_tool_is_asked_again_too() -> None:
    async with models() as (pipe, puppets):
        # The answer to a tool's result is asked for from behind.
        question = asked()
        await pipe.down.push_frame(question, FrameDirection.UPSTREAM)
        await puppets.first.fail()
        second = await puppets.second()
        (again,) = await second.until_got(LLMContextFrame)
        assert again.context is question.context


async def test_an_answer_that_broke_off_is_gone_on_with_as_one_answer() -> None:
    async with models() as (pipe, puppets):
        await pipe.send(question := asked())
        await puppets.first.until_got(LLMContextFrame)
        await puppets.first.say(LLMFullResponseStartFrame(), LLMTextFrame("We open"), LLMTextFrame(" at"))
        await puppets.first.fail()
        # What the failed model still says is not heard.
        await puppets.first.say(LLMTextFrame(" never."), LLMFullResponseEndFrame())
        second = await puppets.second()
        (again,) = await second.until_got(LLMContextFrame)
        assert again.context.messages == [
            *QUESTION,
            {"role": "assistant", "content": "We open at"},
            {"role": "developer", "content": ANSWER_BROKE_OFF},
        ]
        assert question.context.messages == QUESTION
        await second.say(LLMFullResponseStartFrame(), LLMTextFrame("We open at eight."), LLMFullResponseEndFrame())
        await pipe.down.wait(LLMFullResponseEndFrame)
        assert texts(pipe) == "We open at eight."
        assert len(pipe.down.of(LLMFullResponseStartFrame)) == len(pipe.down.of(LLMFullResponseEndFrame)) == 1
        # The next answer is one of its own.
        await pipe.send(asked())
        await second.until_got(LLMContextFrame, 2)
        await second.say(LLMFullResponseStartFrame(), LLMTextFrame("We open."), LLMFullResponseEndFrame())
        await pipe.down.wait(LLMFullResponseEndFrame, 2)
        assert texts(pipe) == "We open at eight.We open."


async def test_what_waits_behind_the_answer_comes_behind_it() -> None:
    async with models() as (pipe, puppets):
        await pipe.send(asked(), HangupFrame(EndReason.STOP_SERVICE))
        await puppets.first.until_got(LLMContextFrame)
        await pipe.down.wait(HangupFrame)
        assert puppets.first.of(HangupFrame)


async def test_a_model_that_fails_between_two_answers_costs_nothing() -> None:
    async with models() as (pipe, puppets):
        await pipe.send(asked())
        await puppets.first.until_got(LLMContextFrame)
        await puppets.first.say(LLMFullResponseStartFrame(), LLMTextFrame("Yes."), LLMFullResponseEndFrame())
        await pipe.down.wait(LLMFullResponseEndFrame)
        await puppets.first.fail()
        assert len(puppets.made) == 1


async def test_an_answer_that_was_cut_off_is_not_asked_for_again() -> None:
    async with models() as (pipe, puppets):
        await pipe.send(asked())
        await puppets.first.until_got(LLMContextFrame)
        await puppets.first.say(LLMFullResponseStartFrame(), LLMTextFrame("We"))
        await pipe.send(InterruptionFrame())
        await puppets.first.until_got(InterruptionFrame)
        await puppets.first.fail()
        assert len(puppets.made) == 1
        await pipe.send(asked())
        await puppets.first.until_got(LLMContextFrame, 2)
        await puppets.first.fail()
        second = await puppets.second()
        (again,) = await second.until_got(LLMContextFrame)
        assert again.context.messages == QUESTION


@pytest.mark.parametrize(
    ("frames", "speculates"),
    [
        pytest.param([UserStartedSpeakingFrame()], True, id="the turn goes on"),
        pytest.param([UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()], False, id="the turn is over"),
    ],
)
async def test_an_early_answer_is_held_back_as_long_as_the_turn_lasts(frames: list[Frame], speculates: bool) -> None:
    async with models() as (pipe, puppets):
        await pipe.send(asked(speculation=True))
        await puppets.first.until_got(LLMContextFrame)
        await pipe.send(*frames)
        await puppets.first.until_got(type(frames[-1]))
        await puppets.first.fail()
        (again,) = await (await puppets.second()).until_got(LLMContextFrame)
        assert again.speculation is speculates


async def test_an_early_answer_that_was_withdrawn_is_not_asked_for_again() -> None:
    async with models() as (pipe, puppets):
        await pipe.send(asked(speculation=True))
        await puppets.first.until_got(LLMContextFrame)
        await pipe.send(EagerEndOfTurnCancelFrame())
        await puppets.first.until_got(EagerEndOfTurnCancelFrame)
        await puppets.first.fail()
        assert len(puppets.made) == 1


async def test_a_tool_that_a_failed_model_called_goes_on_to_its_end() -> None:
    async with models() as (pipe, puppets):
        first = puppets.first
        await pipe.send(asked())
        await first.until_got(LLMContextFrame)
        await first.say(
            LLMFullResponseStartFrame(), FunctionCallInProgressFrame("book", "id-1", {}), LLMFullResponseEndFrame()
        )
        await pipe.send(asked())
        await first.until_got(LLMContextFrame, 2)
        await first.fail()
        await (await puppets.second()).until_got(LLMContextFrame)
        await first.say(LLMTextFrame("Not heard."), FunctionCallResultFrame("book", "id-1", {}, {"ok": True}))
        await pipe.down.wait(FunctionCallResultFrame)
        assert not texts(pipe)
        await first.say(FunctionCallResultFrame("book", "id-2", {}, {"ok": True}))
        await until(lambda: len(pipe.down.of(FunctionCallResultFrame)) == 2)
