"""Watches the recogniser: tells the call's `StallWatch` what goes in and what comes out.

It stands right behind the recogniser, which passes no audio on, so it costs a few frames per turn.
"""

from __future__ import annotations

from pipecat.frames.frames import (
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from adapters.stt.frames import SpeechNotUnderstoodFrame, TranscriptCompleteFrame
from pipelines.failover.stall_watch import StallWatch


class SpeechWatch(FrameProcessor):
    """Passes every frame on.

    Args:
        watch: The call's watch.
    """

    def __init__(self, watch: StallWatch) -> None:
        # In direct mode a frame costs no queue and no task; nothing here waits.
        super().__init__(enable_direct_mode=True)
        self._watch = watch

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Tell the watch, and pass the frame on."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            match frame:
                case VADUserStartedSpeakingFrame():
                    self._watch.voice_started()
                case VADUserStoppedSpeakingFrame():
                    self._watch.voice_stopped()
                case InterimTranscriptionFrame():
                    self._watch.interim()
                case TranscriptionFrame() | TranscriptCompleteFrame() | SpeechNotUnderstoodFrame():
                    self._watch.recognised()
                case _:
                    pass
        await self.push_frame(frame, direction)
