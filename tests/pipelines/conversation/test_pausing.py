"""Calls on hold, on virtual time."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.frames.frames import Frame, LLMContextFrame, TextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection

from models.aicall import EndReason
from models.prompts import ANSWER_BROKE_OFF
from pipelines.conversation.pausing import AnswerGate
from pipelines.vad.inference import InferenceEngine
from tests.pipelines import calls
from tests.pipelines.calls import APPOINTMENT, GREETING, HOURS, now
from tests.pipelines.modelled import modelled, told

pytestmark = pytest.mark.virtual_time

LONG = "We are open on Monday, on Tuesday and on Thursday from eight in the morning until six in the evening."


async def test_the_bot_falls_silent_at_once_and_later_goes_on_where_it_was(inference: InferenceEngine) -> None:
    async with modelled(inference, LONG, "as I said, until six.", options={"greeting": GREETING}) as (call, vendor):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        sent = len(call.phone.sent)
        await call.phone.until(lambda: len(call.phone.sent) > sent + 75)
        asked = len(vendor.requests_to("chat"))
        paused_s = now()
        await call.conversation.pause()
        await call.phone.until(lambda: bool(call.phone.cleared))
        assert call.phone.cleared[-1] - paused_s < calls.FRAME_MS / 1000
        sent = len(call.phone.sent)
        # Much longer than a silent caller is left in peace, or a silent vendor.
        await asyncio.sleep(60)
        assert len(call.phone.sent) == sent
        assert len(vendor.requests_to("chat")) == asked
        assert call.witness.bot_lines()[-1] in LONG
        await call.conversation.resume()
        lines = await call.bot_lines(3)
        assert lines[-1] == "as I said, until six."
        assert ANSWER_BROKE_OFF in str(vendor.requests_to("chat")[-1].body["messages"])
        assert told(vendor)[:2] == [("assistant", GREETING), ("user", HOURS)]


async def test_nobody_is_listened_to_on_hold(inference: InferenceEngine) -> None:
    async with modelled(inference, "Sure.", options={"greeting": GREETING}) as (call, vendor):
        await call.bot_lines(1)
        await call.conversation.pause()
        await call.caller.say(HOURS)
        await call.caller.dial("12#")
        await asyncio.sleep(20)
        assert not vendor.requests_to("chat")
        await call.conversation.resume()
        await call.caller.say(APPOINTMENT)
        await call.bot_lines(2)
        assert told(vendor) == [("assistant", GREETING), ("user", APPOINTMENT)]


async def test_after_a_hold_a_silent_caller_is_asked_again_and_the_call_ends(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await call.bot_lines(1)
        await call.conversation.pause()
        await call.conversation.pause()
        await asyncio.sleep(100)
        assert call.witness.bot_lines() == [GREETING]
        await call.conversation.resume()
        await call.conversation.resume()
        await call.witness.until(lambda: call.witness.reasons == [EndReason.IDLE], timeout_s=300)


@pytest.mark.parametrize(
    ("shut", "speculation", "passes", "owes"),
    [
        (False, False, True, False),
        (False, True, True, False),
        (True, False, False, True),
        (True, True, False, False),
    ],
)
async def test_a_shut_gate_keeps_questions_and_nothing_else(
    shut: bool, speculation: bool, passes: bool, owes: bool
) -> None:
    owed: list[bool] = []
    passed: list[Frame] = []

    class Gate(AnswerGate):
        async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
            passed.append(frame)

    gate = Gate(lambda: shut, lambda: owed.append(True))
    question, text = LLMContextFrame(LLMContext(), speculation=speculation), TextFrame("x")
    for direction in FrameDirection:
        for frame in (question, text):
            await gate.process_frame(frame, direction)
    assert passed == ([question, text] * 2 if passes else [text] * 2)
    assert owed == ([True] * 2 if owes else [])
