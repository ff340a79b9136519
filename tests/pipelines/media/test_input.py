import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    CancelFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    UserIdleTimeoutUpdateFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from adapters.stt.frames import CallerPausedFrame, CallerResumedFrame
from models.turn import TurnRecord, TurnTrigger
from models.vad import EffectiveVad
from pipelines.media.input import MediaInput
from pipelines.turns.ledger import TurnLedger
from pipelines.vad.engine import VadEngine
from pipelines.vad.inference import InferenceEngine
from pipelines.vad.silero import SileroSession, SileroState
from pipelines.vad.smart_turn import TurnAudio
from tests.pipelines import sounds
from tests.standins.pipeline import Pipe, piped
from tests.support.virtual_time import VirtualClockLoop

RATE_HZ = 8_000
STEP_BYTES = RATE_HZ * 80 // 1000 * 2
"""80 ms."""
VAD = EffectiveVad(min_volume=0.0)


class Sound:
    """A `Scorer` for which every sound is a voice."""

    def score(self, states: Sequence[SileroState], windows: Sequence[bytes]) -> list[float]:
        return [float(any(window)) for window in windows]


def now() -> float:
    return asyncio.get_running_loop().time()


def pcm(seconds: float, value: int = 0) -> bytes:
    return np.full(int(seconds * RATE_HZ), value, dtype=np.int16).tobytes()


def numbered(count: int) -> bytes:
    """Samples of which no two are alike."""
    return np.arange(1, count + 1, dtype=np.int16).tobytes()


def media_input(
    engine: VadEngine | None = None, ledger: TurnLedger | None = None, turn_audio: TurnAudio | None = None, **how: Any
) -> MediaInput:
    return MediaInput(
        vad=engine or VadEngine(Sound(), threaded=False),
        settings=VAD,
        sample_rate_hz=RATE_HZ,
        ledger=ledger or TurnLedger(now, lambda record: None),
        turn_audio=turn_audio,
        **how,
    )


def audio(pipe: Pipe) -> list[bytes]:
    return [frame.audio for frame in pipe.down.of(InputAudioRawFrame)]


def speech_frames(pipe: Pipe) -> list[type[Frame]]:
    kinds = VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame
    return [type(frame) for frame in pipe.down.frames if isinstance(frame, kinds)]


def audio_s_before(pipe: Pipe, kind: type[Frame]) -> float:
    """How much audio went ahead of a frame, seconds."""
    frames = pipe.down.frames
    first = next(number for number, frame in enumerate(frames) if isinstance(frame, kind))
    return sum(len(frame.audio) for frame in frames[:first] if isinstance(frame, InputAudioRawFrame)) / 2 / RATE_HZ


async def drained(pipe: Pipe) -> None:
    """Let everything that was handed over come through."""
    for _ in range(200):
        await asyncio.sleep(0)


async def stream(media: MediaInput, sound: bytes, chunk_s: float = 0.02) -> None:
    """Send audio as a phone system does."""
    for chunk in sounds.cut(sound, [int(chunk_s * RATE_HZ)]):
        await media.feed(chunk)
        await asyncio.sleep(chunk_s)


@asynccontextmanager
async def running(media: MediaInput) -> AsyncIterator[Pipe]:
    async with piped(media, RATE_HZ) as pipe:
        yield pipe


# Audio.


@pytest.mark.virtual_time
async def test_audio_goes_on_in_steps_of_80_ms() -> None:
    media = media_input()
    async with running(media) as pipe:
        for _ in range(3):
            await media.feed(numbered(160))
            await drained(pipe)
            assert not audio(pipe)
        await media.feed(numbered(160))
        await drained(pipe)
        assert audio(pipe) == [numbered(160) * 4]
        frame = pipe.down.of(InputAudioRawFrame)[0]
        assert (frame.sample_rate, frame.num_channels) == (RATE_HZ, 1)


@pytest.mark.virtual_time
async def test_what_comes_before_the_pipeline_runs_is_kept_in_order() -> None:
    media = media_input()
    sound = numbered(4_000)
    await media.feed(sound[:5_000])
    await media.press("1")
    await media.press("2")
    async with running(media) as pipe:
        await media.feed(sound[5_000:])
        await media.press("3")
        await pipe.down.wait(InputDTMFFrame, 3)
        await drained(pipe)
        whole = len(sound) // STEP_BYTES * STEP_BYTES
        assert b"".join(audio(pipe)) == sound[:whole]
        assert {len(step) for step in audio(pipe)} == {STEP_BYTES}
        assert [frame.button.value for frame in pipe.down.of(InputDTMFFrame)] == ["1", "2", "3"]


async def hesitate(media: MediaInput, frame: Frame) -> None:
    """Make every push give way to the other tasks."""
    await asyncio.sleep(0)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 2_000), max_size=20), st.lists(st.integers(1, 2_000), min_size=1, max_size=20))
def test_no_sample_is_lost_or_moved(early: list[int], late: list[int]) -> None:
    async def scenario() -> None:
        media = media_input()
        sound = numbered(sum(early) + sum(late))
        chunks = sounds.cut(sound, early + late)
        for chunk in chunks[: len(early)]:
            await media.feed(chunk)
        media.add_event_handler("on_before_push_frame", hesitate)
        async with running(media) as pipe:
            # All at once, by tasks that overtake each other if they can.
            await asyncio.gather(*(media.feed(chunk) for chunk in chunks[len(early) :]))
            await drained(pipe)
            sent = b"".join(audio(pipe))
            assert sent == sound[: len(sent)]
            assert len(sound) - len(sent) < STEP_BYTES

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(scenario())


@pytest.mark.virtual_time
async def test_after_the_end_nothing_goes_on() -> None:
    media, pushed = media_input(), []

    async def push(media: MediaInput, frame: Frame) -> None:
        pushed.append(frame)

    media.add_event_handler("on_before_push_frame", push)
    async with running(media) as pipe:
        await media.feed(numbered(1_000))
        await pipe.send(CancelFrame())
        await pipe.down.wait(CancelFrame)
        pushed.clear()
        await media.feed(numbered(1_000))
        await media.press("1")
        await drained(pipe)
        assert not pushed


# Speech.


@pytest.mark.virtual_time
async def test_speech_is_announced_where_it_was_confirmed() -> None:
    records: list[TurnRecord] = []
    ledger = TurnLedger(now, records.append)
    media = media_input(ledger=ledger)
    async with running(media) as pipe:
        ledger.media_started()
        await stream(media, pcm(1.0) + pcm(1.0, value=1_000) + pcm(1.0))
        assert speech_frames(pipe) == [VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame]
        # Six windows of 32 ms confirm it: the first with sound ends at 1.024 s, the first without at 2.048 s. What was
        # received until then goes ahead, to the end of the message that completes the sixth window.
        assert audio_s_before(pipe, VADUserStartedSpeakingFrame) == pytest.approx(1.2)
        assert audio_s_before(pipe, VADUserStoppedSpeakingFrame) == pytest.approx(2.22)
        assert pipe.down.of(VADUserStartedSpeakingFrame)[0].start_secs == VAD.start_secs
        assert pipe.down.of(VADUserStoppedSpeakingFrame)[0].stop_secs == VAD.stop_secs
        ledger.begin(TurnTrigger.SPEECH)
        ledger.close()
    (record,) = records
    assert record.speech_start_ms == pytest.approx(1_000, abs=81)
    assert record.speech_end_ms == pytest.approx(2_000, abs=81)


async def test_a_person_is_noticed(inference: InferenceEngine) -> None:
    sound = np.concatenate([sounds.silence(RATE_HZ, 0.5), sounds.person(RATE_HZ), sounds.silence(RATE_HZ, 1.0)])
    media = MediaInput(
        vad=inference.vad,
        settings=EffectiveVad(),
        sample_rate_hz=RATE_HZ,
        ledger=TurnLedger(now, lambda record: None),
    )
    async with running(media) as pipe:
        for chunk in sounds.cut(sound.tobytes(), [160]):
            await media.feed(chunk)
        await pipe.down.wait(VADUserStoppedSpeakingFrame)
        assert speech_frames(pipe)[:2] == [VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame]


@pytest.mark.virtual_time
@pytest.mark.parametrize("early", [True, False], ids=["before the pipeline runs", "while it runs"])
async def test_speech_within_a_single_message_is_noticed(early: bool) -> None:
    media, sound = media_input(), pcm(0.5) + pcm(1.0, value=1_000) + pcm(0.5)
    if early:
        await media.feed(sound)
    async with running(media) as pipe:
        if not early:
            await media.feed(sound)
        await pipe.down.wait(VADUserStoppedSpeakingFrame)
        assert speech_frames(pipe) == [VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame]


@pytest.mark.virtual_time
async def test_a_stream_that_breaks_off_in_mid_speech_is_silence() -> None:
    media = media_input(audio_timeout_s=1.0)
    async with running(media) as pipe:
        await stream(media, pcm(1.5, value=1_000))
        assert speech_frames(pipe) == [VADUserStartedSpeakingFrame]
        silent_s = now()
        await pipe.down.wait(VADUserStoppedSpeakingFrame)
        assert 1.0 <= now() - silent_s <= 2.0
        # And back again, which may break off again.
        await stream(media, pcm(0.5, value=1_000) + pcm(2.0))
        assert speech_frames(pipe) == [VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame] * 2
        await stream(media, pcm(0.5, value=1_000))
        await pipe.down.wait(VADUserStoppedSpeakingFrame, 3)


@pytest.mark.virtual_time
async def test_a_long_speech_is_no_broken_stream() -> None:
    media = media_input(audio_timeout_s=1.0)
    async with running(media) as pipe:
        await stream(media, pcm(10, value=1_000))
        assert speech_frames(pipe) == [VADUserStartedSpeakingFrame]


@pytest.mark.virtual_time
@pytest.mark.parametrize("pause_s", [0.44, 0.48, 0.52, 0.56, 0.6, 0.64])
async def test_the_watch_over_the_stream_does_not_hold_up_speech_that_begins(pause_s: float) -> None:
    """The watch looks a second after the speech was confirmed, wherever the next speech stands by then."""
    media = media_input(audio_timeout_s=1.0)
    async with running(media) as pipe:
        await stream(media, pcm(0.52, value=1_000) + pcm(pause_s))
        began_s = now()
        speaking = asyncio.create_task(stream(media, pcm(1.0, value=1_000)))
        await pipe.down.wait(VADUserStartedSpeakingFrame, 2)
        assert now() - began_s == pytest.approx(0.2, abs=0.081)
        await speaking


@pytest.mark.virtual_time
async def test_other_values_count_from_the_next_silence_on() -> None:
    node = media_input()
    later = EffectiveVad(min_volume=0.0, stop_secs=1.0, start_secs=0.1)
    async with piped(node, RATE_HZ) as pipe:
        await node.feed(pcm(1.0, 5000))
        await pipe.down.wait(VADUserStartedSpeakingFrame)
        audio_kept = TurnAudio(RATE_HZ, later.start_secs)
        node.change(later, audio_kept)
        await node.feed(pcm(1.0))
        (first,) = await pipe.down.wait(VADUserStoppedSpeakingFrame)
        await node.feed(pcm(0.2) + pcm(1.0, 5000) + pcm(2.0))
        second = (await pipe.down.wait(VADUserStoppedSpeakingFrame, 2))[1]
        assert (first.stop_secs, second.stop_secs) == (VAD.stop_secs, 1.0)
        assert pipe.down.of(VADUserStartedSpeakingFrame)[1].start_secs == 0.1
        assert any(audio_kept.take())


@pytest.mark.virtual_time
async def test_smart_turn_gets_the_same_audio() -> None:
    turn_audio = TurnAudio(RATE_HZ, VAD.start_secs)
    media = media_input(turn_audio=turn_audio)
    sound = pcm(2.0) + pcm(1.0, value=1_000) + pcm(0.4)
    async with running(media):
        await stream(media, sound)
    taken = turn_audio.take()
    assert sound.endswith(taken)
    # From half a second before the speech on.
    assert len(taken) / 2 / RATE_HZ == pytest.approx(1.9, abs=0.1)


# Pauses.


def pause_frames(pipe: Pipe) -> list[type[Frame]]:
    return [type(frame) for frame in pipe.down.frames if isinstance(frame, CallerPausedFrame | CallerResumedFrame)]


@pytest.mark.virtual_time
async def test_pauses_are_told_behind_the_audio_that_led_to_them() -> None:
    media = media_input(tell_pauses=True)
    async with running(media) as pipe:
        await stream(media, pcm(1.0, value=1_000) + pcm(0.15) + pcm(0.5, value=1_000) + pcm(0.5))
        assert pause_frames(pipe) == [CallerPausedFrame, CallerResumedFrame, CallerPausedFrame]
        # Three windows of 32 ms, the last of which ends at 1.12 s.
        assert audio_s_before(pipe, CallerPausedFrame) == pytest.approx(1.12)
        assert pipe.down.of(CallerPausedFrame)[0].silence_s == pytest.approx(0.1)
        assert speech_frames(pipe) == [VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame]


@pytest.mark.virtual_time
async def test_pauses_are_told_only_when_asked_for() -> None:
    media = media_input()
    async with running(media) as pipe:
        await stream(media, pcm(1.0, value=1_000) + pcm(0.5))
        assert pause_frames(pipe) == []


async def test_what_the_engines_thread_finds_out_is_told_without_more_audio() -> None:
    engine = VadEngine(SileroSession())
    media = media_input(engine)
    async with running(media) as pipe:
        await media.feed(sounds.speech(RATE_HZ).tobytes()[: RATE_HZ * 2])
        await pipe.down.wait(VADUserStartedSpeakingFrame)
    engine.close()


# Keys.


@pytest.mark.virtual_time
async def test_keys() -> None:
    media = media_input()
    async with running(media) as pipe:
        for key in "0159*#":
            await media.press(key)
        await drained(pipe)
        assert "".join(frame.button.value for frame in pipe.down.of(InputDTMFFrame)) == "0159*#"
        assert not pipe.down.of(UserIdleTimeoutUpdateFrame)


@pytest.mark.virtual_time
@pytest.mark.parametrize("key", ["A", "D", "", "12", "x"])
async def test_keys_that_phones_do_not_have_are_passed_over(key: str) -> None:
    media = media_input()
    await media.press(key)
    async with running(media) as pipe:
        await media.press(key)
        await media.press("1")
        await drained(pipe)
        assert [frame.button.value for frame in pipe.down.of(InputDTMFFrame)] == ["1"]


@pytest.mark.virtual_time
async def test_every_key_starts_the_callers_silence_anew() -> None:
    media = media_input(idle_timeout_s=7.0)
    async with running(media) as pipe:
        await media.press("1")
        await media.press("2")
        await drained(pipe)
        assert [frame.timeout for frame in pipe.down.of(UserIdleTimeoutUpdateFrame)] == [7.0, 7.0]
