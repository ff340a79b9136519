"""Watches the model's answer between the model and the voice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pipecat.frames.frames import (
    ControlFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from models.aicall import EndReason
from pipelines.failover.stall_watch import StallWatch
from pipelines.turns.ledger import TurnLedger


@dataclass
class AfterwardsFrame(ControlFrame):
    """Comes out of the pipeline once everything before it was heard, or at once when the caller interrupts."""

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        # A tool that has reported success must not be undone by the caller's next word.
        self.interruptible = False


@dataclass
class HangupFrame(AfterwardsFrame):
    """The call is to end once everything before this frame was heard.

    Attributes:
        reason: Why.
    """

    reason: EndReason


@dataclass
class HeardFrame(AfterwardsFrame):
    """Tells that everything before this frame was heard.

    Attributes:
        heard: Set when it comes out.
    """

    heard: asyncio.Event


class ReplyWatch(FrameProcessor):
    """Notes when the answer begins and ends, and keeps each `AfterwardsFrame` behind the whole of it.

    A tool runs while the answer that called it is still streaming, so its frame would overtake the last sentence at
    the voice.

    Args:
        ledger: Gets the times.
        watch: Gets the model's signs of life, and those of its tools.
    """

    def __init__(self, ledger: TurnLedger, watch: StallWatch) -> None:
        # In direct mode a frame costs no queue and no task; nothing here waits.
        super().__init__(enable_direct_mode=True)
        self._ledger = ledger
        self._watch = watch
        self._replying = False
        self._said = False
        self._asks_anew: InterruptionFrame | None = None
        self._held: list[AfterwardsFrame] = []

    def interruption(self) -> InterruptionFrame:
        """Make the frame by which the model drops the question that it is at, to be asked again.

        Where the model has said nothing yet, the frame goes no further than here: a filler is not cut off by it.
        """
        frame = InterruptionFrame()
        if self._replying and not self._said:
            self._asks_anew = frame
        return frame

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass frames on, each `AfterwardsFrame` after the answer."""
        await super().process_frame(frame, direction)
        match frame:
            case LLMFullResponseStartFrame():
                self._replying = True
                self._said = False
                self._watch.asked()
            case LLMTextFrame():
                self._ledger.llm_started()
                self._said = True
                self._watch.token()
            case AfterwardsFrame() if self._replying:
                self._held.append(frame)
                return
            case LLMFullResponseEndFrame():
                self._replying = False
                self._ledger.llm_ended()
                self._watch.replied()
            case InterruptionFrame():
                if frame is self._asks_anew:
                    # Nothing of the answer has left the model, so nobody behind it has anything to drop.
                    frame, self._asks_anew = LLMFullResponseEndFrame(), None
                else:
                    self._watch.stop()
                self._replying = False
            case FunctionCallsStartedFrame():
                self._watch.tools_started(len(frame.function_calls))
            case FunctionCallCancelFrame():
                self._watch.tool_ended(asks_again=False)
            case FunctionCallResultFrame() if frame.properties is None or frame.properties.is_final:
                properties = frame.properties
                self._watch.tool_ended(asks_again=properties is None or properties.run_llm is not False)
            case _:
                pass
        await self.push_frame(frame, direction)
        while not self._replying and self._held:
            await self.push_frame(self._held.pop(0))
