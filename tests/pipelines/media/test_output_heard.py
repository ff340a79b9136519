"""What the caller has heard of the bot's audio: words, marks, and the end of the call behind the last of them."""

import asyncio

import pytest
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.utils.text.base_text_aggregator import TextType

from models.aicall import EndReason
from pipelines.failover.failures import Seat
from pipelines.failover.reply_watch import HangupFrame, HeardFrame
from pipelines.speech.greeting_cache import Recording
from tests.pipelines.bots import (
    FIRST_PTS,
    FOUR,
    LOOK_AHEAD_MS,
    RATE_HZ,
    Note,
    bot,
    gaps,
    sent,
    tone,
)
from tests.pipelines.calls import Phone, now

pytestmark = pytest.mark.virtual_time


# What was heard.


async def test_words_are_passed_on_when_they_were_heard() -> None:
    async with bot() as it:
        await it.says(tone(2.0), ("one", 0.0), ("two", 0.5), ("three", 1.0), ("four", 1.5))
        times = []
        for count in range(1, 5):
            await it.pipe.down.wait(TTSTextFrame, count)
            times.append(now())
        # So long after its beginning a word counts as heard.
        assert times == [pytest.approx(start_s + 0.15, abs=0.041) for start_s in (0.0, 0.5, 1.0, 1.5)]
        assert it.heard_words() == ["one", "two", "three", "four"]
        await it.pipe.down.wait(TTSStoppedFrame)
        it.ledger.close()
    assert it.records[0].bot_text == "one two three four"


async def test_a_sentence_without_word_times_is_spread_over_its_audio() -> None:
    async with bot() as it:
        await it.pipe.send(TTSStartedFrame(), announced("one two three four"))
        await it.audio(tone(2.0))
        await it.pipe.send(TTSTextFrame("one two three four", text_type=TextType.SENTENCE), TTSStoppedFrame())
        await asyncio.sleep(1.1)
        assert it.heard_words() == ["one", "two"]
        await it.pipe.down.wait(TTSStoppedFrame)
        assert it.heard_words() == ["one", "two", "three", "four"]


async def test_a_sentence_whose_text_comes_first_is_spread_over_its_audio_too() -> None:
    async with bot() as it:
        await it.pipe.send(TTSStartedFrame(), announced(FOUR), TTSTextFrame(FOUR, text_type=TextType.SENTENCE))
        await it.audio(tone(4.0))
        await it.pipe.send(TTSStoppedFrame())
        await asyncio.sleep(1.5)
        assert it.heard_words() == ["one"]
        await it.pipe.down.wait(TTSStoppedFrame)
        assert it.heard_words() == FOUR.split()


async def test_a_sentence_is_not_heard_before_its_own_audio() -> None:
    async with bot() as it:
        await it.pipe.send(TTSStartedFrame(), announced(FOUR), TTSTextFrame(FOUR, text_type=TextType.SENTENCE))
        await it.audio(tone(4.0))
        await it.pipe.send(announced("five"), TTSTextFrame("five", text_type=TextType.SENTENCE))
        await it.audio(tone(1.0))
        # Its audio begins after four seconds, and saying it takes about a third of one.
        await asyncio.sleep(4.15)
        assert it.heard_words() == FOUR.split()
        await asyncio.sleep(0.45)
        assert it.heard_words() == [*FOUR.split(), "five"]


async def test_at_the_end_of_the_answer_every_word_was_heard() -> None:
    """Whatever times the voice gave."""
    async with bot() as it:
        await it.says(tone(1.0), ("in", 0.0), ("time", 0.98), ("late", 7.0))
        await it.pipe.down.wait(TTSStoppedFrame)
        assert now() == pytest.approx(1.0, abs=0.041)
        assert it.heard_words() == ["in", "time", "late"]


@pytest.mark.parametrize("spaced", [True, False])
async def test_a_piece_of_text_keeps_its_own_spaces(spaced: bool) -> None:
    async with bot() as it:
        frame = TTSTextFrame(" piece ", text_type=TextType.WORD)
        frame.pts, frame.includes_inter_frame_spaces = FIRST_PTS, spaced
        await it.pipe.send(TTSStartedFrame(), frame)
        await it.audio(tone(1.0))
        await it.pipe.send(TTSStoppedFrame())
        (passed,) = await it.pipe.down.wait(TTSTextFrame)
        assert (passed.text, passed.includes_inter_frame_spaces) == (" piece ", spaced)


async def test_text_that_is_not_for_the_conversation_stays_out_of_it() -> None:
    async with bot() as it:
        frame = TTSTextFrame("beside the point", text_type=TextType.SENTENCE)
        frame.append_to_context = False
        await it.pipe.send(TTSStartedFrame(), frame)
        await it.audio(tone(1.0))
        await it.pipe.send(TTSStoppedFrame())
        await it.pipe.down.wait(TTSStoppedFrame)
        assert it.heard_words() == []


async def test_audio_is_the_voices_sign_of_life() -> None:
    async with bot() as it:
        it.watchdog.asked(Seat.TTS)
        await it.says(tone(0.5))
        await asyncio.sleep(10)
        assert it.stalls == []
        it.watchdog.asked(Seat.TTS)
        await asyncio.sleep(10)
        assert it.stalls == [Seat.TTS]


def announced(text: str) -> AggregatedTextFrame:
    frame = AggregatedTextFrame(text, TextType.SENTENCE)
    frame.will_be_spoken = True
    return frame


async def test_frames_wait_for_the_audio_before_them() -> None:
    async with bot() as it:
        await it.pipe.send(Note(text="first"))
        await it.pipe.down.wait(Note)
        assert now() == 0
        await it.says(tone(1.0))
        await it.pipe.send(Note(text="second"))
        await it.says(tone(0.5))
        await it.pipe.send(Note(text="third"))
        await it.pipe.down.wait(Note, 2)
        assert now() == pytest.approx(1.0, abs=0.041)
        await it.pipe.down.wait(Note, 3)
        assert now() == pytest.approx(1.5, abs=0.041)


async def test_the_bot_speaks_until_the_caller_has_heard_it() -> None:
    async with bot() as it:
        await it.says(tone(1.0))
        await it.pipe.down.wait(BotStartedSpeakingFrame)
        assert now() == 0
        await it.pipe.up.wait(BotStoppedSpeakingFrame)
        assert now() == pytest.approx(1.0, abs=0.041)
        assert len(it.pipe.up.of(BotStartedSpeakingFrame)) == 1
        it.ledger.close()
    assert (it.records[0].bot_start_ms, it.records[0].tts_first_audio_ms) == (0, 0)
    assert it.records[0].bot_stop_ms == pytest.approx(1_000, abs=41)


async def test_a_voice_that_never_says_that_it_stopped() -> None:
    async with bot() as it:
        await it.says(tone(1.0), ends=False)
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert 1.0 <= now() <= 2.1


async def test_a_voice_without_audio() -> None:
    async with bot() as it:
        await it.pipe.send(TTSStartedFrame(), TTSStoppedFrame(), Note())
        await it.pipe.down.wait(Note)
        assert now() == 0
        assert not it.phone.sent
        assert not it.pipe.down.of(BotStartedSpeakingFrame)


@pytest.mark.parametrize(
    "frame",
    [LLMFullResponseEndFrame(), FunctionCallResultFrame("remember", "call", {}, result={"ok": True})],
    ids=["no words", "a tool"],
)
async def test_after_an_answer_without_words_the_callers_silence_counts(frame: Frame) -> None:
    async with bot() as it:
        await it.pipe.send(frame)
        await it.pipe.up.wait(BotStoppedSpeakingFrame)
        assert now() == 0
        assert not it.pipe.up.of(BotStartedSpeakingFrame)


async def test_while_the_bot_speaks_the_callers_silence_does_not_count() -> None:
    async with bot() as it:
        await it.says(tone(1.0), ends=False)
        await it.pipe.send(LLMFullResponseEndFrame())
        await it.audio(tone(1.0))
        await it.pipe.send(TTSStoppedFrame())
        await it.pipe.down.wait(LLMFullResponseEndFrame)
        assert now() == pytest.approx(1.0, abs=0.041)
        assert not it.pipe.up.of(BotStoppedSpeakingFrame)
        await it.pipe.up.wait(BotStoppedSpeakingFrame)
        assert now() == pytest.approx(2.0, abs=0.041)


# Marks.


async def test_a_mark_a_second_and_one_behind_the_answer() -> None:
    async with bot() as it:
        await it.says(tone(2.5))
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert len(set(it.phone.marks)) == len(it.phone.marks) == 3
        assert it.phone.log[:51] == ["play"] * 50 + ["mark"]
        assert it.phone.log[-1] == "mark"


async def test_how_late_the_phone_system_plays_is_learnt_from_its_marks() -> None:
    async with bot(Phone(RATE_HZ, delay_s=0.5)) as it:
        await it.says(tone(1.8))
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        # The first mark came back after a second and a half; from then on the delay is known.
        assert now() == pytest.approx(2.3, abs=0.041)
        await asyncio.sleep(1.0)
        began_s = now()
        await it.says(tone(1.0), ("now", 0.0))
        await it.pipe.down.wait(TTSTextFrame)
        assert now() - began_s == pytest.approx(0.65, abs=0.041)
        await it.pipe.down.wait(BotStoppedSpeakingFrame, 2)
        assert now() - began_s == pytest.approx(1.5, abs=0.041)


@pytest.mark.parametrize("length_s", [0.5, 2.0])
@pytest.mark.parametrize("delay_s", [0.0, 0.3, 0.9])
async def test_the_end_waits_until_the_goodbye_was_played(length_s: float, delay_s: float) -> None:
    """Even when it is the first thing said, so that no mark has told yet how late the phone system plays."""
    async with bot(Phone(RATE_HZ, delay_s=delay_s)) as it:
        await it.says(tone(length_s), ("goodbye", 0.0))
        await it.pipe.send(HangupFrame(EndReason.STOP_SERVICE))
        await it.pipe.down.wait(HangupFrame)
        assert length_s + delay_s <= now() <= length_s + delay_s + 0.03
        assert it.heard_words() == ["goodbye"]


async def test_the_end_does_not_wait_long_for_marks_that_never_come() -> None:
    async with bot(Phone(RATE_HZ, echoes=False)) as it:
        await it.says(tone(2.0))
        await it.pipe.send(HangupFrame(EndReason.STOP_SERVICE))
        await it.pipe.down.wait(HangupFrame)
        assert now() == pytest.approx(3.0, abs=0.05)


async def test_the_end_waits_for_no_mark_when_nothing_was_said() -> None:
    async with bot() as it:
        await it.pipe.send(HangupFrame(EndReason.STOP_SERVICE))
        await it.pipe.down.wait(HangupFrame)
        assert now() == 0


async def test_an_interruption_does_not_leave_the_end_waiting() -> None:
    async with bot(Phone(RATE_HZ, echoes=False)) as it:
        await it.says(tone(1.0))
        await it.pipe.send(HangupFrame(EndReason.STOP_SERVICE))
        await asyncio.sleep(1.5)
        assert not it.pipe.down.of(HangupFrame)
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(HangupFrame)
        assert now() == pytest.approx(1.5)


async def test_the_end_does_not_wait_long_for_marks_that_come_late() -> None:
    async with bot(Phone(RATE_HZ, delay_s=20.0)) as it:
        await it.says(tone(2.0))
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        await asyncio.sleep(30)
        asked_s = now()
        await it.says(tone(2.0))
        await it.pipe.send(HangupFrame(EndReason.STOP_SERVICE))
        await it.pipe.down.wait(HangupFrame)
        # Its audio, the longest delay that is believed, and the wait for the mark.
        assert now() - asked_s <= 2.0 + 1.5 + 1.0 + 0.1


FILLER = Recording.of([TTSAudioRawFrame(tone(0.5), RATE_HZ, 1)], 0)


async def test_a_filler_is_heard_and_is_nobodys_answer() -> None:
    async with bot() as it:
        it.watchdog.asked()
        it.output.say_filler("One moment.", FILLER)
        assert it.output.quiet_since_s() == pytest.approx(now() + 0.5, abs=0.05)
        await asyncio.sleep(2)
        assert sent(it.phone) == tone(0.5)
        assert it.output.quiet_since_s() == pytest.approx(now() - 1.5, abs=0.1)
        assert it.heard_words() == []
        assert not it.pipe.down.of(BotStartedSpeakingFrame)
        assert it.watchdog.due_since_s is not None
        assert it.output.recently_said() == "One moment."
        it.ledger.close()
        assert it.records[0].bot_start_ms is None


async def test_an_answer_follows_a_filler_at_once_and_is_timed_by_itself() -> None:
    async with bot() as it:
        it.output.say_filler("One moment.", FILLER)
        await asyncio.sleep(0.1)
        await it.says(tone(0.4), ("Yes", 0.0))
        await asyncio.sleep(2)
        assert sent(it.phone) == tone(0.5) + tone(0.4)
        assert gaps(it.phone) == []
        assert it.heard_words() == ["Yes"]
        assert len(it.pipe.down.of(BotStartedSpeakingFrame)) == 1
        it.ledger.close()
        # Audio goes out with a look-ahead.
        assert it.records[0].bot_start_ms == pytest.approx(500 - LOOK_AHEAD_MS, abs=80)


async def test_an_interruption_cuts_a_filler_off() -> None:
    async with bot() as it:
        it.output.say_filler("One moment.", FILLER)
        await asyncio.sleep(0.2)
        await it.pipe.send(InterruptionFrame())
        await asyncio.sleep(1)
        assert len(it.phone.cleared) == 1
        assert it.output.quiet_since_s() == pytest.approx(now() - 1, abs=0.1)
        await it.says(tone(0.2), ("Yes", 0.0))
        await asyncio.sleep(1)
        assert it.heard_words() == ["Yes"]
        assert len(it.pipe.down.of(BotStartedSpeakingFrame)) == 1


async def test_what_waits_for_the_last_words_comes_out_in_order() -> None:
    async with bot(Phone(RATE_HZ, delay_s=0.3)) as it:
        await it.says(tone(1.0), ("goodbye", 0.0))
        await it.pipe.send(HeardFrame(asyncio.Event()), HangupFrame(EndReason.STOP_SERVICE))
        await it.pipe.down.wait(HangupFrame)
        assert 1.3 <= now() <= 1.33
        assert len(it.pipe.down.of(HeardFrame)) == 1


async def test_what_waits_for_the_last_words_comes_out_when_the_caller_interrupts() -> None:
    async with bot(Phone(RATE_HZ)) as it:
        await it.says(tone(5.0))
        await it.pipe.send(HeardFrame(asyncio.Event()))
        await asyncio.sleep(1)
        assert not it.pipe.down.of(HeardFrame)
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(HeardFrame)
        assert now() < 2
