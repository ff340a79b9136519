"""Conversations in which the answer is late: what the caller hears meanwhile, and what the model knows of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pipelines.speech.phrase_recorder import SpareVoice
from pipelines.vad.inference import InferenceEngine
from tests.pipelines import calls
from tests.pipelines.calls import HOURS, RATE_HZ, Call, Host
from tests.pipelines.modelled import PATIENT, clients, openai, told
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import Reply

pytestmark = pytest.mark.virtual_time

GREETING = "Hello."
FILLERS = ["One moment, please.", "I am still working on it."]
ANSWER = "We open at eight."


@asynccontextmanager
async def waiting(
    inference: InferenceEngine, *replies: Reply | str, host: Host | None = None, **options: Any
) -> AsyncIterator[tuple[Call, OpenAIStandIn]]:
    """A call whose fillers are recorded."""
    async with OpenAIStandIn(reply=replies) as vendor, clients(PATIENT) as made:
        spare = SpareVoice("embedded", calls.Voice, RATE_HZ)
        services = calls.embedded(llm=openai(vendor, made), voice_identity="embedded", spare_voice=spare)
        options = {"greeting": GREETING, "filler": FILLERS, "apology": "", **options}
        async with calls.calling(services, inference=inference, host=host, options=options) as call:
            await call.bot_lines(1)
            yield call, vendor


def silences_s(call: Call, since_s: float, until_s: float) -> list[float]:
    """How long the caller hears nothing, stretch by stretch."""
    found, played_s = [], since_s
    for start_s, pcm in call.phone.heard:
        if start_s >= since_s:
            if start_s > played_s + 0.02:
                found.append(min(start_s, until_s) - played_s)
            played_s = max(played_s, start_s) + len(pcm) / 2 / RATE_HZ
    return found


async def test_a_late_answer_follows_a_filler_of_which_the_model_knows_nothing(inference: InferenceEngine) -> None:
    late = Reply(ANSWER, first_token_s=2.2)
    async with waiting(inference, late, "Gladly.") as (call, vendor):
        asked_s = await call.caller.say(HOURS)
        assert (await call.bot_lines(2))[1] == ANSWER
        # The answer came while the filler was said.
        assert len(silences_s(call, asked_s, calls.now())) == 1
        assert silences_s(call, asked_s, calls.now())[0] < 2.0
        await call.caller.say(HOURS)
        await call.bot_lines(3)
        assert told(vendor)[-3:] == [("user", HOURS), ("assistant", ANSWER), ("user", HOURS)]
    assert call.witness.fillers == [(FILLERS[0], "llm")]


async def test_a_slow_tool_is_waited_for_aloud(inference: InferenceEngine) -> None:
    class Slow(Host):
        async def set_variables(self, variables: Any) -> None:
            await asyncio.sleep(5)
            await super().set_variables(variables)

    look = Reply(tool_calls=[("set_variables", {"variables": {"a": "b"}})])
    async with waiting(inference, look, ANSWER, host=Slow()) as (call, _):
        asked_s = await call.caller.say(HOURS)
        assert (await call.bot_lines(2))[1] == ANSWER
        first_s, *others_s = silences_s(call, asked_s, calls.now())
        assert first_s < 2.0
        assert all(other_s < 4.5 for other_s in others_s)
    assert call.witness.fillers[0] == (FILLERS[0], "tool")


async def test_no_filler_is_said_when_none_is_wanted(inference: InferenceEngine) -> None:
    async with waiting(inference, Reply(ANSWER, first_token_s=5.0), filler="") as (call, _):
        await call.caller.say(HOURS)
        await call.bot_lines(2)
    assert not call.witness.fillers


async def test_a_caller_who_speaks_over_a_filler_is_heard(inference: InferenceEngine) -> None:
    late = Reply("Never said.", first_token_s=50.0)
    async with waiting(inference, late, ANSWER, filler=["Please wait, " * 12]) as (call, vendor):
        await call.caller.say(HOURS)
        await call.witness.count("filler_said")
        await call.caller.say(HOURS)
        assert (await call.bot_lines(2))[1] == ANSWER
        assert call.phone.cleared
        assert told(vendor)[0] == ("assistant", GREETING)
        assert [role for role, _ in told(vendor)[1:]] in (["user"], ["user", "user"])


@pytest.mark.parametrize(
    ("first_token_s", "token_interval_s"),
    [(0.0, 0.0), (0.9, 0.9), (1.3, 0.1), (1.6, 1.2), (2.4, 0.3), (3.1, 2.0), (5.8, 0.05)],
)
async def test_no_silence_of_more_than_two_seconds_goes_unexplained(
    inference: InferenceEngine, first_token_s: float, token_interval_s: float
) -> None:
    reply = Reply(ANSWER, first_token_s=first_token_s, token_interval_s=token_interval_s)
    async with waiting(inference, reply) as (call, _):
        asked_s = await call.caller.say(HOURS)
        assert (await call.bot_lines(2))[1] == ANSWER
        first_s, *others_s = silences_s(call, asked_s, calls.now())
        assert first_s <= 2.0
        for other_s, limit_s in zip(others_s, [4.5, 8.5], strict=False):
            assert other_s <= limit_s
        assert bool(call.witness.fillers) == (len(others_s) > 0 or first_s > 1.7)
