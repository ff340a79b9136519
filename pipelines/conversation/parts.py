"""The parts of one call's conversation, and the pipeline that they make."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import MetricsFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMAssistantAggregator,
    LLMContextAggregatorPair,
    LLMUserAggregator,
    LLMUserAggregatorParams,
)
from pipecat.turns.empty_user_turn import EmptyUserTurnConfig
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from models.aicall import EndReason
from models.fillers import fillers_of
from models.prompts import NOT_UNDERSTOOD, NOT_UNDERSTOOD_INTERRUPTED
from models.turn import TurnTrigger
from pipelines.conversation.ending import Ending
from pipelines.conversation.pausing import Pausing
from pipelines.conversation.types import ConversationListener, ConversationSettings, VoiceServices
from pipelines.failover.failures import Seat
from pipelines.failover.reply_watch import AfterwardsFrame, ReplyWatch
from pipelines.failover.speech_watch import SpeechWatch
from pipelines.failover.stall_watch import StallWatch
from pipelines.media.input import MediaInput
from pipelines.media.output import MediaOutput, MediaSink
from pipelines.speech.filler import Filler
from pipelines.speech.greeting_cache import GreetingCache
from pipelines.speech.greeting_player import GreetingPlayer
from pipelines.speech.phrase_recorder import PhraseRecorder
from pipelines.speech.phrases import Phrases
from pipelines.turns.early_answer import EarlyAnswer, context_version
from pipelines.turns.end_strategy import EndOfTurnStrategy
from pipelines.turns.ledger import TurnLedger
from pipelines.turns.start_strategy import BargeInRules, TurnStartStrategy
from pipelines.turns.turn_end import TurnEndSettings
from pipelines.vad.inference import InferenceEngine
from pipelines.vad.smart_turn import TurnAudio

_TURN_STOP_TIMEOUT_S = 8.0
"""Pipecat's own safety net behind `EndOfTurnStrategy`, seconds."""
_REPROMPTS = 1_000_000
"""How often in a row a caller who is not understood is asked again: always, since the alternative is silence."""
_CONNECT_TIMEOUT_S = 6.0
"""How long the vendors' sockets may take to open, seconds."""


class PartsListener(Protocol):
    """Gets what the parts notice. Its methods return at once and never raise."""

    def turn_began(self, trigger: TurnTrigger) -> None:
        """A turn has begun."""

    def stalled(self, seat: Seat) -> None:
        """A vendor has fallen silent."""

    def recogniser_listens(self, since_s: float) -> bool:
        """Whether the recogniser has shown that it listens since a moment on the loop's clock."""

    def filler_said(self, text: str) -> None:
        """The caller was asked to wait."""

    def answered_early(self, text: str) -> None:
        """The caller's words are answered before the event of their turn's end has come."""


@dataclass(frozen=True)
class Parts:
    """What a conversation is made of.

    Attributes:
        services: Recogniser, model and voice.
        settings: How it runs.
        listener: Gets what happens.
        ending: Its end.
        ledger: The turns' times.
        watch: Notices a vendor that falls silent.
        speech_watch: Tells `watch` of the recogniser.
        reply_watch: Tells `watch` and `ledger` of the model.
        greeting: Says the greeting.
        input: The caller's audio and keys.
        output: The bot's audio.
        phrases: The sentences that are recorded beforehand.
        filler: Asks the caller to wait.
        context: What the model knows.
        early: Answers that are begun before the turn is certainly over; None where they are not wanted.
        strategy: When the caller's turn is over.
        start: When it begins.
        user: Collects what the caller says.
        assistant: Collects what the bot says.
        pausing: Whether the conversation is on hold.
    """

    services: VoiceServices
    settings: ConversationSettings
    listener: ConversationListener
    ending: Ending
    ledger: TurnLedger
    watch: StallWatch
    speech_watch: SpeechWatch
    reply_watch: ReplyWatch
    greeting: GreetingPlayer
    input: MediaInput
    output: MediaOutput
    phrases: Phrases
    filler: Filler
    context: LLMContext
    early: EarlyAnswer | None
    strategy: EndOfTurnStrategy
    start: TurnStartStrategy
    user: LLMUserAggregator
    assistant: LLMAssistantAggregator
    pausing: Pausing


def make_parts(
    services: VoiceServices,
    settings: ConversationSettings,
    tools: Sequence[FunctionSchema],
    *,
    sink: MediaSink,
    inference: InferenceEngine,
    listener: ConversationListener,
    parts_listener: PartsListener,
    greetings: GreetingCache | None,
    phrases: PhraseRecorder | None,
) -> Parts:
    """Make a conversation's parts.

    Args:
        services: Recogniser, model and voice.
        settings: How it runs.
        tools: What the model may call, each with its handler.
        sink: Where the bot's audio goes.
        inference: The process's shared models.
        listener: Gets what happens.
        parts_listener: Gets what the parts notice.
        greetings: The process's greetings; None for a cache of this call's own.
        phrases: Records sentences for `greetings`; None for one of this call's own.
    """
    options, rate_hz = settings.options, sink.sample_rate_hz
    ledger = TurnLedger(asyncio.get_running_loop().time, listener.turn_completed, parts_listener.turn_began)

    def due() -> None:
        filler.due()

    watch = StallWatch(settings.limits, parts_listener.stalled, due, parts_listener.recogniser_listens)
    cache = GreetingCache() if greetings is None else greetings
    output = MediaOutput(sink, ledger, watch=watch, look_ahead_ms=sink.look_ahead_ms)
    texts = fillers_of(settings.language) if options.filler is None else options.filler
    recorder = PhraseRecorder(cache) if phrases is None else phrases
    mouth = Phrases(recorder, services.spare_voice, [*texts, options.apology], output)
    filler = Filler(
        texts,
        options.filler_after_s,
        watch=watch,
        mouth=mouth,
        caller_speaks=lambda: media_input.speaking,
        on_said=parts_listener.filler_said,
    )
    turn_audio = TurnAudio(rate_hz, settings.vad.start_secs) if settings.smart_turn_enabled else None
    context = LLMContext(tools=ToolsSchema(standard_tools=list(tools))) if tools else LLMContext()
    if settings.past is not None:
        context.set_messages(list(settings.past.messages))
    early = EarlyAnswer(lambda: context_version(context)) if settings.answers_early else None
    media_input = MediaInput(
        vad=inference.vad,
        settings=settings.vad,
        sample_rate_hz=rate_hz,
        ledger=ledger,
        turn_audio=turn_audio,
        tell_pauses=settings.answers_early,
        idle_timeout_s=settings.idle_timeout_s,
    )
    strategy = EndOfTurnStrategy(
        TurnEndSettings(speech_timeout_s=options.speech_timeout_s, smart_turn=turn_audio is not None),
        ledger,
        vad_stop_secs=settings.vad.stop_secs,
        smart_turn=(inference.smart_turn, turn_audio, rate_hz) if turn_audio is not None else None,
        early=early,
        on_answered=parts_listener.answered_early,
    )
    start = TurnStartStrategy(
        BargeInRules.of(options, language=settings.language, can_clear=True),
        output,
        forget=_forgetter(strategy, ledger),
        count=listener.barge_in_decided,
    )
    user, assistant = _aggregators(context, start, strategy, settings.idle_timeout_s)
    return Parts(
        services=services,
        settings=settings,
        listener=listener,
        ending=Ending(filler.stop, _finisher(watch, listener)),
        ledger=ledger,
        watch=watch,
        speech_watch=SpeechWatch(watch),
        reply_watch=ReplyWatch(ledger, watch),
        greeting=GreetingPlayer(services.tts, cache, services.voice_identity),
        input=media_input,
        output=output,
        phrases=mouth,
        filler=filler,
        context=context,
        early=early,
        strategy=strategy,
        start=start,
        user=user,
        assistant=assistant,
        pausing=Pausing(settings.past),
    )


def make_worker(parts: Parts, rate_hz: int) -> PipelineWorker:
    """Put the parts into a pipeline; who handles its events is for the caller to say.

    Args:
        parts: The conversation's parts.
        rate_hz: Rate of the call's audio, Hz.
    """
    options, services = parts.settings.options, parts.services
    keypad = DTMFAggregator(
        timeout=options.dtmf_timeout_s,
        termination_digit=KeypadEntry(options.dtmf_terminator),
        # All but digits only passes through it, and costs no queue and no task in direct mode.
        enable_direct_mode=True,
    )
    worker = PipelineWorker(
        Pipeline(
            [
                parts.input,
                services.stt,
                parts.speech_watch,
                keypad,
                parts.user,
                parts.pausing.gate(),
                services.llm,
                parts.reply_watch,
                parts.pausing.gate(),
                services.tts,
                parts.greeting,
                parts.output,
                parts.assistant,
            ]
        ),
        params=PipelineParams(audio_in_sample_rate=rate_hz, audio_out_sample_rate=rate_hz, enable_usage_metrics=True),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
        cancel_timeout_secs=2,
        setup_timeout_secs=_CONNECT_TIMEOUT_S,
        start_timeout_secs=_CONNECT_TIMEOUT_S,
        check_dangling_tasks=False,
    )
    worker.set_reached_downstream_filter((AfterwardsFrame, MetricsFrame))
    return worker


def _aggregators(
    context: LLMContext, start: TurnStartStrategy, strategy: EndOfTurnStrategy, idle_timeout_s: float
) -> tuple[LLMUserAggregator, LLMAssistantAggregator]:
    user, assistant = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(
            user_turn_strategies=UserTurnStrategies(start=[start], stop=[strategy]),
            user_turn_stop_timeout=_TURN_STOP_TIMEOUT_S,
            user_idle_timeout=idle_timeout_s,
            empty_user_turn=EmptyUserTurnConfig(
                interrupted_prompt=NOT_UNDERSTOOD_INTERRUPTED,
                idle_prompt=NOT_UNDERSTOOD,
                max_consecutive_recoveries=_REPROMPTS,
            ),
        ),
    )
    return user, assistant


def _forgetter(strategy: EndOfTurnStrategy, ledger: TurnLedger) -> Callable[[], None]:
    def forget() -> None:
        strategy.forget()
        ledger.speech_forgotten()

    return forget


def _finisher(watch: StallWatch, listener: ConversationListener) -> Callable[[EndReason], None]:
    def finish(reason: EndReason) -> None:
        watch.finish()
        listener.finished(reason)

    return finish
