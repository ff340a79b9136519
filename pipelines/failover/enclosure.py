"""One service out of several that may stand in a seat, and where its frames come out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from pipecat.frames.frames import Frame, FunctionCallCancelFrame, FunctionCallInProgressFrame, FunctionCallResultFrame
from pipecat.pipeline.pipeline import PipelineSink, PipelineSource
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup


class Enclosure:
    """A service with both of its ends held.

    Args:
        service: The service.
        left: Gets every frame that leaves it, at either end.

    Attributes:
        service: The service.
        started: Whether it was given a ``StartFrame``.
        done_with: Set whenever the service has let go of something; whoever waits looks what.
        tools: The calls of tools that it has made and that have not ended.
    """

    def __init__(self, service: FrameProcessor, left: Callable[[Self, Frame, FrameDirection], Awaitable[None]]) -> None:
        self.service = service
        self.started = False
        self.done_with = asyncio.Event()
        self.tools: set[str] = set()

        async def leave(frame: Frame, direction: FrameDirection) -> None:
            await left(self, frame, direction)

        self._source = PipelineSource(leave)
        self._sink = PipelineSink(leave)
        self._source.link(service)
        service.link(self._sink)
        self._released = False

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Set the service up."""
        for processor in (self._source, self._sink, self.service):
            await processor.setup(setup)

    async def release(self) -> None:
        """Release the service; a second time does nothing."""
        if self._released:
            return
        self._released = True
        for processor in (self.service, self._source, self._sink):
            await processor.cleanup()

    def note_tool(self, frame: Frame) -> bool:
        """Note which tools the service has called that have not ended. Returns whether the frame is of one."""
        match frame:
            case FunctionCallInProgressFrame():
                self.tools.add(frame.tool_call_id)
            case FunctionCallCancelFrame():
                self.tools.discard(frame.tool_call_id)
            case FunctionCallResultFrame():
                if frame.properties is None or frame.properties.is_final:
                    self.tools.discard(frame.tool_call_id)
            case _:
                return False
        self.done_with.set()
        return True
