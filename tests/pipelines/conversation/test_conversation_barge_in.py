"""What interrupts the bot in a whole conversation, and what does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pipelines.turns.barge_in import Action, Cause, Decision
from pipelines.vad.inference import InferenceEngine
from tests.pipelines import calls, sounds
from tests.pipelines.calls import APPOINTMENT, GREETING, HOURS, THE_HOURS, THE_NUMBER, Call
from tests.pipelines.modelled import clients, openai, told, transcribed
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.openai import OpenAIStandIn

pytestmark = pytest.mark.virtual_time

SOUND = sounds.speech(calls.RATE_HZ, "yes")


@asynccontextmanager
async def a_long_answer(inference: InferenceEngine, *transcripts: str) -> AsyncIterator[tuple[Call, OpenAIStandIn]]:
    """A call whose caller has asked for the opening hours and hears them; what they say next is given."""
    async with (
        DeepgramStandIn(transcripts=["When?", *transcripts]) as recogniser,
        OpenAIStandIn(reply=(THE_HOURS, "Gladly.")) as model,
        clients() as made,
        transcribed(inference, recogniser, llm=openai(model, made)) as call,
    ):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("user_said")
        await asyncio.sleep(2)
        yield call, model


async def test_a_backchannel_is_waited_for(inference: InferenceEngine) -> None:
    async with a_long_answer(inference, "Mm-hm.", "And on Friday?") as (call, model):
        await call.caller.play(SOUND.tobytes())
        await call.bot_lines(2)
        assert len(call.phone.cleared) == 1
        await asyncio.sleep(1)
        await call.caller.say(HOURS)
        await call.bot_lines(3)
        assert told(model) == [
            ("assistant", GREETING),
            ("user", "When?"),
            ("assistant", THE_HOURS),
            ("user", "And on Friday?"),
        ]
    assert [line.text for line in call.witness.lines if line.who == "user"] == ["When?", "And on Friday?"]
    assert not any(line.interrupted for line in call.witness.lines)
    assert [it for it in call.witness.decisions if it.action is not Action.START] == [
        Decision(Action.HOLD, Cause.VOICE),
        Decision(Action.RESUME, Cause.BACKCHANNEL),
    ]
    hours, friday = call.witness.turns[1:3]
    assert not hours.interrupted
    assert hours.clear_ms is None
    assert hours.bot_text == THE_HOURS
    # The backchannel is no part of the turn that follows it.
    assert friday.user_text == "And on Friday?"
    assert friday.speech_start_ms is not None
    assert hours.bot_stop_ms is not None
    assert friday.speech_start_ms > hours.bot_stop_ms


async def test_a_word_is_not(inference: InferenceEngine) -> None:
    async with a_long_answer(inference, "And on Friday?") as (call, model):
        began_s = calls.now()
        await call.caller.play(SOUND.tobytes())
        await call.bot_lines(3)
        cut = call.witness.lines[2]
        assert cut.interrupted
        assert told(model)[2:] == [("assistant", cut.text), ("user", "And on Friday?")]
        assert len(call.phone.cleared) == 1
        assert call.phone.cleared[0] - began_s <= 0.4
    record = call.witness.turns[1]
    assert record.interrupted
    assert record.clear_ms is not None
    assert call.phone.cleared == [pytest.approx(record.clear_ms / 1000, abs=0.05)]


async def test_a_door_that_slams_is_not_an_interruption(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("user_said")
        await asyncio.sleep(2)
        await call.caller.play(SOUND.tobytes()[: calls.RATE_HZ])
        lines = await call.bot_lines(2)
        assert len(call.phone.cleared) == 1
        assert lines[1] == THE_HOURS
        await call.caller.say(APPOINTMENT)
        assert (await call.bot_lines(3))[2] == THE_NUMBER
    assert not any(line.interrupted for line in call.witness.lines)
