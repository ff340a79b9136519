import asyncio

import pytest
from pipecat.frames.frames import (
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from adapters.stt.frames import SpeechNotUnderstoodFrame, TranscriptCompleteFrame
from pipelines.failover.failures import Seat
from pipelines.failover.speech_watch import SpeechWatch
from pipelines.failover.stall_watch import StallLimits, StallWatch
from tests.standins.pipeline import piped

pytestmark = pytest.mark.virtual_time

RESULTS = {
    "a transcript": lambda: TranscriptionFrame("yes", "", ""),
    "no more": TranscriptCompleteFrame,
    "nothing": SpeechNotUnderstoodFrame,
    "an interim": lambda: InterimTranscriptionFrame("yes", "", ""),
    None: None,
}


@pytest.mark.parametrize("result", RESULTS)
async def test_what_settles_a_speech(result: str | None) -> None:
    stalls: list[Seat] = []
    watch = StallWatch(StallLimits(stt_s=1.5), stalls.append)
    make = RESULTS[result]
    async with piped(SpeechWatch(watch)) as pipe:
        frames = [VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame()]
        await pipe.send(*frames, *([make()] if make is not None else []))
        await asyncio.sleep(10)
        passed = [type(frame) for frame in pipe.down.frames]
    assert passed[:2] == [VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame]
    assert len(passed) == (3 if make is not None else 2)
    assert stalls == ([Seat.STT] if result in ("an interim", None) else [])
    watch.finish()
