"""One call's conversation: what happens in its pipeline, and what may be asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    CancelFrame,
    Frame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMSetToolsFrame,
    MetricsFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContextMessage
from pipecat.processors.aggregators.llm_response_universal import AssistantTurnStoppedMessage, UserTurnStoppedMessage
from pipecat.workers.runner import WorkerRunner

from models.aicall import EndReason
from models.prompts import CALL_CONNECTED, CALLER_SILENT
from models.turn import TurnTrigger
from pipelines.context.keeper import ContextKeeper
from pipelines.context.restore import Summary
from pipelines.context.summary import summarize
from pipelines.conversation.parts import make_parts, make_worker
from pipelines.conversation.recovery import LAST_WORDS_S, Recovery
from pipelines.conversation.types import ConversationListener, ConversationSettings, VoiceServices
from pipelines.ends_within import ends_within
from pipelines.failover.failures import Seat
from pipelines.failover.reply_watch import HangupFrame, HeardFrame
from pipelines.media.input import MediaInput
from pipelines.media.output import MediaOutput, MediaSink
from pipelines.meter import Meter
from pipelines.speech.greeting_cache import GreetingCache
from pipelines.speech.phrase_recorder import PhraseRecorder
from pipelines.team.handover import Handover
from pipelines.tools.toolset import Offer
from pipelines.turns.early_answer import EarlyCounts
from pipelines.vad.inference import InferenceEngine

_CALLER_WAITS = (TurnTrigger.SPEECH, TurnTrigger.DTMF, TurnTrigger.NOT_UNDERSTOOD)
"""Turns after which the caller waits for an answer."""


class Tools(Protocol):
    """Tools that are opened and closed with a conversation."""

    async def open(self, offer: Offer) -> None:
        """Find out which there are; ``offer`` is called with all of them when there are more than before."""

    async def aclose(self) -> None:
        """Close what was opened."""


class Conversation:
    """One call's conversation. Make it, `run` it, `stop` it.

    Args:
        services: Recogniser, model and voice.
        settings: How it runs.
        tools: What the model may call, each with its handler.
        sink: Where the bot's audio goes.
        inference: The process's shared models.
        listener: Gets what happens.
        greetings: The process's greetings; None for a cache of this call's own.
        phrases: Records sentences for `greetings`; None for one of this call's own.
        handover: The team that shares the call; its `Handover.schemas` are then the tools. None for one AI alone.
    """

    def __init__(
        self,
        services: VoiceServices,
        settings: ConversationSettings,
        tools: Sequence[FunctionSchema],
        *,
        sink: MediaSink,
        inference: InferenceEngine,
        listener: ConversationListener,
        greetings: GreetingCache | None = None,
        phrases: PhraseRecorder | None = None,
        handover: Handover | None = None,
    ) -> None:
        self._settings = settings
        self._handover = handover
        self._listener = listener
        self._idle_count = 0
        self._past_greeting = settings.past is not None and bool(settings.past.messages)
        self._answered_early = False
        self._parts = parts = make_parts(
            services,
            settings,
            tools,
            sink=sink,
            inference=inference,
            listener=listener,
            parts_listener=self,
            greetings=greetings,
            phrases=phrases,
        )
        if handover is not None:
            handover.bind(parts, inference, sink.sample_rate_hz)
        self._ending = parts.ending
        self._toolsets: list[Tools] = []
        self._keeper: ContextKeeper | None = None
        self._meter = Meter()
        self._worker = self._handled(make_worker(parts, sink.sample_rate_hz))

    @property
    def input(self) -> MediaInput:
        """Where the caller's audio and keys go."""
        return self._parts.input

    @property
    def output(self) -> MediaOutput:
        """Where the bot's audio comes from."""
        return self._parts.output

    @property
    def early_answers(self) -> EarlyCounts:
        """How many answers were begun early so far."""
        early = self._parts.early
        return early.counts if early is not None else EarlyCounts()

    def keep(self, toolset: Tools) -> None:
        """Open a set of tools when the conversation runs, and close it with it. To be called before `run`."""
        self._toolsets.append(toolset)

    def metered_by(self, meter: Meter) -> None:
        """Count on this meter, and end when it says that the call has cost too much. To be called before `run`."""
        self._meter = meter

    def sum_up(self, on_cut: Callable[[Summary], None]) -> None:
        """Keep the context within its budget. To be called before `run`; the context grows without end otherwise.

        Args:
            on_cut: Told what stands for the older part of the conversation from then on. Must return at once.
        """
        services = self._parts.services

        async def ask(transcript: str, limit_tokens: int) -> str:
            return await summarize(services.llm, services.provider(Seat.LLM), transcript, limit_tokens)

        self._keeper = ContextKeeper(self._parts.context, self._settings.options.context_tokens, ask, on_cut)

    # Its life.

    async def run(self) -> None:
        """Run the pipeline until it ends, by itself or by `stop`. Greets as soon as it runs."""
        runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
        loop = asyncio.get_running_loop()
        opening = [loop.create_task(it.open(self.offer_tools)) for it in self._toolsets]
        try:
            await runner.add_workers(self._worker)
            await runner.run()
        finally:
            self._parts.watch.finish()
            self._parts.filler.stop()
            self._parts.ledger.close()
            self._ending.cancel()
            self._recovery.cancel()
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
            await asyncio.gather(*(it.aclose() for it in self._toolsets))
            if self._keeper is not None:
                await self._keeper.aclose()

    async def stop(self, running: asyncio.Task[None], deadline_s: float) -> bool:
        """Cancel the pipeline, whatever state it is in.

        Args:
            running: The task that runs `run`.
            deadline_s: Time for all of it, seconds.

        Returns:
            Whether the pipeline ended in time. One that did not is left to itself; nothing of it can reach the call.
        """
        self._ending.close()
        self._parts.watch.finish()
        self._parts.filler.stop()
        step_s = deadline_s / 3
        if await ends_within(running, step_s, self._worker.cancel(reason="the call ended")):
            return True
        # A pipeline that waits for an EndFrame does not see a cancelled worker; only a frame put into the pipeline
        # itself frees it.
        if await ends_within(running, step_s, self._worker.pipeline.queue_frame(CancelFrame())):
            return True
        running.cancel()
        return await ends_within(running, step_s)

    @property
    def ending(self) -> bool:
        """Whether its last words are being said, or were."""
        return self._ending.begun

    async def pause(self) -> None:
        """Fall silent and listen to nobody, until `resume`. Idle and stall watches rest."""
        if not self._ending.begun:
            await self._parts.pausing.pause(self._parts, self._queue)

    async def resume(self) -> None:
        """Listen again, and say what the caller still has to hear. To be asked for once the pipeline runs."""
        if self._ending.begun:
            return
        past = self._settings.past
        begins = past is not None and not past.messages and not self._past_greeting
        await self._parts.pausing.resume(
            self._parts,
            self._queue,
            idle_timeout_s=self._settings.idle_timeout_s,
            tell=self._tell_model,
            speak_again=self._begin if begins else self._speak_again,
        )

    # What its tools ask of it.

    async def offer_tools(self, tools: Sequence[FunctionSchema]) -> None:
        """Let the model call these tools from its next answer on, and no others."""
        await self._queue(LLMSetToolsFrame(tools=ToolsSchema(standard_tools=list(tools))))

    async def put_in(self, message: LLMContextMessage, *, run_llm: bool, at_once: bool) -> None:
        """Put a message into the context from outside.

        Args:
            message: The message.
            run_llm: Whether the model answers it.
            at_once: Whether the bot is cut off for it; else an answer is said after what is being said.
        """
        if self._ending.begun:
            return
        if at_once:
            await self._queue(InterruptionFrame())
        await self._queue(LLMMessagesAppendFrame([message], run_llm=run_llm))

    async def say(self, text: str, *, at_once: bool) -> None:
        """Have the bot say something word by word.

        Args:
            text: What.
            at_once: Whether what it is saying is cut off for it.
        """
        if self._ending.begun:
            return
        if at_once:
            await self._queue(InterruptionFrame())
        await self._queue(TTSSpeakFrame(text, append_to_context=True))

    async def stop_media(self) -> None:
        """Stop what plays and what is still being synthesised; the model goes on."""
        # From the model, so that the words already on their way from it are dropped too.
        await self._parts.services.llm.push_frame(InterruptionFrame())

    async def hang_up(self, reason: EndReason = EndReason.STOP_SERVICE) -> None:
        """End the conversation once everything said before was heard.

        Args:
            reason: Why.
        """
        if self._ending.finished:
            return
        self._ending.finish_within(LAST_WORDS_S, reason)
        await self._parts.services.llm.push_frame(HangupFrame(reason))

    async def when_heard(self) -> None:
        """Wait until everything said before was heard, or dropped because the caller interrupts. Not bounded."""
        if self._ending.finished:
            return
        frame = HeardFrame(asyncio.Event())
        await self._parts.services.llm.push_frame(frame)
        await frame.heard.wait()

    # What happens in the pipeline.

    def _handled(self, worker: PipelineWorker) -> PipelineWorker:
        self._recovery = Recovery(self._parts, self._queue, self._speak_again)
        worker.add_event_handler("on_setup_timeout", self._on_setup_timeout)
        worker.add_event_handler("on_pipeline_started", self._on_started)
        worker.add_event_handler("on_pipeline_error", self._recovery.on_error)
        worker.add_event_handler("on_frame_reached_downstream", self._on_hangup)
        user, assistant = self._parts.user, self._parts.assistant
        user.add_event_handler("on_user_turn_started", self._on_user_turn_started)
        user.add_event_handler("on_user_turn_stopped", self._on_user_turn_stopped)
        user.add_event_handler("on_user_turn_idle", self._on_user_turn_idle)
        assistant.add_event_handler("on_assistant_turn_stopped", self._on_assistant_turn_stopped)
        return worker

    async def _on_started(self, worker: PipelineWorker, frame: Frame) -> None:
        del worker, frame
        self._listener.started()
        self._parts.ledger.media_started()
        if self._ending.begun:
            # A vendor refused while the pipeline was set up; the apology is on its way.
            return
        self._parts.phrases.prepare()
        if self._settings.past is None:
            await self._begin()

    async def _begin(self) -> None:
        self._parts.ledger.begin(TurnTrigger.GREETING)
        if self._settings.options.greeting:
            await self._greet()
        else:
            await self._tell_model(CALL_CONNECTED)

    async def _on_setup_timeout(self, worker: PipelineWorker) -> None:
        del worker
        # A vendor that neither takes nor refuses the connection.
        self._ending.finish(EndReason.PROVIDER_ERROR)

    async def _greet(self) -> None:
        self._parts.watch.asked(Seat.TTS)
        for frame in self._parts.greeting.frames(self._settings.options.greeting):
            await self._queue(frame)

    async def _speak_again(self) -> None:
        if self._past_greeting or not self._settings.options.greeting:
            await self._queue(LLMRunFrame())
        else:
            await self._greet()

    async def _on_user_turn_started(self, aggregator: object, *_: object) -> None:
        del aggregator
        self._parts.watch.turn_started()

    async def _on_user_turn_stopped(
        self, aggregator: object, strategy: object, message: UserTurnStoppedMessage
    ) -> None:
        del aggregator, strategy
        if message.content:
            self._idle_count = 0
            self._past_greeting = True
            self._recovery.heard()
            if self._handover is not None:
                self._handover.caller_spoke()
            if not self._answered_early:
                self._listener.user_said(message.content)
        self._answered_early = False

    async def _on_assistant_turn_stopped(self, aggregator: object, message: AssistantTurnStoppedMessage) -> None:
        del aggregator
        if message.content:
            self._past_greeting = True
            self._recovery.answered()
            self._listener.bot_said(message.content, interrupted=message.interrupted)
        if self._keeper is not None:
            # The bot has spoken to its end: no answer is being made to the context now.
            self._keeper.settle()

    async def _on_user_turn_idle(self, aggregator: object) -> None:
        del aggregator
        if self._ending.begun or self._parts.pausing.paused:
            return
        self._idle_count += 1
        if self._idle_count > self._settings.options.idle_limit:
            self._ending.finish(EndReason.IDLE)
        else:
            self._parts.ledger.begin(TurnTrigger.IDLE)
            await self._tell_model(CALLER_SILENT)

    async def _on_hangup(self, worker: PipelineWorker, frame: Frame) -> None:
        del worker
        if isinstance(frame, HangupFrame):
            self._ending.finish(frame.reason)
        elif isinstance(frame, HeardFrame):
            frame.heard.set()
        elif isinstance(frame, MetricsFrame):
            self._meter.take(frame)
            if self._meter.over and not self._ending.begun:
                await self._say_goodbye(self._settings.options.spent_goodbye, EndReason.MAX_SPEND)

    async def _say_goodbye(self, text: str, reason: EndReason) -> None:
        """End the conversation with these words, behind what is being said already."""
        self._ending.finish_within(self._settings.limits.tts_s + LAST_WORDS_S, reason)
        if text:
            await self._parts.reply_watch.push_frame(TTSSpeakFrame(text, append_to_context=True))
        await self._parts.reply_watch.push_frame(HangupFrame(reason))

    async def _tell_model(self, prompt: str) -> None:
        message: LLMContextMessage = {"role": "developer", "content": prompt}
        await self._queue(LLMMessagesAppendFrame([message], run_llm=True))

    async def _queue(self, frame: Frame) -> None:
        await self._worker.queue_frame(frame)

    # What its parts notice (`pipelines.conversation.parts.PartsListener`).

    def turn_began(self, trigger: TurnTrigger) -> None:
        """Expect an answer where the caller waits for one."""
        if trigger in _CALLER_WAITS and not self._ending.begun:
            self._parts.watch.asked()

    def stalled(self, seat: Seat) -> None:
        """Have a vendor that has fallen silent replaced, or ask it again."""
        self._recovery.stalled(seat)

    def recogniser_listens(self, since_s: float) -> bool:
        """Whether the recogniser has shown that it listens since a moment on the loop's clock."""
        return self._recovery.recogniser_listens(since_s)

    def filler_said(self, text: str) -> None:
        """Tell for whom the caller was asked to wait."""
        watch = self._parts.watch
        self._listener.filler_said(text, "tool" if watch.tools else watch.waits_for or Seat.STT)

    def answered_early(self, text: str) -> None:
        """Tell of the caller's words at once: their turn's own event may come after the answer's first audio."""
        self._answered_early = True
        if self._parts.pausing.paused:
            self._parts.pausing.owe()
        self._listener.user_said(text)
