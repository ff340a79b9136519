"""Whatever happens in whatever order, through Pipecat's own queues."""

import asyncio
from collections.abc import Awaitable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    Frame,
    InputDTMFFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from adapters.stt.frames import SpeechNotUnderstoodFrame
from pipelines.turns.barge_in import Action
from tests.pipelines.talks import STOP_S, Talk, talking
from tests.support.virtual_time import VirtualClockLoop

TEXTS = ("Mm-hm.", "at noon", "stop")
STEPS = ("voice", "silence", "not understood", "key", "talk", "end", *TEXTS, *(f"interim {text}" for text in TEXTS))
LONGEST_HOLD_S = 2.5


def on_virtual_time(work: Awaitable[None]) -> None:
    async def run() -> None:
        await work

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(run())


def frame_of(step: str, *, complete: bool) -> Frame | None:
    match step:
        case "voice":
            return VADUserStartedSpeakingFrame(start_secs=0.2)
        case "silence":
            return VADUserStoppedSpeakingFrame(stop_secs=STOP_S)
        case "not understood":
            return SpeechNotUnderstoodFrame(0.3)
        case "key":
            return InputDTMFFrame(KeypadEntry.FOUR)
    if step in TEXTS:
        return TranscriptionFrame(step, "", "", finalized=complete)
    return InterimTranscriptionFrame(step.removeprefix("interim "), "", "")


async def play(it: Talk, steps: list[tuple[str, float]]) -> None:
    speaking = False
    for step, pause_s in [*steps, ("silence", 20.0)]:
        if step == "talk":
            await it.player.talk()
        elif step == "end":
            await it.player.end()
        elif step not in {"voice", "silence"} or speaking is (step == "silence"):
            frame = frame_of(step, complete=pause_s == 0)
            speaking = {"voice": True, "silence": False}.get(step, speaking)
            await it.pipe.send(frame)
        await asyncio.sleep(pause_s)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from([0.0, 0.0, 0.1, 0.4, 1.2])), max_size=25),
    st.sampled_from(["confirm", "off", "immediate"]),
)
def test_the_bot_is_held_for_a_moment_at_most(steps: list[tuple[str, float]], mode: str) -> None:
    async def work() -> None:
        async with talking(barge_in=mode) as it:
            await play(it, steps)
            assert not it.player.held
            if mode != "confirm":
                assert "hold" not in it.player.told()
            for (what, at_s), (_, next_s) in pairwise(it.player.log):
                assert what != "hold" or next_s - at_s <= LONGEST_HOLD_S + 0.001
            for (action, _), (following, _) in pairwise(it.counted()):
                assert action is not Action.HOLD or following in {Action.START, Action.RESUME}
            # Each turn is one message at most, and nothing that was not a turn is one.
            assert len(it.user_said()) <= sum(action is Action.START for action, _ in it.counted())

    on_virtual_time(work())


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["Mm-hm.", "we close at noon", ""]), st.booleans(), st.floats(0.0, 0.7))))
def test_any_number_of_backchannels_leaves_the_conversation_as_it_was(said: list[tuple[str, bool, float]]) -> None:
    async def work() -> None:
        async with talking() as it:
            await it.player.talk()
            for text, done, pause_s in said:
                await it.voice(0.3)
                await asyncio.sleep(pause_s)
                if text:
                    await it.heard(text, done=done)
                await asyncio.sleep(1)
                assert not it.player.held
            await asyncio.sleep(10)
            assert it.nothing_happened()
            told = it.player.told()
            assert told == ["hold", "resume"] * (len(told) // 2)

    on_virtual_time(work())
