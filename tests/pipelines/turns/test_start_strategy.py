"""The strategy in Pipecat's own aggregators, with somebody behind them who plays as media out does."""

import asyncio

import pytest
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    Frame,
    InputDTMFFrame,
    LLMContextFrame,
    STTMetadataFrame,
)

from adapters.stt.frames import CallerResumedFrame, SpeechNotUnderstoodFrame, TranscriptCompleteFrame
from models.options import CallOptions
from pipelines.turns.barge_in import Action, Cause
from pipelines.turns.hold import HoldPlaybackFrame
from pipelines.turns.start_strategy import BargeInRules
from tests.pipelines.calls import now
from tests.pipelines.talks import STOP_S, talking

pytestmark = pytest.mark.virtual_time

HOLD = (Action.HOLD, Cause.VOICE)


# Over the bot.


async def test_the_first_voice_holds_the_bot_at_once() -> None:
    async with talking() as it:
        await it.player.talk()
        began_s = await it.voice()
        assert it.player.log == [("hold", began_s)]
        assert it.counted() == [HOLD]


async def test_the_first_real_word_interrupts_it() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice()
        await it.hearing("okay")
        assert it.player.told() == ["hold"]
        asked_s = now()
        await it.hearing("okay but")
        assert it.player.log[1:] == [("interrupt", asked_s)]
        await asyncio.sleep(1)
        await it.silence()
        await it.heard("Okay, but when on Friday?")
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["Okay, but when on Friday?"]
        assert it.counted() == [HOLD, (Action.START, Cause.WORDS)]
        assert it.listener.heard == ["Okay, but when on Friday?"]


async def test_a_long_voice_interrupts_it_before_any_word() -> None:
    async with talking() as it:
        await it.player.talk()
        began_s = await it.voice()
        await asyncio.sleep(2)
        assert it.player.log == [("hold", began_s), ("interrupt", pytest.approx(began_s + 0.8))]
        await it.silence()
        await it.heard("Stop, I want to ask something.")
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["Stop, I want to ask something."]


async def test_how_long_may_be_set() -> None:
    async with talking(interrupt_after_ms=300) as it:
        await it.player.talk()
        began_s = await it.voice()
        await asyncio.sleep(2)
        assert it.player.log[1] == ("interrupt", pytest.approx(began_s + 0.3))


async def test_other_rules_hold_from_then_on() -> None:
    async with talking(interrupt_after_ms=300, backchannels=["roger"]) as it:
        other = CallOptions.model_validate({"interrupt_after_ms": 700, "backchannels": ["aye"]})
        it.strategy.change(BargeInRules.of(other, language="", can_clear=True))
        await it.player.talk()
        await it.voice(0.4)
        await it.heard("Aye.")
        assert it.player.told() == ["hold", "resume"]
        began_s = await it.voice()
        await asyncio.sleep(2)
        assert it.player.log[3] == ("interrupt", pytest.approx(began_s + 0.7))


async def test_a_word_that_is_understood_after_the_voice_interrupts_too() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice(0.4)
        await asyncio.sleep(0.3)
        await it.heard("Stop.")
        assert it.player.told() == ["hold", "interrupt"]
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["Stop."]


async def test_a_backchannel_does_not() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice(0.4)
        await asyncio.sleep(0.1)
        await it.hearing("mm")
        asked_s = now()
        await it.heard("Mm-hm.")
        assert it.player.log[1:] == [("resume", asked_s)]
        await asyncio.sleep(10)
        assert it.nothing_happened()
        assert it.counted() == [HOLD, (Action.RESUME, Cause.BACKCHANNEL)]
        assert it.listener.heard == []


async def test_the_final_text_is_waited_for() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice(0.4)
        await it.hearing("Okay")
        await asyncio.sleep(0.6)
        assert it.player.told() == ["hold"]
        await it.heard("Okay, but when?")
        assert it.player.told() == ["hold", "interrupt"]


async def test_nor_does_it_stand_before_what_is_said_next() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice(0.4)
        await it.heard("Mm-hm.", done=False)
        await asyncio.sleep(3)
        await it.voice(1.0)
        await it.heard("What about Friday?")
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["What about Friday?"]


async def test_what_was_said_in_one_breath_stays_together() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice()
        await it.heard("Okay.", done=False)
        await asyncio.sleep(0.3)
        await it.heard("What about Friday?", done=False)
        await asyncio.sleep(0.3)
        await it.silence()
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["Okay. What about Friday?"]
        assert it.listener.heard == ["Okay.", "What about Friday?"]


@pytest.mark.parametrize(
    ("language", "text", "interrupts"),
    [("ko-KR", "네, 네.", False), ("en-US", "네, 네.", True), ("de", "Genau.", False), ("", "Genau.", True)],
)
async def test_backchannels_are_those_of_the_language(language: str, text: str, *, interrupts: bool) -> None:
    async with talking(language) as it:
        await it.player.talk()
        await it.voice(0.4)
        await it.heard(text)
        assert it.player.told() == ["hold", "interrupt" if interrupts else "resume"]


async def test_backchannels_may_be_set() -> None:
    async with talking(backchannels=["roger"]) as it:
        await it.player.talk()
        await it.voice(0.4)
        await it.heard("Roger!")
        assert it.player.told() == ["hold", "resume"]
        await it.voice(0.4)
        await it.heard("Okay.")
        assert it.player.told()[2:] == ["hold", "interrupt"]


async def test_a_cough_does_not_interrupt() -> None:
    async with talking() as it:
        await it.player.talk()
        began_s = await it.voice(0.3)
        await asyncio.sleep(10)
        assert it.player.log[1:] == [("resume", pytest.approx(began_s + 0.3 + 0.8, abs=0.002))]
        assert it.nothing_happened()


@pytest.mark.parametrize("frame", [SpeechNotUnderstoodFrame(0.3), TranscriptCompleteFrame()])
async def test_a_recogniser_that_says_there_are_no_words_decides_at_once(frame: Frame) -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice(0.3)
        asked_s = now()
        await it.pipe.send(frame)
        await asyncio.sleep(1)
        assert it.player.log[1:] == [("resume", asked_s)]


async def test_a_recogniser_is_not_done_when_the_caller_goes_on() -> None:
    async with talking() as it:
        await it.player.talk()
        began_s = await it.voice()
        await asyncio.sleep(0.1)
        await it.pipe.send(TranscriptCompleteFrame())
        await asyncio.sleep(0.1)
        await it.pipe.send(CallerResumedFrame())
        await asyncio.sleep(0.1)
        await it.silence()
        await asyncio.sleep(5)
        assert it.player.log[1:] == [("resume", pytest.approx(began_s + 0.3 + 0.8, abs=0.01))]


async def test_a_slow_recogniser_is_waited_for() -> None:
    async with talking() as it:
        await it.pipe.send(STTMetadataFrame(service_name="stt", ttfs_p99_latency=1.5))
        await it.player.talk()
        began_s = await it.voice(0.3)
        await asyncio.sleep(5)
        assert it.player.log[1:] == [("resume", pytest.approx(began_s + 0.3 + 1.5 - STOP_S, abs=0.002))]


async def test_echo_does_not_interrupt() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice()
        await it.hearing("close")
        await it.hearing("we close at")
        await asyncio.sleep(1)
        await it.silence()
        await it.heard("we close at noon")
        assert it.player.told() == ["hold", "resume"]
        assert it.nothing_happened()
        assert it.counted() == [HOLD, (Action.RESUME, Cause.ECHO)]


async def test_words_among_the_echo_interrupt() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice()
        await it.hearing("we close at")
        await it.hearing("we close at what time please")
        assert it.player.told() == ["hold", "interrupt"]


async def test_a_line_that_echoes_does_not_chop_the_bot_up() -> None:
    async with talking() as it:
        await it.player.talk()
        for _ in range(2):
            await it.voice(0.4)
            await it.heard("at noon")
        await it.voice(3.0)
        await it.heard("we close at noon")
        assert it.player.told() == ["hold", "resume"] * 2
        assert it.counted()[-1] == (Action.FORGET, Cause.ECHO)
        assert it.listener.heard == []
        await it.voice()
        await it.hearing("stop")
        assert it.player.told()[4:] == ["interrupt"]
        await asyncio.sleep(1)
        await it.silence()
        await it.heard("Stop, please.")
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["Stop, please."]


@pytest.mark.parametrize("text", ["Yes.", "Noon.", "Noon, yes."])
async def test_in_its_last_second_what_the_caller_says_is_an_answer(text: str) -> None:
    async with talking() as it:
        await it.player.talk(1.0)
        await it.voice(0.4)
        # What is left to say does not get less while it is held.
        it.player.left_s = 1.1
        await it.heard(text)
        assert it.player.told() == ["hold", "interrupt"]
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == [text]


async def test_an_answer_may_take_two_attempts() -> None:
    async with talking() as it:
        await it.player.talk(1.0)
        await it.voice(0.3)
        await asyncio.sleep(0.3)
        await it.voice(0.3)
        await it.heard("Yes.")
        assert it.player.told() == ["hold", "interrupt"]


async def test_even_then_an_echo_is_an_echo() -> None:
    async with talking() as it:
        await it.player.talk(1.0)
        await it.voice(0.4)
        await it.heard("close at noon")
        assert it.player.told() == ["hold", "resume"]


async def test_a_quiet_word_without_voice_activity_interrupts() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.heard("Mm-hm.")
        assert it.nothing_happened()
        assert it.listener.heard == []
        await it.heard("Stop.")
        assert it.player.told() == ["interrupt"]
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["Stop."]


async def test_an_empty_text_is_none() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice()
        await it.heard("  ")
        await asyncio.sleep(0.1)
        assert it.player.told() == ["hold"]


# Keys.


@pytest.mark.parametrize("mode", ["off", "immediate", "confirm"])
async def test_keys_interrupt_at_once(mode: str) -> None:
    async with talking(barge_in=mode) as it:
        await it.player.talk()
        await it.pipe.send(InputDTMFFrame(KeypadEntry.FOUR))
        await asyncio.sleep(0.001)
        assert it.player.told() == ["interrupt"]
        await it.player.talk()
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["DTMF: 4"]
        assert it.counted() == [(Action.START, Cause.KEYS)]


async def test_keys_end_a_hold() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice(0.4)
        await it.pipe.send(InputDTMFFrame(KeypadEntry.FOUR))
        await asyncio.sleep(0.5)
        assert it.player.told()[:2] == ["hold", "interrupt"]
        assert not it.player.held
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["DTMF: 4"]


async def test_who_keys_and_speaks_has_the_turn() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice()
        await it.pipe.send(InputDTMFFrame(KeypadEntry.FOUR))
        await asyncio.sleep(0.01)
        assert it.counted() == [HOLD, (Action.START, Cause.ELSEWHERE)]


# Into silence, and without a hold.


async def test_into_silence_the_turn_begins_with_the_voice() -> None:
    async with talking() as it:
        began_s = await it.voice()
        assert it.player.log == [("interrupt", began_s)]
        await asyncio.sleep(0.5)
        await it.silence()
        await it.heard("Yes.")
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["Yes."]
        assert it.counted() == [(Action.START, Cause.VOICE)]


async def test_into_silence_words_alone_begin_it_too() -> None:
    async with talking() as it:
        await it.hearing("okay")
        await it.heard("Okay.")
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["Okay."]
        await it.heard("Okay.")
        await it.pipe.down.wait(LLMContextFrame, 2)
        assert it.user_said() == ["Okay.", "Okay."]


@pytest.mark.parametrize(("mode", "can_clear"), [("immediate", True), ("confirm", False)])
async def test_immediately(mode: str, *, can_clear: bool) -> None:
    async with talking(barge_in=mode, can_clear=can_clear) as it:
        await it.player.talk()
        began_s = await it.voice()
        assert it.player.log == [("interrupt", began_s)]


@pytest.mark.parametrize("can_clear", [True, False])
async def test_off(*, can_clear: bool) -> None:
    async with talking(barge_in="off", can_clear=can_clear) as it:
        await it.player.talk()
        await it.voice(2.0)
        await it.hearing("Stop, I")
        await it.heard("Stop, I want to ask something.")
        await asyncio.sleep(2)
        assert it.nothing_happened()
        assert it.player.log == []
        await it.player.end()
        await it.voice(1.0)
        await it.heard("What about Friday?")
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["What about Friday?"]


async def test_who_speaks_on_when_the_bot_has_ended_is_listened_to() -> None:
    async with talking(barge_in="off") as it:
        await it.player.talk()
        await it.voice()
        await asyncio.sleep(1)
        await it.player.end()
        ended_s = now()
        await asyncio.sleep(1)
        assert it.player.log == [("interrupt", pytest.approx(ended_s + 0.8))]
        await it.silence()
        await it.heard("What about Friday?")
        await it.pipe.down.wait(LLMContextFrame)
        assert it.user_said() == ["What about Friday?"]


# Order and ends.


async def test_a_hold_that_its_decision_has_overtaken_is_undone() -> None:
    async with talking() as it:
        await it.player.talk()
        await it.pipe.send(HoldPlaybackFrame())
        await asyncio.sleep(0.001)
        assert it.player.told() == ["hold", "resume"]


@pytest.mark.parametrize("seconds", [None, 0.3])
async def test_the_end_of_the_call_in_the_middle_of_a_hold(seconds: float | None) -> None:
    async with talking() as it:
        await it.player.talk()
        await it.voice(seconds)
    await asyncio.sleep(5)
    assert it.player.told() == ["hold"]
    assert it.counted() == [HOLD]


# Rules.


def test_what_an_ai_says_about_it() -> None:
    rules = BargeInRules.of(CallOptions(interrupt_after_ms=250), language="de-DE", can_clear=True)
    assert (rules.settings.mode, rules.settings.interrupt_after_s) == ("confirm", 0.25)
    assert rules.backchannels.cover("genau")
    rules = BargeInRules.of(CallOptions(backchannels=()), language="de-DE", can_clear=False)
    assert rules.settings.mode == "immediate"
    assert not rules.backchannels.cover("genau")
    assert BargeInRules.of(CallOptions(barge_in="off"), language="", can_clear=False).settings.mode == "off"
