from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.utils.text.base_text_aggregator import TextType

from models.aicall import EndReason
from pipelines.failover.reply_watch import HangupFrame
from pipelines.failover.tts import TtsFailover, VoiceChangedFrame
from tests.pipelines.puppets import Puppet, Puppets
from tests.standins.pipeline import Pipe, piped

RATE_HZ = 16_000
ONE, TWO = "We are open on Monday. ", "On Friday we are closed."


@asynccontextmanager
async def voices() -> AsyncIterator[tuple[Pipe, Puppets]]:
    # A voice lets what comes behind a text wait until it was spoken; here a test says when.
    puppets = Puppets(lambda: Puppet((LLMTextFrame, TTSSpeakFrame, LLMFullResponseEndFrame, HangupFrame)))
    async with piped(TtsFailover(puppets.candidates)) as pipe:
        yield pipe, puppets


def audio(ms: float) -> TTSAudioRawFrame:
    return TTSAudioRawFrame(bytes(round(ms * RATE_HZ / 1000) * 2), RATE_HZ, 1)


def announced(text: str) -> AggregatedTextFrame:
    frame = AggregatedTextFrame(text, TextType.SENTENCE)
    frame.will_be_spoken = True
    return frame


def spoken(text: str, pts: int | None = None) -> TTSTextFrame:
    frame = TTSTextFrame(text, text_type=TextType.WORD if pts else TextType.SENTENCE)
    frame.pts = pts
    return frame


def started(context: str = "c") -> TTSStartedFrame:
    return TTSStartedFrame(context_id=context)


def given(puppet: Puppet) -> str:
    """What a voice was given to speak."""
    return "".join(frame.text for frame in puppet.got if isinstance(frame, LLMTextFrame | TTSSpeakFrame))


async def heard(pipe: Pipe, count: int = 1) -> str:
    """The words behind the voices."""
    await pipe.down.wait(TTSTextFrame, count)
    return " ".join(frame.text for frame in pipe.down.of(TTSTextFrame))


async def answer(pipe: Pipe, puppets: Puppets, *texts: str, ends: bool = False) -> None:
    end: list[Frame] = [LLMFullResponseEndFrame()] if ends else []
    await pipe.send(LLMFullResponseStartFrame(), *[LLMTextFrame(text) for text in texts], *end)
    await puppets.first.until_got(LLMTextFrame, len(texts))


async def test_a_sentence_that_was_spoken_is_not_spoken_again() -> None:
    async with voices() as (pipe, puppets):
        await answer(pipe, puppets, ONE, TWO)
        await puppets.first.say(announced(ONE), started(), audio(1500), spoken(ONE))
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(LLMTextFrame)
        assert given(second) == TWO
        assert await heard(pipe) == ONE
        # The first voice's speech has its end, and the new one is in the midst of the same answer.
        (stopped,) = await pipe.down.wait(TTSStoppedFrame)
        assert stopped.context_id == "c"
        assert second.of(LLMFullResponseStartFrame)
        await pipe.down.wait(VoiceChangedFrame)
        assert len(pipe.down.of(LLMFullResponseStartFrame)) == 1
        # What the model still says goes to the new one.
        await pipe.send(LLMTextFrame(" Goodbye."), LLMFullResponseEndFrame())
        (end,) = await second.until_got(LLMFullResponseEndFrame)
        await second.say(end)
        await pipe.down.wait(LLMFullResponseEndFrame)
        # All of it is done: nobody waits for anything.
        await second.fail()
        assert given(second) == f"{TWO} Goodbye."


async def test_a_voice_that_times_its_words() -> None:
    async with voices() as (pipe, puppets):
        await answer(pipe, puppets, ONE)
        words = [spoken(word, pts) for pts, word in enumerate(("We", "are", "open"), start=1)]
        await puppets.first.say(announced(ONE), started(), audio(5000), *words, audio(5000))
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(LLMTextFrame)
        assert given(second) == "on Monday. "
        assert await heard(pipe, 3) == "We are open"


async def test_within_a_sentence_the_audio_tells_how_far_it_came() -> None:
    async with voices() as (pipe, puppets):
        await answer(pipe, puppets, ONE)
        # Eleven letters at 75 ms: "We are open" has nine.
        await puppets.first.say(announced(ONE), started(), audio(11 * 75 + 10))
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(LLMTextFrame)
        assert await heard(pipe) == "We are open on"
        assert given(second) == "Monday. "


async def test_audio_is_no_word_of_a_sentence_that_was_not_begun() -> None:
    async with voices() as (pipe, puppets):
        await answer(pipe, puppets, ONE, TWO)
        await puppets.first.say(announced(ONE), started(), audio(60_000))
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(LLMTextFrame)
        assert await heard(pipe) == ONE.strip()
        assert given(second) == TWO


async def test_a_voice_that_said_nothing() -> None:
    async with voices() as (pipe, puppets):
        await answer(pipe, puppets, ONE, TWO, ends=True)
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(LLMTextFrame, 2)
        assert given(second) == ONE + TWO
        assert not pipe.down.of(TTSStoppedFrame)


async def test_a_text_of_its_own_goes_on_as_one() -> None:
    async with voices() as (pipe, puppets):
        await pipe.send(TTSSpeakFrame(ONE + TWO, append_to_context=True), HangupFrame(EndReason.IDLE))
        await puppets.first.until_got(TTSSpeakFrame)
        await puppets.first.say(announced(ONE + TWO), started(), audio(1500), spoken(ONE))
        await puppets.first.fail()
        second = await puppets.second()
        (rest,) = await second.until_got(TTSSpeakFrame)
        assert (rest.text, rest.append_to_context) == (TWO, True)


async def test_a_text_that_was_spoken_is_over() -> None:
    async with voices() as (pipe, puppets):
        await pipe.send(TTSSpeakFrame(ONE))
        await puppets.first.until_got(TTSSpeakFrame)
        await puppets.first.say(announced(ONE), started(), audio(1500), spoken(ONE), TTSStoppedFrame(context_id="c"))
        await pipe.down.wait(TTSStoppedFrame)
        # Nobody waits for it: it may mend itself.
        await puppets.first.fail()
        assert len(puppets.made) == 1
        await pipe.send(TTSSpeakFrame(TWO))
        await puppets.first.until_got(TTSSpeakFrame, 2)
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(TTSSpeakFrame)
        assert given(second) == TWO


async def test_what_was_cut_off_is_not_spoken() -> None:
    async with voices() as (pipe, puppets):
        await answer(pipe, puppets, ONE)
        await puppets.first.say(announced(ONE), started(), audio(500))
        await pipe.send(InterruptionFrame())
        await puppets.first.until_got(InterruptionFrame)
        await puppets.first.fail()
        assert len(puppets.made) == 1
        await answer(pipe, puppets, ONE, TWO)
        await puppets.first.until_got(LLMTextFrame, 3)
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(LLMTextFrame, 2)
        assert given(second) == ONE + TWO


async def test_the_end_of_the_call_waits_for_the_last_words() -> None:
    async with voices() as (pipe, puppets):
        farewell = TTSSpeakFrame(ONE)
        farewell.interruptible = False
        await pipe.send(farewell)
        await puppets.first.until_got(TTSSpeakFrame)
        await pipe.send(InterruptionFrame())
        await puppets.first.until_got(InterruptionFrame)
        await puppets.first.fail()
        second = await puppets.second()
        (again,) = await second.until_got(TTSSpeakFrame)
        assert (again.text, again.interruptible) == (ONE, False)


@pytest.mark.parametrize("ms_per_letter", [40.0, 120.0])
async def test_the_rate_of_a_voice_is_learnt(ms_per_letter: float) -> None:
    async with voices() as (pipe, puppets):
        await answer(pipe, puppets, ONE, ONE, TWO)
        for _ in range(2):
            await puppets.first.say(announced(ONE), started(), audio(17 * ms_per_letter), spoken(ONE))
        await puppets.first.say(announced(TWO), audio(10.5 * ms_per_letter))
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(LLMTextFrame)
        assert given(second) == "are closed."
