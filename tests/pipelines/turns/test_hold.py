"""Holding the bot's audio while it is unclear whether the caller interrupts, and going on."""

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from models.aicall import EndReason
from pipelines.failover.failures import Seat
from pipelines.failover.reply_watch import HangupFrame
from pipelines.media.playout import OVERLAP_MS
from pipelines.turns.hold import HoldPlaybackFrame, ResumePlaybackFrame
from tests.pipelines.bots import FRAME_BYTES, LOOK_AHEAD_MS, RATE_HZ, Bot, Note, SlowPhone, bot, sent, tone
from tests.pipelines.calls import Phone, now
from tests.support.virtual_time import VirtualClockLoop

pytestmark = pytest.mark.virtual_time

WORDS = ("one", 0.0), ("two", 0.5), ("three", 1.0), ("four", 1.5)
LIMIT_S = 3.0
"""The longest hold."""


async def hold(it: Bot) -> None:
    await it.pipe.send(HoldPlaybackFrame())
    await turns()


async def resume(it: Bot) -> None:
    await it.pipe.send(ResumePlaybackFrame())
    await turns()


async def turns() -> None:
    """Let everything happen that takes no time."""
    for _ in range(20):
        await asyncio.sleep(0)


def played(phone: Phone) -> bytes:
    """What the caller heard; a frame of which only a part was played counts as heard."""
    return b"".join(pcm for _, pcm in phone.heard)


async def test_a_hold_silences_the_phone_at_once_and_nothing_is_sent() -> None:
    async with bot() as it:
        await it.says(tone(5.0), *WORDS)
        await asyncio.sleep(1.007)
        assert it.output.bot_audible
        await hold(it)
        assert it.phone.cleared == [now()]
        assert (it.output.held, it.output.bot_audible) == (True, False)
        held_s = now()
        await asyncio.sleep(2.9)
        assert it.phone.silent_after(held_s)
        assert it.phone.log[-1] == "clear"
        # The bot has not finished, so the caller's silence does not count yet.
        assert not it.pipe.up.of(BotStoppedSpeakingFrame)
        assert it.heard_words() == ["one", "two"]


async def test_after_a_hold_it_goes_on_where_the_caller_stopped_hearing() -> None:
    async with bot() as it:
        await it.says(tone(2.0), *WORDS)
        await it.pipe.send(Note())
        await asyncio.sleep(1.007)
        await hold(it)
        await asyncio.sleep(1.0)
        before = len(it.phone.heard)
        await resume(it)
        assert it.phone.sent[-1][0] == now()
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        # What was heard, then a little of it again, then the rest; nothing is left out.
        first, again = it.phone.heard[:before], it.phone.heard[before:]
        heard = b"".join(pcm for _, pcm in first)
        rest = b"".join(pcm for _, pcm in again)
        assert tone(2.0).startswith(heard)
        assert tone(2.0).endswith(rest)
        overlap_ms = (len(heard) + len(rest)) / 16 - 2_000
        assert OVERLAP_MS - 20 <= overlap_ms <= OVERLAP_MS + 40
        assert now() == pytest.approx(3.0 + OVERLAP_MS / 1000, abs=0.061)
        assert it.heard_words() == ["one", "two", "three", "four"]
        await it.pipe.down.wait(Note)
        assert len(it.pipe.down.of(BotStartedSpeakingFrame)) == len(it.pipe.down.of(BotStoppedSpeakingFrame)) == 1
        assert len(it.pipe.down.of(TTSStoppedFrame)) == 1
        it.ledger.close()
    # It was no interruption.
    assert (it.records[0].interrupted, it.records[0].bot_text) == (False, "one two three four")


async def test_words_come_at_their_own_time_after_a_hold() -> None:
    async with bot() as it:
        await it.says(tone(2.0), *WORDS)
        await asyncio.sleep(1.0)
        await hold(it)
        await asyncio.sleep(0.5)
        await resume(it)
        await asyncio.sleep(OVERLAP_MS / 1000 + 0.1)
        assert it.heard_words() == ["one", "two"]
        await asyncio.sleep(0.1)
        assert it.heard_words() == ["one", "two", "three"]


async def test_an_interruption_of_a_hold_leaves_what_was_heard_before_it() -> None:
    async with bot() as it:
        await it.says(tone(5.0), *WORDS)
        await it.pipe.send(Note())
        await asyncio.sleep(1.0)
        await hold(it)
        await asyncio.sleep(0.8)
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(InterruptionFrame)
        await asyncio.sleep(5)
        assert it.phone.cleared == [1.0]
        assert it.phone.silent_after(1.0)
        assert it.heard_words() == ["one", "two"]
        assert not it.output.held
        assert not it.pipe.down.of(Note)
        assert len(it.pipe.up.of(BotStoppedSpeakingFrame)) == 1
        frames = len(it.phone.sent)
        await it.says(tone(1.0), ("next", 0.0))
        await asyncio.sleep(0.1)
        assert it.heard_words() == ["one", "two"]
        await it.pipe.down.wait(BotStoppedSpeakingFrame, 2)
        assert b"".join(pcm for _, pcm in it.phone.sent[frames:]) == tone(1.0)
        assert it.heard_words() == ["one", "two", "next"]
        it.ledger.close()
    assert it.records[0].interrupted


async def test_a_word_heard_just_before_the_hold_is_not_lost() -> None:
    """It was heard, though nobody has looked since."""
    async with bot() as it:
        await it.says(tone(5.0), ("one", 0.0), ("cut", 0.861))
        await asyncio.sleep(1.012)
        assert it.heard_words() == ["one"]
        await hold(it)
        assert it.heard_words() == ["one", "cut"]


async def test_a_hold_is_not_for_ever() -> None:
    async with bot() as it:
        await it.says(tone(2.0), *WORDS)
        await asyncio.sleep(1.0)
        await hold(it)
        await asyncio.sleep(2.0)
        # Asking again does not make it longer.
        await hold(it)
        await asyncio.sleep(0.99)
        assert it.phone.log[-1] == "clear"
        await asyncio.sleep(0.02)
        assert it.phone.log[-1] == "play"
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert it.heard_words() == ["one", "two", "three", "four"]
        assert now() == pytest.approx(2.0 + LIMIT_S + OVERLAP_MS / 1000, abs=0.061)
        assert len(it.phone.cleared) == 1


async def test_a_second_hold_has_its_own_limit() -> None:
    async with bot() as it:
        await it.says(tone(20.0))
        await asyncio.sleep(1.0)
        await hold(it)
        await asyncio.sleep(0.5)
        await hold(it)
        await asyncio.sleep(0.5)
        await resume(it)
        await asyncio.sleep(0.1)
        await hold(it)
        await asyncio.sleep(2.9)
        assert it.output.held
        assert len(it.phone.cleared) == 2


async def test_an_answer_that_comes_during_a_hold_waits() -> None:
    async with bot() as it:
        await hold(it)
        await it.says(tone(1.0), *WORDS[:2])
        await it.pipe.send(LLMFullResponseEndFrame())
        await asyncio.sleep(1.0)
        assert it.phone.log == []
        assert not it.pipe.up.of(BotStoppedSpeakingFrame)
        assert not it.output.bot_audible
        await resume(it)
        assert it.phone.sent[0][0] == now() == 1.0
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert sent(it.phone) == tone(1.0)
        assert it.phone.cleared == []


async def test_an_answer_that_came_during_a_hold_is_dropped_by_an_interruption() -> None:
    async with bot() as it:
        await hold(it)
        await it.says(tone(1.0), *WORDS[:2])
        await turns()
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(InterruptionFrame)
        await asyncio.sleep(10)
        assert it.phone.log == []
        assert it.heard_words() == []
        it.ledger.close()
    assert not it.records[0].interrupted


async def test_what_belongs_to_the_audio_waits_with_it() -> None:
    async with bot() as it:
        await it.says(tone(1.0))
        await asyncio.sleep(0.5)
        await hold(it)
        await it.pipe.send(Note(text="behind"))
        await it.says(tone(0.5))
        await it.pipe.send(HangupFrame(EndReason.STOP_SERVICE))
        await asyncio.sleep(2.5)
        assert not it.pipe.down.of(Note)
        await resume(it)
        await it.pipe.down.wait(Note)
        assert now() == pytest.approx(3.5 + OVERLAP_MS / 1000, abs=0.061)
        await it.pipe.down.wait(HangupFrame)
        assert now() == pytest.approx(4.0 + OVERLAP_MS / 1000, abs=0.061)


async def test_what_comes_right_behind_a_hold_waits_too() -> None:
    async with bot() as it:
        # In one turn of the loop, before anybody has looked at the hold.
        await it.output.process_frame(HoldPlaybackFrame(), FrameDirection.DOWNSTREAM)
        await it.output.process_frame(Note(), FrameDirection.DOWNSTREAM)
        await asyncio.sleep(1.0)
        assert not it.pipe.down.of(Note)
        await resume(it)
        assert len(it.pipe.down.of(Note)) == 1


async def test_a_voice_that_falls_silent_during_a_hold_has_not_stopped() -> None:
    async with bot() as it:
        await it.says(tone(1.0), ends=False)
        await asyncio.sleep(0.5)
        await hold(it)
        await asyncio.sleep(2.9)
        assert not it.pipe.down.of(BotStoppedSpeakingFrame)
        await resume(it)
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert len(it.phone.heard) * 20 >= 1_000


async def test_a_hold_is_no_stalled_voice() -> None:
    async with bot() as it:
        await hold(it)
        it.watchdog.asked(Seat.TTS)
        await it.says(tone(1.0))
        await asyncio.sleep(30)
        assert it.stalls == []


async def test_a_hold_while_nothing_plays_does_nothing() -> None:
    async with bot() as it:
        await it.says(tone(1.0))
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        log = list(it.phone.log)
        await hold(it)
        await asyncio.sleep(1)
        await resume(it)
        await asyncio.sleep(1)
        # Nothing of what was heard is said again.
        assert it.phone.log == log
        assert len(it.pipe.down.of(BotStartedSpeakingFrame)) == 1


async def test_a_resume_without_a_hold_does_nothing() -> None:
    async with bot() as it:
        await it.says(tone(1.0))
        await asyncio.sleep(0.5)
        await resume(it)
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert sent(it.phone) == tone(1.0)


async def test_a_hold_does_not_go_back_into_the_answer_before() -> None:
    async with bot() as it:
        await it.says(tone(1.0))
        await it.says(tone(1.0)[::-1])
        await asyncio.sleep(1.05)
        frames = len(it.phone.sent)
        await hold(it)
        await resume(it)
        assert it.phone.sent[frames][1] == tone(1.0)[::-1][:FRAME_BYTES]


async def test_a_phone_that_plays_late_gets_back_all_that_it_dropped() -> None:
    phone = Phone(RATE_HZ, delay_s=0.5)
    async with bot(phone) as it:
        await it.says(tone(6.0), *WORDS)
        await asyncio.sleep(3.0)
        await hold(it)
        await asyncio.sleep(1.0)
        before = len(phone.heard)
        await resume(it)
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        heard = b"".join(pcm for _, pcm in phone.heard[:before])
        rest = b"".join(pcm for _, pcm in phone.heard[before:])
        assert tone(6.0).startswith(heard)
        assert tone(6.0).endswith(rest)
        overlap_ms = (len(heard) + len(rest)) / 16 - 6_000
        assert OVERLAP_MS - 20 <= overlap_ms <= OVERLAP_MS + 40


async def test_marks_behind_the_hold_are_sent_again() -> None:
    async with bot(Phone(RATE_HZ, delay_s=0.3)) as it:
        await it.says(tone(0.5), ("goodbye", 0.0))
        await it.pipe.send(HangupFrame(EndReason.STOP_SERVICE))
        await asyncio.sleep(0.45)
        assert it.phone.marks == ["m1"]
        await hold(it)
        await asyncio.sleep(1.0)
        await resume(it)
        await it.pipe.down.wait(HangupFrame)
        # Not before the goodbye was really played to its end.
        assert it.phone.marks == ["m1", "m2"]
        assert it.phone.unplayed_ms == 0
        assert now() <= 1.45 + 0.5 + 0.3 + OVERLAP_MS / 1000 + 0.05


async def test_a_hold_while_the_socket_takes_nothing() -> None:
    """The frame that was on its way is dropped by the clear behind it, and sent again."""
    phone = SlowPhone()
    async with bot(phone) as it:
        await it.says(tone(2.0))
        await asyncio.sleep(0.5)
        phone.stall_s = 0.3
        await phone.stalled.wait()
        await hold(it)
        await asyncio.sleep(1.0)
        assert phone.log[-2:] == ["play", "clear"]
        before = len(phone.heard)
        await resume(it)
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        heard = b"".join(pcm for _, pcm in phone.heard[:before])
        rest = b"".join(pcm for _, pcm in phone.heard[before:])
        assert tone(2.0).startswith(heard[:-FRAME_BYTES])
        assert tone(2.0).endswith(rest)
        assert len(heard) + len(rest) >= len(tone(2.0))


@pytest.mark.parametrize("kind", [HoldPlaybackFrame, InterruptionFrame])
async def test_a_first_frame_that_the_socket_has_not_taken_is_cleared_too(kind: type[Frame]) -> None:
    phone = SlowPhone()
    phone.stall_s = 0.3
    async with bot(phone) as it:
        await it.says(tone(2.0))
        await phone.stalled.wait()
        await it.pipe.send(kind())
        await asyncio.sleep(1.0)
        assert phone.log == ["play", "clear"]


async def test_the_end_of_the_pipeline_ends_a_hold() -> None:
    async with bot() as it:
        await it.says(tone(5.0))
        await asyncio.sleep(1.0)
        await hold(it)
        await it.pipe.send(CancelFrame())
        await it.pipe.down.wait(CancelFrame)
        await asyncio.sleep(10)
        assert it.phone.silent_after(1.0)


async def test_a_hold_may_come_from_behind() -> None:
    async with bot() as it:
        await it.says(tone(5.0))
        await asyncio.sleep(1.0)
        await it.output.queue_frame(HoldPlaybackFrame(), FrameDirection.UPSTREAM)
        await turns()
        assert it.phone.cleared == [1.0]
        await it.output.queue_frame(ResumePlaybackFrame(), FrameDirection.UPSTREAM)
        await turns()
        assert it.phone.log[-1] == "play"


async def test_how_much_is_unheard_is_known() -> None:
    async with bot() as it:
        assert it.output.unheard_s() == 0.0
        await it.pipe.send(LLMFullResponseStartFrame())
        await turns()
        assert it.output.unheard_s() == math.inf
        await it.says(tone(2.0), *WORDS, ends=False)
        await it.pipe.send(LLMFullResponseEndFrame())
        await turns()
        assert it.output.unheard_s() == math.inf
        await it.pipe.send(TTSStoppedFrame())
        await asyncio.sleep(0.5)
        assert it.output.unheard_s() == pytest.approx(1.5, abs=0.05)
        await hold(it)
        await asyncio.sleep(1)
        assert it.output.unheard_s() == pytest.approx(1.5, abs=0.3)
        await it.pipe.send(LLMFullResponseStartFrame())
        await turns()
        await it.pipe.send(InterruptionFrame())
        await turns()
        assert it.output.unheard_s() == 0.0


async def test_what_the_bot_said_lately_is_known() -> None:
    async with bot() as it:
        assert it.output.recently_said() == ""
        await it.says(tone(2.0), *WORDS)
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert it.output.recently_said() == "one two three four"
        assert it.output.recently_said(within_s=1.0) == "three four"
        await asyncio.sleep(10)
        assert it.output.recently_said() == ""


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("audio"), st.integers(1, 900)),
        st.tuples(st.just("note"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 1_200)),
        st.tuples(st.just("hold"), st.just(0)),
        st.tuples(st.just("resume"), st.just(0)),
        st.tuples(st.just("interrupt"), st.just(0)),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=60)
@given(STEPS, st.sampled_from([0.0, 0.1, 0.4]), st.booleans())
def test_whatever_comes_nothing_is_lost_and_nothing_hangs(
    steps: list[tuple[str, int]], delay_s: float, echoes: bool
) -> None:
    async def scenario() -> None:
        phone = Phone(RATE_HZ, delay_s=delay_s, echoes=echoes)
        async with bot(phone) as it:
            position, notes, interrupted, holds = 0, 0, False, 0
            for step, amount in steps:
                match step:
                    case "audio":
                        await it.pipe.send(TTSStartedFrame())
                        pcm = np.arange(position, position + amount * 8).astype(np.int16).tobytes()
                        await it.pipe.send(TTSAudioRawFrame(pcm, RATE_HZ, 1), TTSStoppedFrame())
                        position += amount * 8
                    case "note":
                        await it.pipe.send(Note(text=str(notes)))
                        notes += 1
                    case "wait":
                        await asyncio.sleep(amount / 1000)
                    case "hold":
                        await hold(it)
                        holds += 1
                        frames = len(phone.sent)
                    case "resume":
                        await resume(it)
                    case _:
                        await it.pipe.send(InterruptionFrame())
                        interrupted = True
                await turns()
                if it.output.held:
                    assert len(phone.sent) == frames
                assert phone.unplayed_ms <= LOOK_AHEAD_MS + 2 * phone.frame_ms + delay_s * 1000
            await asyncio.sleep(position / RATE_HZ + holds * (OVERLAP_MS + 40) / 1000 + LIMIT_S + 4)
            assert not it.output.held
            assert phone.unplayed_ms == 0
            texts = [int(frame.text) for frame in it.pipe.down.of(Note)]
            assert texts == sorted(set(texts))
            starts, stops = it.pipe.down.of(BotStartedSpeakingFrame), it.pipe.down.of(BotStoppedSpeakingFrame)
            assert len(starts) <= len(stops)
            if not interrupted:
                assert texts == list(range(notes))
                samples = np.frombuffer(played(phone), dtype=np.int16)
                samples = samples[samples != 0]
                if delay_s == 0:
                    # In order, with a little said again after a hold.
                    assert np.all(np.diff(samples) >= -(OVERLAP_MS + 40) * 8)
                    assert set(samples.tolist()) == set(np.arange(position).astype(np.int16)[1:].tolist())

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(scenario())
