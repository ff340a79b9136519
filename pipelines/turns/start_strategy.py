"""The beginning of the caller's turn as a Pipecat turn strategy: feeds `BargeIn` with frames and does what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_start import BaseUserTurnStartStrategy

from adapters.stt.frames import CallerResumedFrame, SpeechNotUnderstoodFrame, TranscriptCompleteFrame
from models.options import CallOptions
from pipelines.turns.backchannels import backchannels_of
from pipelines.turns.barge_in import Action, BargeIn, BargeInSettings, Decision
from pipelines.turns.end_strategy import DTMF_PREFIX
from pipelines.turns.hold import HoldPlaybackFrame, ResumePlaybackFrame
from pipelines.turns.overheard import Backchannels, Overheard, is_echo

_ANSWER_S = 1.0
"""When the bot has no more than that left to say, "yes" is an answer and no backchannel, seconds."""
_LEAST_ECHO_AT_THE_END = 2
"""There, a single word that the bot has said too is an answer as well ("… or on Thursday?" "Thursday.")."""


class Playback(Protocol):
    """What the bot says, as far as the caller is concerned. Its methods return at once."""

    @property
    def bot_audible(self) -> bool:
        """Whether the caller hears the bot at this moment."""

    def unheard_s(self) -> float:
        """How much of what the bot has to say is still unheard, seconds; infinite while more of it is being made."""

    def recently_said(self) -> str:
        """The words that the caller heard in the last ten seconds or so, the newest at the end."""


@dataclass(frozen=True, slots=True)
class BargeInRules:
    """What `TurnStartStrategy` goes by.

    Attributes:
        settings: How easily the bot is interrupted.
        backchannels: What does not interrupt it.
    """

    settings: BargeInSettings
    backchannels: Backchannels

    @classmethod
    def of(cls, options: CallOptions, *, language: str, can_clear: bool) -> BargeInRules:
        """Make them from an AI's configuration.

        Args:
            options: What its ``parameter`` says.
            language: BCP 47 tag of the caller's speech; '' for the recogniser's default.
            can_clear: Whether the phone system can drop audio that it was sent. If not, nothing is ever held.
        """
        mode = "immediate" if options.barge_in == "confirm" and not can_clear else options.barge_in
        phrases = backchannels_of(language) if options.backchannels is None else options.backchannels
        settings = BargeInSettings(mode=mode, interrupt_after_s=options.interrupt_after_ms / 1000)
        return cls(settings, Backchannels(phrases))


class TurnStartStrategy(BaseUserTurnStartStrategy):
    """Begins the caller's turn, and holds the bot's playback while it is unclear whether that is meant.

    It is to be the only start strategy, since any other would begin turns past it.

    Args:
        rules: How easily the bot is interrupted, and by what not.
        playback: What the bot says.
        forget: Called when what the caller said so far is no part of a turn, so that others forget it too.
        count: Gets each decision.
    """

    def __init__(
        self,
        rules: BargeInRules,
        playback: Playback,
        *,
        forget: Callable[[], None] | None = None,
        count: Callable[[Decision], None] | None = None,
    ) -> None:
        super().__init__()
        self._barge_in = BargeIn(rules.settings)
        self._backchannels = rules.backchannels
        self._playback = playback
        self._forget = forget
        self._count = count
        self._late_s = 0.0
        self._near_end = False
        self._timer: asyncio.TimerHandle | None = None

    def change(self, rules: BargeInRules) -> None:
        """Go by other rules from now on."""
        self._barge_in.change(rules.settings)
        self._backchannels = rules.backchannels

    async def handle_user_turn_started(self) -> None:
        """Take note of a turn, whoever began it."""
        self._barge_in.turn_started()

    async def handle_user_turn_stopped(self) -> None:
        """Listen for the next one."""
        self._barge_in.turn_stopped()

    async def cleanup(self) -> None:
        """Release the timer."""
        self._cancel_timer()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Take one frame of the user aggregator.

        Returns:
            STOP if the caller's turn begins with it, CONTINUE otherwise.
        """
        decision: Decision | None = None
        # System frames and others come from two tasks. Everything up to the decision is one step for both.
        now_s = self._now()
        match frame:
            case VADUserStartedSpeakingFrame():
                decision = self._voice_started(now_s)
            case VADUserStoppedSpeakingFrame():
                decision = self._barge_in.voice_stopped(now_s, frame.stop_secs, self._late_s)
            case CallerResumedFrame():
                self._barge_in.voice_went_on()
            case TranscriptionFrame() | InterimTranscriptionFrame() if frame.text.strip():
                decision = self._recognised(now_s, frame)
            case SpeechNotUnderstoodFrame() | TranscriptCompleteFrame():
                decision = self._barge_in.text_complete()
            case BotStoppedSpeakingFrame():
                self._barge_in.bot_silent(now_s)
            case InterruptionFrame():
                decision = self._barge_in.interrupted()
            case HoldPlaybackFrame() if not self._barge_in.held:
                # It was queued, so that the interruption that decided the matter has overtaken it.
                await self.push_frame(ResumePlaybackFrame())
            case STTMetadataFrame():
                self._late_s = frame.ttfs_p99_latency
            case _:
                return ProcessFrameResult.CONTINUE
        self._rearm()
        await self._act(decision)
        started = decision is not None and decision.action is Action.START
        return ProcessFrameResult.STOP if started else ProcessFrameResult.CONTINUE

    def _voice_started(self, now_s: float) -> Decision | None:
        audible = self._playback.bot_audible
        if not self._barge_in.held:
            self._near_end = audible and self._playback.unheard_s() <= _ANSWER_S
        return self._barge_in.voice_started(now_s, audible=audible)

    def _recognised(self, now_s: float, frame: TranscriptionFrame | InterimTranscriptionFrame) -> Decision | None:
        if self._barge_in.in_turn:
            return None
        if frame.text.startswith(DTMF_PREFIX):
            return self._barge_in.keys()
        final = isinstance(frame, TranscriptionFrame)
        complete = isinstance(frame, TranscriptionFrame) and bool(frame.finalized)
        audible = self._playback.bot_audible
        return self._barge_in.text(now_s, self._kind(frame.text), audible=audible, final=final, complete=complete)

    def _kind(self, text: str) -> Overheard:
        least_tokens = _LEAST_ECHO_AT_THE_END if self._near_end else 1
        if is_echo(text, self._playback.recently_said(), least_tokens=least_tokens):
            return Overheard.ECHO
        if not self._near_end and self._backchannels.cover(text):
            return Overheard.BACKCHANNEL
        return Overheard.WORDS

    async def _act(self, decision: Decision | None) -> None:
        if decision is None:
            return
        if self._count is not None:
            self._count(decision)
        match decision.action:
            case Action.HOLD:
                await self.push_frame(HoldPlaybackFrame())
            case Action.START:
                await self.trigger_user_turn_started()
            case Action.RESUME:
                await self._drop_words()
                await self.push_frame(ResumePlaybackFrame())
            case Action.FORGET:
                await self._drop_words()

    async def _drop_words(self) -> None:
        if self._forget is not None:
            # The stop strategies see this frame after this one does, and what they take from it is forgotten too.
            asyncio.get_running_loop().call_soon(self._forget)
        await self.trigger_reset_aggregation()  # type: ignore[no-untyped-call]

    # Time.

    def _rearm(self) -> None:
        self._cancel_timer()
        deadline_s = self._barge_in.deadline_s()
        if deadline_s is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline_s, self._time_is_up, deadline_s)

    def _time_is_up(self, deadline_s: float) -> None:
        self._timer = None
        self.task_manager.create_task(self._decide(deadline_s), f"{self}::decide")

    async def _decide(self, deadline_s: float) -> None:
        now_s = max(deadline_s, self._now())
        decision = self._barge_in.decide(now_s, audible=self._playback.bot_audible)
        await self._act(decision)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
