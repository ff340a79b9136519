"""One Pipecat service in a minimal pipeline, for tests that show that a stand-in speaks the service's protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from pipecat.frames.frames import CancelFrame, Frame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

F = TypeVar("F", bound=Frame)


class Tap(FrameProcessor):
    """Records the frames that pass in one direction, and lets a test wait for them.

    Args:
        direction: Which direction to record.
    """

    def __init__(self, direction: FrameDirection) -> None:
        super().__init__()
        self._direction = direction
        self._changed = asyncio.Condition()
        self.frames: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Record and pass on."""
        await super().process_frame(frame, direction)
        if direction == self._direction and not isinstance(frame, StartFrame):
            async with self._changed:
                self.frames.append(frame)
                self._changed.notify_all()
        await self.push_frame(frame, direction)

    def of(self, kind: type[F]) -> list[F]:
        """The recorded frames of a kind."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    async def wait(self, kind: type[F], count: int = 1, timeout_s: float = 20.0) -> list[F]:
        """Wait until there are that many frames of a kind; returns all of them."""
        await self.until(lambda: len(self.of(kind)) >= count, timeout_s)
        return self.of(kind)

    async def until(self, done: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Wait until a condition on the recorded frames holds.

        Raises:
            TimeoutError: It did not in time.
        """
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(done)


class Pipe:
    """A running pipeline.

    Attributes:
        down: What left the service downstream.
        up: What left it upstream, errors above all.
    """

    def __init__(self, worker: PipelineWorker, up: Tap, down: Tap) -> None:
        self._worker = worker
        self.up = up
        self.down = down

    async def send(self, *frames: Frame) -> None:
        """Queue frames at the pipeline's beginning."""
        for frame in frames:
            await self._worker.queue_frame(frame)


@asynccontextmanager
async def piped(service: FrameProcessor, sample_rate_hz: int = 16_000, *, metrics: bool = False) -> AsyncIterator[Pipe]:
    """Run a service between two taps; the pipeline is cancelled at the end.

    Args:
        service: The service.
        sample_rate_hz: Rate of the audio in both directions, Hz.
        metrics: Whether frames with times and tokens are sent.
    """
    up, down = Tap(FrameDirection.UPSTREAM), Tap(FrameDirection.DOWNSTREAM)
    pipeline = Pipeline([up, service, down])
    params = PipelineParams(
        audio_in_sample_rate=sample_rate_hz,
        audio_out_sample_rate=sample_rate_hz,
        enable_metrics=metrics,
        enable_usage_metrics=metrics,
    )
    worker = PipelineWorker(pipeline, params=params, cancel_on_idle_timeout=False, enable_rtvi=False)
    started = asyncio.Event()

    async def on_started(_worker: PipelineWorker, _frame: Frame) -> None:
        started.set()

    worker.add_event_handler("on_pipeline_started", on_started)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(10):
            await started.wait()
        yield Pipe(worker, up, down)
    finally:
        await worker.queue_frame(CancelFrame())
        async with asyncio.timeout(10):
            await running
