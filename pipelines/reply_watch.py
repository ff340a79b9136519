"""Watches the model's answer between the model and the voice."""

from __future__ import annotations

from dataclasses import dataclass

from pipecat.frames.frames import (
    ControlFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from models.aicall import EndReason
from pipelines.reply_watchdog import ReplyWatchdog
from pipelines.turn_ledger import TurnLedger


@dataclass
class HangupFrame(ControlFrame):
    """The call is to end once everything before this frame was heard.

    Attributes:
        reason: Why.
    """

    reason: EndReason

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        # A tool that has reported success must not be undone by the caller's next word.
        self.interruptible = False


class ReplyWatch(FrameProcessor):
    """Notes when the answer begins and ends, and keeps a `HangupFrame` behind the whole of it.

    A tool runs while the answer that called it is still streaming, so its `HangupFrame` would overtake the last
    sentence at the voice.

    Args:
        ledger: Gets the times.
        watchdog: Gets the model's signs of life.
    """

    def __init__(self, ledger: TurnLedger, watchdog: ReplyWatchdog) -> None:
        # In direct mode a frame costs no queue and no task; nothing here waits.
        super().__init__(enable_direct_mode=True)
        self._ledger = ledger
        self._watchdog = watchdog
        self._replying = False
        self._held: HangupFrame | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass frames on, the `HangupFrame` after the answer."""
        await super().process_frame(frame, direction)
        match frame:
            case LLMFullResponseStartFrame():
                self._replying = True
                self._watchdog.asked()
            case LLMTextFrame():
                self._ledger.llm_started()
                self._watchdog.token()
            case HangupFrame() if self._replying:
                self._held = frame
                return
            case LLMFullResponseEndFrame():
                self._replying = False
                self._ledger.llm_ended()
                self._watchdog.replied()
            case InterruptionFrame():
                self._replying = False
                self._watchdog.stop()
            case _:
                pass
        await self.push_frame(frame, direction)
        if not self._replying and self._held is not None:
            held, self._held = self._held, None
            await self.push_frame(held)
