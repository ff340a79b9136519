"""Answers begun before the end of the caller's turn, in whole conversations with Deepgram's and OpenAI's stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.stt.build import build_stt
from models.aicall import EndReason
from models.providers import SttType
from pipelines.failover.failures import Seat
from pipelines.turns.early_answer import EarlyCounts
from pipelines.vad.inference import InferenceEngine
from tests.adapters.vendors import KEY
from tests.pipelines import calls, sounds
from tests.pipelines.calls import Call, Said
from tests.pipelines.modelled import APOLOGY, ONCE, clients, openai, told
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import Reply

pytestmark = pytest.mark.virtual_time

HELLO = "Hello."
SPEECH = sounds.speech(calls.RATE_HZ, "When are you open").tobytes()
"""Without a pause in it."""


class Talk:
    """A conversation and its vendors."""

    def __init__(self, call: Call, llm: OpenAIStandIn, stt: DeepgramStandIn) -> None:
        self.call, self.llm, self.stt = call, llm, stt

    @property
    def counts(self) -> EarlyCounts:
        return self.call.conversation.early_answers

    async def say(self, pcm: bytes | None = None) -> float:
        """Say something; returns the moment of the last sound."""
        return await self.call.caller.play(SPEECH if pcm is None else pcm)

    async def answer_after(self, said_s: float) -> float:
        """How long after a moment the next answer begins, seconds."""
        await self.call.phone.until(lambda: self.call.phone.sent[-1][0] > said_s)
        return next(sent_s for sent_s, _ in self.call.phone.sent if sent_s > said_s) - said_s


@asynccontextmanager
async def talking(
    inference: InferenceEngine, *replies: Reply | str, words: list[str], early: bool = True, **how: Any
) -> AsyncIterator[Talk]:
    async with (
        OpenAIStandIn(reply=[HELLO, *replies]) as llm,
        DeepgramStandIn(transcripts=words, endpointing_s=None) as stt,
        clients(ONCE) as made,
    ):
        recogniser = build_stt(
            SttType.DEEPGRAM,
            key=KEY,
            language="en-US",
            sample_rate_hz=calls.RATE_HZ,
            stop_secs=0.2,
            resources=made,
            environ={"AICALL_BASE_URL_DEEPGRAM": stt.base_url},
        )
        services = calls.embedded(stt=recogniser, llm=openai(llm, made))
        async with calls.calling(services, inference=inference, answers_early=early, **how) as call:
            assert await call.bot_lines(1) == [HELLO]
            yield Talk(call, llm, stt)


async def test_a_slow_model_begins_in_the_pause(inference: InferenceEngine) -> None:
    """The model's time runs while the silence is still being confirmed."""
    waits_s = {}
    for early in (False, True):
        slow = Reply("We are open.", first_token_s=0.3)
        async with talking(inference, slow, words=["when are you open"], early=early) as talk:
            waits_s[early] = await talk.answer_after(await talk.say())
            assert await talk.call.bot_lines(2) == [HELLO, "We are open."]
            assert told(talk.llm)[-1] == ("user", "when are you open")
            assert len(talk.llm.requests_to("chat")) == 2
            assert talk.counts == (EarlyCounts(begun=1, kept=1) if early else EarlyCounts())
        assert talk.call.witness.lines[1:] == [Said("user", "when are you open"), Said("bot", "We are open.")]
    # Three of the six windows of 32 ms.
    assert waits_s[False] - waits_s[True] == pytest.approx(0.096, abs=0.03)


async def test_a_caller_who_goes_on_is_answered_once_and_in_full(inference: InferenceEngine) -> None:
    async with talking(inference, "One.", "Both.", words=["when are you open", "on Mondays"]) as talk:
        # With the tails of the voice and of the model long enough for the pause, and not for the end.
        gap = sounds.silence(calls.RATE_HZ, 0.16).tobytes()
        await talk.say(SPEECH + gap + SPEECH)
        await talk.call.witness.count("bot_said", 2)
        assert talk.counts.begun == 2
        assert (talk.counts.kept, talk.counts.discarded) == (1, 1)
        assert told(talk.llm)[-1] == ("user", "when are you open on Mondays")
    assert talk.call.witness.lines[1:] == [Said("user", "when are you open on Mondays"), Said("bot", "Both.")]


async def test_a_tool_is_not_run_before_the_turn_is_over(inference: InferenceEngine) -> None:
    replies = [Reply(tool_calls=[("get_aicall_messages", {})])] * 2 + [Reply("There you are.")]
    async with talking(inference, *replies, words=["what do you know"]) as talk:
        await talk.say()
        assert (await talk.call.bot_lines(2))[1] == "There you are."
        # The first, asked ahead, was thrown away; the second ran.
        assert talk.counts == EarlyCounts(begun=1, discarded=1)
        assert len(talk.llm.requests_to("chat")) == 1 + 3
    assert talk.call.witness.lines[1:] == [Said("user", "what do you know"), Said("bot", "There you are.")]


async def test_a_model_that_fails_ahead_of_the_end_is_asked_again_with_the_callers_words(
    inference: InferenceEngine,
) -> None:
    async with talking(inference, "We are open.", words=["when are you open"]) as talk:
        talk.llm.faults = Faults(status=500)
        await talk.say()
        await talk.call.witness.count("provider_failed")
        talk.llm.faults = Faults()
        assert (await talk.call.bot_lines(2))[1] == "We are open."
        assert told(talk.llm)[-1] == ("user", "when are you open")
        assert talk.counts == EarlyCounts(begun=1, discarded=1)
    assert talk.call.witness.failures == [(Seat.LLM, "server", False)]
    assert talk.call.witness.lines[1:] == [Said("user", "when are you open"), Said("bot", "We are open.")]


async def test_a_model_that_fails_for_good_ends_the_call(inference: InferenceEngine) -> None:
    async with talking(inference, words=["when are you open"], options={"apology": APOLOGY}) as talk:
        talk.llm.faults = Faults(status=500)
        await talk.say()
        await talk.call.witness.count("finished")
    assert talk.call.witness.reasons == [EndReason.PROVIDER_ERROR]
    assert talk.call.witness.bot_lines() == [HELLO, APOLOGY]
    # Ahead of the end, at the end, and once more.
    assert [fatal for _, _, fatal in talk.call.witness.failures] == [False, False, True]


async def test_the_end_of_the_call_while_an_answer_is_held_back_leaves_nothing_behind(
    inference: InferenceEngine,
) -> None:
    """The leak checks see to it."""
    slow = Reply("Never heard.", first_token_s=60)
    async with talking(inference, slow, words=["when are you open"]) as talk:
        await talk.say()
        while not talk.counts.begun:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert talk.call.witness.bot_lines() == [HELLO]
