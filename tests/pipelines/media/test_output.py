"""How the bot's audio goes out: pacing, stalls, interruptions."""

import asyncio

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
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from models.aicall import EndReason
from pipelines.failover.reply_watch import HangupFrame
from pipelines.turns.hold import HoldPlaybackFrame
from tests.pipelines.bots import (
    FRAME_BYTES,
    LEAST_AHEAD_MS,
    LOOK_AHEAD_MS,
    MOST_AFTER_A_STALL_MS,
    RATE_HZ,
    Bot,
    Hour,
    Note,
    SlowPhone,
    bot,
    gaps,
    run,
    sent,
    stall,
    tone,
)
from tests.pipelines.calls import Phone, now
from tests.support.virtual_time import VirtualClockLoop

pytestmark = pytest.mark.virtual_time


# Pacing.


async def test_audio_is_paced_with_a_short_look_ahead() -> None:
    async with bot() as it:
        asked_s = now()
        await it.says(tone(2.0))
        await it.phone.until(lambda: bool(it.phone.sent))
        assert now() == asked_s
        for _ in range(95):
            await asyncio.sleep(0.0199)
            assert it.phone.unplayed_ms <= LOOK_AHEAD_MS + it.phone.frame_ms
            assert it.phone.unplayed_ms >= min(LEAST_AHEAD_MS, 2_000 - (now() - asked_s) * 1000 - 1)
        await it.pipe.down.wait(TTSStoppedFrame)
        assert now() - asked_s == pytest.approx(2.0, abs=0.041)
        assert sent(it.phone) == tone(2.0)
        assert {len(pcm) for _, pcm in it.phone.sent} == {FRAME_BYTES}
        assert gaps(it.phone) == []


async def test_nothing_is_sent_while_the_phone_systems_buffer_is_full_and_nothing_is_lost() -> None:
    phone = Phone(RATE_HZ)
    async with bot(phone) as it:
        await it.says(tone(2.0))
        await phone.until(lambda: len(phone.sent) > 20)
        phone.has_room = False
        before = len(phone.sent)
        await asyncio.sleep(1.0)
        assert len(phone.sent) == before
        phone.has_room = True
        await it.pipe.down.wait(TTSStoppedFrame)
        assert sent(phone) == tone(2.0)


async def test_a_phone_system_without_marks_is_asked_for_none() -> None:
    phone = Phone(RATE_HZ, echoes=False)
    phone.echoes_marks = False
    async with bot(phone) as it:
        await it.says(tone(2.0))
        await it.pipe.down.wait(TTSStoppedFrame)
        assert sent(phone) == tone(2.0)
        assert phone.marks == []
        assert "mark" not in phone.log


async def test_frames_as_long_as_the_look_ahead_play_without_a_gap() -> None:
    phone = SlowPhone()
    phone.frame_ms = LOOK_AHEAD_MS
    async with bot(phone) as it:
        await it.says(tone(2.1))
        await phone.until(lambda: bool(phone.sent))
        for _ in range(60):
            await asyncio.sleep(0.0301)
            assert LEAST_AHEAD_MS <= phone.unplayed_ms <= 2 * LOOK_AHEAD_MS
        phone.stall_s = 0.15
        await it.pipe.down.wait(TTSStoppedFrame)
        assert [len(pcm) for _, pcm in phone.sent] == [10 * FRAME_BYTES] * 11, "the last one is filled up"
        assert sent(phone) == tone(2.1) + bytes(5 * FRAME_BYTES)
        assert gaps(phone) == []
        await it.says(tone(2.0))
        await asyncio.sleep(0.5)
        await it.pipe.send(InterruptionFrame())
        await phone.until(lambda: bool(phone.cleared))
        assert phone.unplayed_ms == 0


async def test_a_stall_within_the_look_ahead_is_not_heard() -> None:
    phone = SlowPhone()
    async with bot(phone) as it:
        await it.says(tone(2.0))
        for _ in range(5):
            await asyncio.sleep(0.3)
            phone.stall_s = 0.15
        await it.pipe.down.wait(TTSStoppedFrame)
        assert gaps(phone) == []
        assert sent(phone) == tone(2.0)


async def test_after_a_long_stall_there_is_one_gap_and_no_backlog() -> None:
    phone = SlowPhone()
    async with bot(phone) as it:
        await it.says(tone(2.0))
        await asyncio.sleep(0.5)
        phone.stall_s = 0.7
        await phone.stalled.wait()
        await asyncio.sleep(0.71)
        assert phone.unplayed_ms >= LEAST_AHEAD_MS
        for _ in range(50):
            await asyncio.sleep(0.01)
            assert phone.unplayed_ms <= MOST_AFTER_A_STALL_MS
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert gaps(phone) == [pytest.approx(0.5, abs=0.041)]
        assert sent(phone) == tone(2.0)


@pytest.mark.parametrize("stall_s", [0.15, 0.21, 0.25, 0.7])
async def test_stall_after_stall_adds_up_to_no_backlog(stall_s: float) -> None:
    phone = SlowPhone()
    async with bot(phone) as it:
        await it.says(tone(20.0))
        for _ in range(10):
            await asyncio.sleep(0.5)
            phone.stalled.clear()
            phone.stall_s = stall_s
            await phone.stalled.wait()
            await asyncio.sleep(stall_s + 0.03)
            assert LEAST_AHEAD_MS <= phone.unplayed_ms <= MOST_AFTER_A_STALL_MS


async def test_marks_that_come_thick_and_fast_do_not_put_the_audio_off() -> None:
    async with bot() as it:
        await it.says(tone(2.0))
        await asyncio.sleep(0.3)
        for number in range(40):
            it.output.mark_reached(f"never sent {number}")
            await asyncio.sleep(0.0005)
        await it.pipe.down.wait(TTSStoppedFrame)
        assert gaps(it.phone) == []


async def test_a_voice_slower_than_speech_is_played_as_it_comes() -> None:
    async with bot() as it:
        await it.pipe.send(TTSStartedFrame())
        for _ in range(5):
            await it.pipe.send(TTSAudioRawFrame(tone(0.1), RATE_HZ, 1))
            await asyncio.sleep(0.3)
        await it.pipe.send(TTSStoppedFrame())
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert sent(it.phone) == tone(0.1) * 5
        assert gaps(it.phone) == [pytest.approx(0.2, abs=0.001)] * 4
        # Gaps of the voice are no pauses of the bot.
        assert len(it.pipe.down.of(BotStartedSpeakingFrame)) == 1


async def test_the_last_frame_is_filled_up_with_silence() -> None:
    async with bot() as it:
        await it.says(tone(0.111))
        await it.pipe.down.wait(TTSStoppedFrame)
        assert sent(it.phone) == tone(0.111) + bytes(FRAME_BYTES * 6 - len(tone(0.111)))


@pytest.mark.parametrize("rate_hz", [22_050, 24_000])
async def test_a_voice_at_another_rate(rate_hz: int) -> None:
    wave = np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz) * 10_000
    async with bot() as it:
        await it.says(wave.astype(np.int16).tobytes(), rate_hz=rate_hz)
        await it.pipe.down.wait(TTSStoppedFrame)
        samples = np.frombuffer(sent(it.phone), dtype=np.int16)
    # All of it, to its end, and the same tone.
    assert RATE_HZ <= len(samples) < RATE_HZ + 160
    assert np.abs(samples[RATE_HZ - 100 : RATE_HZ - 20]).max() > 8_000
    assert int(np.abs(np.fft.rfft(samples[:RATE_HZ])).argmax()) == 440


async def test_silence_before_an_answer_costs_no_work_and_the_answer_no_wait() -> None:
    async with bot() as it:
        await asyncio.sleep(60)
        for _ in range(2):
            asked_s, frames = now(), len(it.phone.sent)
            await it.says(tone(0.5))
            await it.phone.until(lambda: len(it.phone.sent) > frames)  # noqa: B023
            assert now() == asked_s
            await asyncio.sleep(3.777)
        assert gaps(it.phone) == [pytest.approx(3.277, abs=0.001)]


# Interruption.


async def test_an_interruption_clears_at_once_and_drops_the_rest() -> None:
    async with bot() as it:
        await it.says(tone(5.0), ("one", 0.0), ("two", 2.0))
        await it.pipe.send(Note())
        await asyncio.sleep(1.0)
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(InterruptionFrame)
        assert it.phone.cleared == [pytest.approx(1.0)]
        await asyncio.sleep(10)
        assert it.phone.silent_after(1.0)
        assert it.phone.log[-1] == "clear"
        assert it.heard_words() == ["one"]
        assert not it.pipe.down.of(Note)
        assert not it.pipe.down.of(TTSStoppedFrame)
        assert [type(frame) for frame in it.pipe.up.of(BotStoppedSpeakingFrame)] == [BotStoppedSpeakingFrame]
        it.ledger.close()
    record = it.records[0]
    assert (record.interrupted, record.clear_ms, record.bot_stop_ms) == (True, 1_000, 1_000)
    assert record.bot_text == "one"


async def test_after_an_interruption_the_next_answer_begins_at_once() -> None:
    async with bot() as it:
        # The second word was sent ahead, and dropped there.
        await it.says(tone(5.0), ("cut", 0.0), ("unheard", 1.1))
        await asyncio.sleep(1.0)
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(InterruptionFrame)
        frames = len(it.phone.sent)
        await it.says(tone(1.0), ("next", 0.0))
        await it.pipe.down.wait(BotStoppedSpeakingFrame, 2)
        assert it.phone.sent[frames][0] == pytest.approx(1.0, abs=0.001)
        assert b"".join(pcm for _, pcm in it.phone.sent[frames:]) == tone(1.0)
        assert now() == pytest.approx(2.0, abs=0.041)
        assert it.heard_words() == ["cut", "next"]


async def test_an_answer_that_was_cut_off_does_not_sound_on_in_the_next() -> None:
    """At another rate, where samples of the past shape those to come."""

    async def answer(it: Bot) -> bytes:
        frames = len(it.phone.sent)
        await it.says(tone(0.5, 24_000), rate_hz=24_000)
        await it.pipe.down.wait(TTSStoppedFrame)
        return b"".join(pcm for _, pcm in it.phone.sent[frames:])

    async with bot() as undisturbed:
        expected = await answer(undisturbed)
    async with bot() as it:
        await it.says(tone(5.0, 24_000), rate_hz=24_000, ends=False)
        await asyncio.sleep(1.0)
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(InterruptionFrame)
        assert await answer(it) == expected


async def test_what_must_not_be_interrupted_is_passed_on() -> None:
    async with bot() as it:
        await it.says(tone(5.0))
        await it.pipe.send(HangupFrame(EndReason.STOP_SERVICE), Note())
        await asyncio.sleep(1.0)
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(HangupFrame)
        assert now() == pytest.approx(1.0)
        assert not it.pipe.down.of(Note)


async def test_nothing_is_cleared_when_everything_was_heard() -> None:
    async with bot() as it:
        await it.pipe.send(InterruptionFrame())
        await it.says(tone(1.0))
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(InterruptionFrame, 2)
        assert it.phone.cleared == []
        it.ledger.close()
    assert not it.records[0].interrupted


async def test_an_interruption_while_the_socket_is_slow() -> None:
    phone = SlowPhone()
    async with bot(phone) as it:
        await it.says(tone(3.0))
        await asyncio.sleep(0.5)
        phone.stall_s = 0.1
        await phone.stalled.wait()
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(InterruptionFrame)
        await asyncio.sleep(1)
        # At most the frame that was on its way already.
        assert phone.log[phone.log.index("clear") :].count("play") <= 1
        frames = len(phone.sent)
        await it.says(tone(0.5))
        await it.pipe.down.wait(BotStoppedSpeakingFrame, 2)
        assert b"".join(pcm for _, pcm in phone.sent[frames:]) == tone(0.5)


async def test_the_end_of_the_pipeline_ends_the_playing() -> None:
    async with bot() as it:
        await it.says(tone(5.0))
        await asyncio.sleep(1.0)
        await it.pipe.send(CancelFrame())
        await it.pipe.down.wait(CancelFrame)
        ended_s = now()
        await asyncio.sleep(5)
        assert it.phone.silent_after(ended_s)


# All together.

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("audio"), st.integers(1, 900)),
        st.tuples(st.just("note"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 1_200)),
        st.tuples(st.just("interrupt"), st.just(0)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40)
@given(STEPS, st.sampled_from([0.0, 0.1, 0.4]), st.booleans())
def test_whatever_comes_order_and_bounds_are_kept(steps: list[tuple[str, int]], delay_s: float, echoes: bool) -> None:
    async def scenario() -> None:
        phone = Phone(RATE_HZ, delay_s=delay_s, echoes=echoes)
        async with bot(phone) as it:
            position, notes, interrupted = 0, 0, False
            for step, amount in steps:
                match step:
                    case "audio":
                        await it.says(np.arange(position, position + amount * 8).astype(np.int16).tobytes())
                        position += amount * 8
                    case "note":
                        await it.pipe.send(Note(text=str(notes)))
                        notes += 1
                    case "wait":
                        await asyncio.sleep(amount / 1000)
                    case _:
                        await it.pipe.send(InterruptionFrame())
                        await asyncio.sleep(0)
                        interrupted = True
                assert phone.unplayed_ms <= LOOK_AHEAD_MS + 2 * phone.frame_ms + delay_s * 1000
            await asyncio.sleep(position / RATE_HZ + 4)
            assert phone.unplayed_ms == 0
            texts = [int(frame.text) for frame in it.pipe.down.of(Note)]
            assert texts == sorted(texts)
            starts = len(it.pipe.down.of(BotStartedSpeakingFrame))
            assert len(it.pipe.down.of(BotStoppedSpeakingFrame)) >= starts
            if not interrupted:
                assert texts == list(range(notes))
                played = np.frombuffer(sent(phone), dtype=np.int16)
                assert np.array_equal(played[played != 0], np.arange(position).astype(np.int16)[1:])

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(scenario())


async def test_what_goes_upstream_does_not_wait() -> None:
    async with bot() as it:
        await it.says(tone(5.0))
        await asyncio.sleep(0.5)
        await it.output.queue_frame(Note(), FrameDirection.UPSTREAM)
        await it.pipe.up.wait(Note)
        assert now() == pytest.approx(0.5)


# A process that stands still for a while.


@pytest.mark.parametrize(("stall_s", "gap_s"), [(0.15, 0.0), (0.5, 0.34), (3.0, 2.84)])
def test_after_a_stall_of_the_process_the_look_ahead_is_whole_at_once(stall_s: float, gap_s: float) -> None:
    async def scenario() -> None:
        async with bot() as it:
            await it.says(tone(5.0))
            await asyncio.sleep(1.0)
            frames = len(it.phone.sent)
            left_ms = it.phone.unplayed_ms
            stall(stall_s)
            stalled_until_s = now()
            await asyncio.sleep(0.001)
            # All in one go, and no more than the look-ahead: what was missed is not made up for.
            again = it.phone.sent[frames:]
            assert {round(moment_s - stalled_until_s, 3) for moment_s, _ in again} <= {0.0, 0.001}
            assert LOOK_AHEAD_MS - 2 <= it.phone.unplayed_ms <= LOOK_AHEAD_MS + 20
            assert {len(pcm) for _, pcm in again} == {FRAME_BYTES}
            await it.pipe.down.wait(TTSStoppedFrame)
            assert sum(gaps(it.phone)) == pytest.approx(max(0.0, stall_s - left_ms / 1000), abs=0.002)
            assert sum(gaps(it.phone)) == pytest.approx(gap_s, abs=0.041)
            assert sent(it.phone) == tone(5.0)

    run(scenario())


def test_a_process_that_stalls_again_and_again_leaves_no_gap() -> None:
    async def scenario() -> None:
        async with bot() as it:
            await it.says(tone(20.0))
            for _ in range(60):
                await asyncio.sleep(0.1)
                stall(0.15)
            await it.pipe.down.wait(TTSStoppedFrame)
            assert gaps(it.phone) == []
            assert sent(it.phone) == tone(20.0)

    run(scenario())


# A phone system that takes nothing for a while.


async def test_what_the_socket_has_not_taken_is_not_at_the_phone() -> None:
    phone = SlowPhone()
    async with bot(phone) as it:
        await it.says(tone(5.0), ("one", 0.0), ("two", 1.0), ("three", 1.5))
        await asyncio.sleep(0.5)
        phone.stall_s = 2.0
        await phone.stalled.wait()
        stalled_s = now()
        await asyncio.sleep(1.99)
        # It ran dry in the meantime, so the caller has not heard on.
        assert it.heard_words() == ["one"]
        assert not it.output.bot_audible
        assert phone.silent_after(stalled_s)
        await asyncio.sleep(0.02)
        assert LEAST_AHEAD_MS <= phone.unplayed_ms <= MOST_AFTER_A_STALL_MS
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert it.heard_words() == ["one", "two", "three"]
        assert sent(phone) == tone(5.0)


async def test_a_clear_goes_out_before_anything_that_is_queued() -> None:
    phone = SlowPhone()
    async with bot(phone) as it:
        await it.says(tone(5.0))
        await asyncio.sleep(0.5)
        phone.stall_s = 1.0
        await phone.stalled.wait()
        await it.pipe.send(InterruptionFrame())
        await it.pipe.down.wait(InterruptionFrame)
        # The pipeline does not wait for the socket.
        assert now() == pytest.approx(0.5, abs=0.041)
        frames = len(phone.log)
        await it.says(tone(0.5)[::-1])
        await it.pipe.down.wait(BotStoppedSpeakingFrame, 2)
        assert phone.log[frames : frames + 3] == ["play", "clear", "play"]
        assert b"".join(pcm for _, pcm in phone.heard[-25:]) == tone(0.5)[::-1]


@pytest.mark.parametrize("kind", [InterruptionFrame, HoldPlaybackFrame])
async def test_a_clear_is_written_within_one_turn_of_the_loop(kind: type[Frame]) -> None:
    async with bot() as it:
        await it.says(tone(5.0))
        await asyncio.sleep(1.0)
        # Straight to the processor, as its neighbour hands it over: one turn to take it from its queue, one to act.
        await it.output.queue_frame(kind())
        for _ in range(2):
            await asyncio.sleep(0)
        assert it.phone.log[-1] == "clear"


async def test_twenty_minutes_of_speech_do_not_drift() -> None:
    """To a phone whose clock is ours; test_playback_clock.py has an hour, and clocks that differ."""
    phone = Hour()
    async with bot(phone) as it:
        await it.pipe.send(TTSStartedFrame())
        minute = bytes(RATE_HZ * 2 * 60)
        for number in range(20):
            await it.pipe.send(TTSAudioRawFrame(minute, RATE_HZ, 1))
            await asyncio.sleep(number * 60 + 50 - now())
            assert phone.played_s == pytest.approx(now(), abs=0.001)
            assert LEAST_AHEAD_MS <= phone.unplayed_ms <= LOOK_AHEAD_MS + phone.frame_ms + 0.001
        await it.pipe.send(TTSStoppedFrame())
        await it.pipe.down.wait(BotStoppedSpeakingFrame)
        assert now() == pytest.approx(1_200, abs=0.041)
        assert phone.dry_s == 0
