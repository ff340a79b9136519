"""What stands before and behind the model where nothing is spoken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pipecat.frames.frames import (
    CancelFrame,
    ControlFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.meter import Meter


@dataclass
class StepEndFrame(ControlFrame):
    """Everything that the model did in one step is in the context once this frame has come through."""


@dataclass(frozen=True, slots=True)
class Step:
    """One answer of the model, and the tools that it called in it.

    Attributes:
        tools: How many tools it called.
        asks_again: Whether one of them wants the model to go on with its result.
        failed: Why the model did not answer: the value of one of Pipecat's categories, or ``stalled``; '' if it did.
        permanent: Whether it cannot answer another time either.
    """

    tools: int = 0
    asks_again: bool = False
    failed: str = ""
    permanent: bool = False


class TextInlet(FrameProcessor):
    """Stands before the model and sees its errors before the answer that they break off has ended.

    Args:
        on_error: Called with each.
    """

    def __init__(self, on_error: Callable[[ErrorFrame], None]) -> None:
        # In direct mode a frame costs no queue and no task, and is seen in the moment in which it is pushed.
        super().__init__(enable_direct_mode=True)
        self._on_error = on_error

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass frames on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, ErrorFrame) and direction is FrameDirection.UPSTREAM:
            self._on_error(frame)
        await self.push_frame(frame, direction)


class TextOutlet(FrameProcessor):
    """Stands behind the model: gives its words away as they come, and notices when a step is over.

    Args:
        on_text: Gets each piece of the answer.
        meter: Counts what the model uses.
    """

    def __init__(self, on_text: Callable[[str], None], meter: Meter) -> None:
        super().__init__(enable_direct_mode=True)
        self._on_text = on_text
        self._meter = meter
        self._answered = False
        self._tools = 0
        self._running: set[str] = set()
        self._asks_again = False
        self._ending = False
        self.alive_s = 0.0
        """When the model, or a tool, last showed that it is there, on the loop's clock."""

    @property
    def waits_for_tools(self) -> bool:
        """Whether the model has answered, or called tools, and those are what is waited for."""
        return bool(self._running)

    def begin(self) -> None:
        """A step begins."""
        self._answered = self._asks_again = self._ending = False
        self._tools = 0
        self._running.clear()
        self.show_life()

    def show_life(self) -> None:
        """Note that the model is there, or that it is waited for anew from now on."""
        self.alive_s = asyncio.get_running_loop().time()

    def step(self) -> Step:
        """Return what became of the step that has ended."""
        return Step(tools=self._tools, asks_again=self._asks_again)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass frames on, but for requests to go on with a result: whoever runs the conversation decides that."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            if not isinstance(frame, LLMContextFrame):
                await self.push_frame(frame, direction)
            return
        match frame:
            case LLMFullResponseStartFrame():
                self.show_life()
            case LLMTextFrame():
                self.show_life()
                if frame.text:
                    self._on_text(frame.text)
            case LLMFullResponseEndFrame():
                self._answered = True
                self.show_life()
            case MetricsFrame():
                self._meter.take(frame)
            case CancelFrame() | EndFrame():
                self._ending = True
            case _:
                self._note_tools(frame)
        await self.push_frame(frame, direction)
        if self._answered and not self._running and not self._ending:
            self._ending = True
            await self.push_frame(StepEndFrame())

    def _note_tools(self, frame: Frame) -> None:
        match frame:
            case FunctionCallsStartedFrame():
                self._tools += len(frame.function_calls)
                self._running |= {call.tool_call_id for call in frame.function_calls}
            case FunctionCallResultFrame() if frame.properties is None or frame.properties.is_final:
                self._running.discard(frame.tool_call_id)
                self._asks_again |= frame.properties is None or frame.properties.run_llm is not False
                self.show_life()
            case FunctionCallCancelFrame():
                self._running.discard(frame.tool_call_id)
                self._asks_again = True
                self.show_life()
            case _:
                pass
