"""The agent of a conversation in writing: the model, its tools and the context, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import CancelFrame, ErrorFrame, Frame, LLMContextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator
from pipecat.services.llm_service import LLMService
from pipecat.utils.errors import ErrorCategory
from pipecat.workers.runner import WorkerRunner

from adapters.vendor_errors import STALLED
from models.errors import Unavailable
from pipelines.ends_within import ends_within
from pipelines.failover.failover import Failover
from pipelines.meter import Meter
from pipelines.text.outlet import Step, StepEndFrame, TextInlet, TextOutlet

_SETUP_TIMEOUT_S = 6.0
"""How long the pipeline may take to start, seconds."""
_STEP_TIMEOUT_S = 300.0
"""Longest step, tools and all, seconds: behind the limits of the model and of each tool."""


class TextAgent:
    """One conversation's model, while there is something to do in it. Make it, `start` it, `ask` it, `stop` it.

    Args:
        llm: The model, or several.
        context: What was said so far.
        tools: What the model may call, each with its handler.
        on_text: Gets each piece of an answer as it comes.
        stall_s: Longest silence of the model, seconds.
        meter: Counts what the model uses.
    """

    def __init__(
        self,
        llm: LLMService[Any] | Failover,
        context: Sequence[LLMContextMessage],
        tools: Sequence[FunctionSchema],
        *,
        on_text: Callable[[str], None],
        stall_s: float,
        meter: Meter,
    ) -> None:
        self._llm = llm
        self._stall_s = stall_s
        self.context = LLMContext(messages=list(context))
        if tools:
            self.context.set_tools(ToolsSchema(standard_tools=list(tools)))
        self._outlet = TextOutlet(on_text, meter)
        self._step_ended = asyncio.Event()
        self._started = asyncio.Event()
        self._error: ErrorFrame | None = None
        self._stalled = False
        self._running: asyncio.Task[None] | None = None
        self._worker = self._build()

    def _build(self) -> PipelineWorker:
        worker = PipelineWorker(
            Pipeline([TextInlet(self._on_error), self._llm, self._outlet, LLMAssistantAggregator(self.context)]),
            params=PipelineParams(enable_usage_metrics=True),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
            cancel_timeout_secs=2,
            setup_timeout_secs=_SETUP_TIMEOUT_S,
            start_timeout_secs=_SETUP_TIMEOUT_S,
            check_dangling_tasks=False,
        )
        worker.set_reached_downstream_filter((StepEndFrame,))
        worker.add_event_handler("on_pipeline_started", self._on_started)
        worker.add_event_handler("on_frame_reached_downstream", self._on_reached)
        return worker

    async def start(self) -> None:
        """Start the pipeline.

        Raises:
            Unavailable: It does not start in time.
        """
        self._running = asyncio.get_running_loop().create_task(self._run(), name="text agent")
        if not await self._unless_over(self._started, 2 * _SETUP_TIMEOUT_S):
            raise Unavailable("the model could not be set up")

    async def ask(self) -> Step:
        """Let the model answer to the context, and carry out the tools that it calls.

        Returns:
            What became of it; what was said and called is in the context. After a step that failed the agent is of no
            more use: what the model may still say to it would be taken for the next answer.
        """
        self._error, self._stalled = None, False
        self._step_ended.clear()
        self._outlet.begin()
        await self._worker.queue_frame(LLMContextFrame(self.context))
        watching = asyncio.get_running_loop().create_task(self._watch(), name="model watch")
        try:
            ended = await self._unless_over(self._step_ended, _STEP_TIMEOUT_S)
        finally:
            watching.cancel()
            await asyncio.wait({watching})
        return self._outcome(in_time=ended)

    async def stop(self, deadline_s: float) -> bool:
        """Stop the pipeline, whatever state it is in.

        Returns:
            Whether it ended in time; one that did not is left to itself.
        """
        if self._running is None:
            return True
        step_s = deadline_s / 3
        if await ends_within(self._running, step_s, self._worker.cancel(reason="the conversation rests")):
            return True
        if await ends_within(self._running, step_s, self._worker.pipeline.queue_frame(CancelFrame())):
            return True
        self._running.cancel()
        return await ends_within(self._running, step_s)

    def _outcome(self, *, in_time: bool) -> Step:
        if self._stalled or not in_time:
            return Step(failed=STALLED)
        if self._error is None:
            return self._outlet.step()
        category = self._error.category or ErrorCategory.UNKNOWN
        return Step(failed=category.value, permanent=not self._llm.is_usable)

    async def _run(self) -> None:
        runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
        await runner.add_workers(self._worker)
        await runner.run()

    async def _unless_over(self, event: asyncio.Event, limit_s: float) -> bool:
        """Wait for something, or for the pipeline's end."""
        assert self._running is not None  # noqa: S101  # started before anything is waited for
        waiting = asyncio.get_running_loop().create_task(event.wait())
        try:
            await asyncio.wait({waiting, self._running}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return event.is_set()

    async def _watch(self) -> None:
        """Replace a model that falls silent, or give the step up where there is no other."""
        loop = asyncio.get_running_loop()
        while True:
            since_s = loop.time() if self._outlet.waits_for_tools else self._outlet.alive_s
            left_s = since_s + self._stall_s - loop.time()
            if left_s > 0:
                await asyncio.sleep(left_s)
                continue
            self._outlet.show_life()
            if not (isinstance(self._llm, Failover) and await self._llm.stalled()):
                self._stalled = True
                self._step_ended.set()
                return

    async def _on_started(self, worker: PipelineWorker, frame: Frame) -> None:
        del worker, frame
        self._started.set()

    async def _on_reached(self, worker: PipelineWorker, frame: Frame) -> None:
        del worker, frame
        self._step_ended.set()

    def _on_error(self, frame: ErrorFrame) -> None:
        if frame.processor is self._llm and frame.category is not ErrorCategory.APPLICATION:
            self._error = frame
