"""One call's conversation: the Pipecat pipeline, what happens in it, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    CancelFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnStoppedMessage,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.turns.empty_user_turn import EmptyUserTurnConfig
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.errors import ErrorCategory
from pipecat.workers.runner import WorkerRunner

from adapters.breaker import Circuit
from adapters.reconnects import Reconnects, TellsAlive
from adapters.vendor_errors import STALLED
from models.aicall import EndReason
from models.fillers import fillers_of
from models.options import CallOptions
from models.prompts import CALL_CONNECTED, CALLER_SILENT, NOT_UNDERSTOOD, NOT_UNDERSTOOD_INTERRUPTED
from models.turn import TurnRecord, TurnTrigger
from models.vad import EffectiveVad
from pipelines.ends_within import ends_within
from pipelines.failover.failover import Failover, Switch
from pipelines.failover.failures import FailureCounter, Seat
from pipelines.failover.news import FailoverNews
from pipelines.failover.reply_watch import HangupFrame, ReplyWatch
from pipelines.failover.speech_watch import SpeechWatch
from pipelines.failover.stall_watch import StallLimits, StallWatch
from pipelines.media.input import MediaInput
from pipelines.media.output import MediaOutput, MediaSink
from pipelines.speech.filler import Filler
from pipelines.speech.greeting_cache import GreetingCache
from pipelines.speech.greeting_player import GreetingPlayer
from pipelines.speech.phrase_recorder import PhraseRecorder, SpareVoice
from pipelines.speech.phrases import Phrases
from pipelines.turns.barge_in import Decision
from pipelines.turns.early_answer import EarlyAnswer, EarlyCounts, context_version
from pipelines.turns.end_strategy import EndOfTurnStrategy
from pipelines.turns.ledger import TurnLedger
from pipelines.turns.start_strategy import BargeInRules, TurnStartStrategy
from pipelines.turns.turn_end import TurnEndSettings
from pipelines.vad.inference import InferenceEngine
from pipelines.vad.smart_turn import TurnAudio

_LAST_WORDS_S = 30.0
"""Longest that a goodbye may take before the call is ended all the same, seconds."""
_TURN_STOP_TIMEOUT_S = 8.0
"""Pipecat's own safety net behind `EndOfTurnStrategy`, seconds."""
_REPROMPTS = 1_000_000
"""How often in a row a caller who is not understood is asked again: always, since the alternative is silence."""
_VOICE_RETRY_S = 0.8
"""How long after a voice failed the bot speaks again, seconds: time for it to connect anew."""
_CALLER_WAITS = (TurnTrigger.SPEECH, TurnTrigger.DTMF, TurnTrigger.NOT_UNDERSTOOD)
"""Turns after which the caller waits for an answer."""
_CONNECT_TIMEOUT_S = 6.0
"""How long the vendors' sockets may take to open, seconds."""


@dataclass(frozen=True, slots=True)
class VoiceServices:
    """The three services of a voice call, made for it.

    Attributes:
        stt: The recogniser.
        llm: The model.
        tts: The voice.
        voice_identity: What decides how the voice sounds (`adapters.tts.build.voice_identity`); '' for one whose
            greetings are not to be kept.
        spare_voice: The voice that the call begins with, to be made once more; None when nothing is to be recorded.
        providers: The vendors' names in the seats' tables.
        circuits: What the process knows of the vendors of seats that have but one.
        may_speculate: Whether the model may be asked for an answer that is then not used.
    """

    stt: STTService | Failover
    llm: LLMService[Any] | Failover
    tts: TTSService | Failover
    voice_identity: str = ""
    spare_voice: SpareVoice | None = None
    providers: Mapping[Seat, str] = field(default_factory=dict)
    circuits: Mapping[Seat, Circuit] = field(default_factory=dict)
    may_speculate: bool = True

    def of(self, seat: Seat) -> FrameProcessor:
        """Return what stands in a seat."""
        return {Seat.STT: self.stt, Seat.LLM: self.llm, Seat.TTS: self.tts}[seat]

    def provider(self, seat: Seat) -> str:
        """Return the vendor that has a seat now; '' when that is not known."""
        service = self.of(seat)
        return service.provider if isinstance(service, Failover) else self.providers.get(seat, "")


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """How a conversation runs.

    Attributes:
        vad: The effective VAD values.
        smart_turn_enabled: Whether Smart Turn decides the end of a turn.
        options: What the AI's ``parameter`` says.
        idle_timeout_s: Silence of the caller before they are asked whether they are there, seconds.
        limits: Longest silence of the vendors.
        answers_early: Whether answers may be begun before the caller's turn is certainly over.
        language: BCP 47 tag of the caller's speech; '' for the recogniser's default.
    """

    vad: EffectiveVad
    smart_turn_enabled: bool
    options: CallOptions
    idle_timeout_s: float
    limits: StallLimits = field(default_factory=StallLimits)
    answers_early: bool = False
    language: str = ""


class ConversationListener(Protocol):
    """Gets what happens in a conversation. Its methods return at once and never raise."""

    def started(self) -> None:
        """The pipeline runs."""

    def user_said(self, text: str) -> None:
        """The caller's turn is over."""

    def bot_said(self, text: str, *, interrupted: bool) -> None:
        """The bot's turn is over; the text is what the caller heard."""

    def turn_completed(self, record: TurnRecord) -> None:
        """A turn's latency record is complete."""

    def barge_in_decided(self, decision: Decision) -> None:
        """The caller made himself heard over the bot, or the turn began."""

    def provider_failed(self, seat: Seat, category: str, *, fatal: bool) -> None:
        """A vendor failed."""

    def provider_switched(self, switch: Switch) -> None:
        """A vendor failed and another one took its place; the conversation goes on."""

    def filler_said(self, text: str, waits_for: str) -> None:
        """The caller is asked to wait for ``stt``, ``llm``, ``tts`` or a ``tool``."""

    def finished(self, reason: EndReason) -> None:
        """The conversation came to its end by itself; it is to be stopped now. Called at most once."""


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
    ) -> None:
        self._services = services
        self._settings = settings
        self._listener = listener
        self._finishing = False
        self._idle_count = 0
        self._failures = FailureCounter()
        self._retry: asyncio.TimerHandle | None = None
        self._speaking_again: asyncio.Task[None] | None = None
        self._past_greeting = False
        self._deadline: asyncio.TimerHandle | None = None
        self._stalls: set[asyncio.Task[None]] = set()
        for service in (services.stt, services.llm, services.tts):
            if isinstance(service, Failover):
                service.watch(FailoverNews(self._switched, self._failed_unnoticed))
        self.ledger = TurnLedger(asyncio.get_running_loop().time, listener.turn_completed, self._turn_began)
        self._watch = StallWatch(settings.limits, self._stalled, self._due, self._listens)
        self._reply_watch = ReplyWatch(self.ledger, self._watch)
        cache = GreetingCache() if greetings is None else greetings
        self._greeting = GreetingPlayer(services.tts, cache, services.voice_identity)
        self.output = MediaOutput(sink, self.ledger, watch=self._watch)
        options = settings.options
        texts = fillers_of(settings.language) if options.filler is None else options.filler
        recorder = PhraseRecorder(cache) if phrases is None else phrases
        self._phrases = Phrases(recorder, services.spare_voice, [*texts, options.apology], self.output)
        self._filler = Filler(
            texts,
            options.filler_after_s,
            watch=self._watch,
            mouth=self._phrases,
            caller_speaks=lambda: self.input.speaking,
            on_said=self._filler_said,
        )
        rate_hz = sink.sample_rate_hz
        turn_audio = TurnAudio(rate_hz, settings.vad.start_secs) if settings.smart_turn_enabled else None
        self._context = LLMContext(tools=ToolsSchema(standard_tools=list(tools))) if tools else LLMContext()
        self._early = EarlyAnswer(lambda: context_version(self._context)) if settings.answers_early else None
        self._answered_early = False
        self.input = MediaInput(
            vad=inference.vad,
            settings=settings.vad,
            sample_rate_hz=rate_hz,
            ledger=self.ledger,
            turn_audio=turn_audio,
            tell_pauses=settings.answers_early,
            idle_timeout_s=settings.idle_timeout_s,
        )
        self._strategy = EndOfTurnStrategy(
            TurnEndSettings(speech_timeout_s=settings.options.speech_timeout_s, smart_turn=turn_audio is not None),
            self.ledger,
            vad_stop_secs=settings.vad.stop_secs,
            smart_turn=(inference.smart_turn, turn_audio, rate_hz) if turn_audio is not None else None,
            early=self._early,
            on_answered=self._on_answered_early,
        )
        self._start = TurnStartStrategy(
            BargeInRules.of(settings.options, language=settings.language, can_clear=True),
            self.output,
            forget=self._forget_speech,
            count=listener.barge_in_decided,
        )
        self._worker = self._build(rate_hz)

    @property
    def early_answers(self) -> EarlyCounts:
        """How many answers were begun early so far."""
        return self._early.counts if self._early is not None else EarlyCounts()

    def _forget_speech(self) -> None:
        self._strategy.forget()
        self.ledger.speech_forgotten()

    async def run(self) -> None:
        """Run the pipeline until it ends, by itself or by `stop`. Greets as soon as it runs."""
        runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
        try:
            await runner.add_workers(self._worker)
            await runner.run()
        finally:
            self._watch.finish()
            self._filler.stop()
            self.ledger.close()
            if self._deadline is not None:
                self._deadline.cancel()
            if self._retry is not None:
                self._retry.cancel()
            for task in (*self._stalls, self._speaking_again):
                if task is not None:
                    task.cancel()

    async def stop(self, running: asyncio.Task[None], deadline_s: float) -> bool:
        """Cancel the pipeline, whatever state it is in.

        Args:
            running: The task that runs `run`.
            deadline_s: Time for all of it, seconds.

        Returns:
            Whether the pipeline ended in time. One that did not is left to itself; nothing of it can reach the call.
        """
        self._finishing = True
        self._watch.finish()
        self._filler.stop()
        step_s = deadline_s / 3
        if await ends_within(running, step_s, self._worker.cancel(reason="the call ended")):
            return True
        # A pipeline that waits for an EndFrame does not see a cancelled worker; only a frame put into the pipeline
        # itself frees it.
        if await ends_within(running, step_s, self._worker.pipeline.queue_frame(CancelFrame())):
            return True
        running.cancel()
        return await ends_within(running, step_s)

    async def stop_media(self) -> None:
        """Stop what plays and what is still being synthesised; the model goes on."""
        # From the model, so that the words already on their way from it are dropped too.
        await self._services.llm.push_frame(InterruptionFrame())

    async def hang_up(self) -> None:
        """End the conversation once everything said before was heard."""
        self._finish_within(_LAST_WORDS_S, EndReason.STOP_SERVICE)
        await self._services.llm.push_frame(HangupFrame(EndReason.STOP_SERVICE))

    # Building.

    def _build(self, rate_hz: int) -> PipelineWorker:
        options = self._settings.options
        user, assistant = LLMContextAggregatorPair(
            self._context,
            user_params=LLMUserAggregatorParams(
                user_turn_strategies=UserTurnStrategies(start=[self._start], stop=[self._strategy]),
                user_turn_stop_timeout=_TURN_STOP_TIMEOUT_S,
                user_idle_timeout=self._settings.idle_timeout_s,
                empty_user_turn=EmptyUserTurnConfig(
                    interrupted_prompt=NOT_UNDERSTOOD_INTERRUPTED,
                    idle_prompt=NOT_UNDERSTOOD,
                    max_consecutive_recoveries=_REPROMPTS,
                ),
            ),
        )
        keypad = DTMFAggregator(
            timeout=options.dtmf_timeout_s,
            termination_digit=KeypadEntry(options.dtmf_terminator),
            # All but digits only passes through it, and costs no queue and no task in direct mode.
            enable_direct_mode=True,
        )
        services = self._services
        worker = PipelineWorker(
            Pipeline(
                [
                    self.input,
                    services.stt,
                    SpeechWatch(self._watch),
                    keypad,
                    user,
                    services.llm,
                    self._reply_watch,
                    services.tts,
                    self._greeting,
                    self.output,
                    assistant,
                ]
            ),
            params=PipelineParams(audio_in_sample_rate=rate_hz, audio_out_sample_rate=rate_hz),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
            cancel_timeout_secs=2,
            setup_timeout_secs=_CONNECT_TIMEOUT_S,
            start_timeout_secs=_CONNECT_TIMEOUT_S,
            check_dangling_tasks=False,
        )
        worker.set_reached_downstream_filter((HangupFrame,))
        worker.add_event_handler("on_setup_timeout", self._on_setup_timeout)
        worker.add_event_handler("on_pipeline_started", self._on_started)
        worker.add_event_handler("on_pipeline_error", self._on_error)
        worker.add_event_handler("on_frame_reached_downstream", self._on_hangup)
        user.add_event_handler("on_user_turn_started", self._on_user_turn_started)
        user.add_event_handler("on_user_turn_stopped", self._on_user_turn_stopped)
        user.add_event_handler("on_user_turn_idle", self._on_user_turn_idle)
        assistant.add_event_handler("on_assistant_turn_stopped", self._on_assistant_turn_stopped)
        return worker

    # What happens in the pipeline.

    async def _on_started(self, worker: PipelineWorker, frame: Frame) -> None:
        del worker, frame
        self._listener.started()
        self.ledger.media_started()
        if self._ending:
            # A vendor refused while the pipeline was set up; the apology is on its way.
            return
        self._phrases.prepare()
        self.ledger.begin(TurnTrigger.GREETING)
        if self._settings.options.greeting:
            await self._greet()
        else:
            await self._tell_model(CALL_CONNECTED)

    async def _on_setup_timeout(self, worker: PipelineWorker) -> None:
        del worker
        # A vendor that neither takes nor refuses the connection.
        self._finish(EndReason.PROVIDER_ERROR)

    async def _greet(self) -> None:
        self._watch.asked(Seat.TTS)
        for frame in self._greeting.frames(self._settings.options.greeting):
            await self._worker.queue_frame(frame)

    def _turn_began(self, trigger: TurnTrigger) -> None:
        if trigger in _CALLER_WAITS and not self._ending:
            self._watch.asked()

    async def _on_user_turn_started(self, aggregator: object, *_: object) -> None:
        del aggregator
        self._watch.turn_started()

    async def _on_user_turn_stopped(
        self, aggregator: object, strategy: object, message: UserTurnStoppedMessage
    ) -> None:
        del aggregator, strategy
        if message.content:
            self._idle_count = 0
            self._past_greeting = True
            self._failures.worked(Seat.STT)
            if self._retry is not None:
                # The caller's words are answered now, and not those before them.
                self._retry.cancel()
                self._retry = None
            if not self._answered_early:
                self._listener.user_said(message.content)
        self._answered_early = False

    def _on_answered_early(self, text: str) -> None:
        # The event of the turn's end comes when the first audio of the answer may be out already.
        self._answered_early = True
        self._listener.user_said(text)

    async def _on_assistant_turn_stopped(self, aggregator: object, message: AssistantTurnStoppedMessage) -> None:
        del aggregator
        if message.content:
            self._past_greeting = True
            self._failures.worked(Seat.LLM)
            self._failures.worked(Seat.TTS)
            self._listener.bot_said(message.content, interrupted=message.interrupted)

    async def _on_user_turn_idle(self, aggregator: object) -> None:
        del aggregator
        if self._ending:
            return
        self._idle_count += 1
        if self._idle_count > self._settings.options.idle_limit:
            self._finish(EndReason.IDLE)
        else:
            self.ledger.begin(TurnTrigger.IDLE)
            await self._tell_model(CALLER_SILENT)

    async def _on_hangup(self, worker: PipelineWorker, frame: Frame) -> None:
        del worker
        if isinstance(frame, HangupFrame):
            self._finish(frame.reason)

    async def _tell_model(self, prompt: str) -> None:
        message: LLMContextMessage = {"role": "developer", "content": prompt}
        await self._worker.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))

    # Failures.

    async def _on_error(self, worker: PipelineWorker, frame: ErrorFrame) -> None:
        del worker
        if self._finishing or self._greeting.closed:
            return
        seat = self._seat_of(frame.processor)
        if seat is None or frame.category is ErrorCategory.APPLICATION:
            logger.warning("pipeline error in {}", frame.processor)
            return
        permanent = frame.processor is not None and not frame.processor.is_usable
        if not permanent and self._retry is not None and seat is Seat.TTS:
            # One break of a voice makes several errors: its own, what was left unsaid, a connection that has closed.
            return
        category = frame.category.value if frame.category else "unknown"
        if not permanent and seat is Seat.LLM and self._strategy.early_answer_failed():
            # It cost nobody anything yet: the model is asked again when the turn ends, and only that counts.
            self._listener.provider_failed(seat, category, fatal=False)
            return
        await self._failed(seat, category, permanent=permanent)

    async def _failed(self, seat: Seat, category: str, *, permanent: bool = False) -> None:
        fatal = self._failures.failed(seat, permanent=permanent)
        self._listener.provider_failed(seat, category, fatal=fatal)
        if fatal:
            await self._give_up(seat)
        elif seat is Seat.LLM and not self._ending:
            await self._worker.queue_frame(LLMRunFrame())
        elif seat is Seat.TTS and not self._ending:
            # What it still says of this answer would be mixed with the next try.
            await self._worker.queue_frame(InterruptionFrame())
            self._retry = asyncio.get_running_loop().call_later(_VOICE_RETRY_S, self._answer_again)

    def _answer_again(self) -> None:
        """Let the bot speak once more: what the caller did not hear is not in the context either."""
        self._retry = None
        if not self._ending and not self.input.speaking:
            self._speaking_again = asyncio.get_running_loop().create_task(self._speak_again())

    async def _speak_again(self) -> None:
        if self._past_greeting or not self._settings.options.greeting:
            await self._worker.queue_frame(LLMRunFrame())
        else:
            await self._greet()

    def _switched(self, switch: Switch) -> None:
        self._watch.replaced(switch.seat)
        self._listener.provider_switched(switch)

    def _failed_unnoticed(self, seat: Seat, category: str) -> None:
        self._listener.provider_failed(seat, category, fatal=False)

    def _due(self) -> None:
        self._filler.due()

    def _listens(self, since_s: float) -> bool:
        service = self._services.stt
        stt = service.service if isinstance(service, Failover) else service
        return isinstance(stt, TellsAlive) and stt.alive_s > since_s

    def _filler_said(self, text: str) -> None:
        waits_for = "tool" if self._watch.tools else self._watch.waits_for or Seat.STT
        self._listener.filler_said(text, waits_for)

    def _stalled(self, seat: Seat) -> None:
        task = asyncio.get_running_loop().create_task(self._replace_or_ask_again(seat))
        self._stalls.add(task)
        task.add_done_callback(self._stalls.discard)

    async def _replace_or_ask_again(self, seat: Seat) -> None:
        service = self._services.of(seat)
        replaced = isinstance(service, Failover) and await service.stalled()
        if not replaced:
            stalled = service.service if isinstance(service, Failover) else service
            if seat is Seat.LLM and not self._ending:
                # It drops the question at which it is stuck.
                await service.queue_frame(self._reply_watch.interruption())
            await self._failed(seat, STALLED)
            reconnects = not self._ending and isinstance(stalled, Reconnects) and await stalled.reconnect()
            if seat is Seat.STT and not reconnects:
                self._watch.recognised()
                return
        if seat is Seat.STT:
            self._watch.listen_again()
            await self._strategy.listen_again()
        elif replaced or seat is Seat.LLM:
            self._watch.asked(seat)

    async def _give_up(self, seat: Seat) -> None:
        """End the call because a vendor failed for good; say so to the caller where there is a voice to say it."""
        if self._ending and seat is not Seat.TTS:
            # The last words are on their way; they need the voice alone.
            return
        apology, goodbye = self._settings.options.apology, HangupFrame(EndReason.PROVIDER_ERROR)
        if self._greeting.closed:
            return
        if apology and await self._greeting.say_last(apology, goodbye):
            self._watch.finish()
            self._finish_within(_LAST_WORDS_S, EndReason.PROVIDER_ERROR)
            return
        if seat is Seat.TTS or not apology:
            self._finish(EndReason.PROVIDER_ERROR)
            return
        self._finish_within(self._settings.limits.tts_s + _LAST_WORDS_S, EndReason.PROVIDER_ERROR)
        self._filler.stop()
        self._watch.asked(Seat.TTS)
        # Put in behind the model, which may be what hangs.
        await self._reply_watch.push_frame(InterruptionFrame())
        await self._reply_watch.push_frame(TTSSpeakFrame(apology, append_to_context=True))
        await self._reply_watch.push_frame(goodbye)

    def _seat_of(self, processor: FrameProcessor | None) -> Seat | None:
        services = self._services
        return {services.stt: Seat.STT, services.llm: Seat.LLM, services.tts: Seat.TTS}.get(processor)  # type: ignore[call-overload,no-any-return]

    # The end.

    @property
    def _ending(self) -> bool:
        return self._finishing or self._deadline is not None

    def _finish_within(self, limit_s: float, reason: EndReason) -> None:
        self._filler.stop()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(limit_s, self._finish, reason)

    def _finish(self, reason: EndReason) -> None:
        if self._finishing:
            return
        self._finishing = True
        self._watch.finish()
        self._listener.finished(reason)
