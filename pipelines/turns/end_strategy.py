"""The end of the caller's turn as a Pipecat turn strategy: feeds `TurnEnd` with frames and acts on what it decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    Frame,
    InterimTranscriptionFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult, UserTurnSpeculation
from pipecat.turns.user_stop import BaseUserTurnStopStrategy

from adapters.stt.frames import (
    CallerPausedFrame,
    CallerResumedFrame,
    SpeechNotUnderstoodFrame,
    TranscriptCompleteFrame,
)
from models.turn import TurnTrigger
from pipelines.turns.early_answer import EarlyAnswer
from pipelines.turns.ledger import TurnLedger
from pipelines.turns.turn_end import TurnDecision, TurnEnd, TurnEndSettings
from pipelines.vad.smart_turn import SmartTurnEngine, TurnAudio

DTMF_PREFIX = "DTMF: "
"""How Pipecat's ``DTMFAggregator`` begins the message of a keypad entry."""

_SETTLE_S = 0.05
"""Shortest turn, seconds. Its beginning interrupts the bot, and that interruption must have gone through the pipeline
before the turn ends: only then does the conversation hold what the caller heard before what the caller answered."""

_FINISHED = 0.5
"""Smart Turn's own threshold."""


class EndOfTurnStrategy(BaseUserTurnStopStrategy):
    """Ends the caller's turn.

    Args:
        settings: How patient to be.
        ledger: Gets the times of transcripts.
        vad_stop_secs: The VAD's silence window, which a recogniser's lateness includes, seconds.
        smart_turn: The shared model and this call's audio and its rate; None for the VAD's silence alone.
        early: The call's early answers; None for none.
        on_answered: Told of the caller's words when the turn ends with an early answer, before the caller can hear
            any of it. Must return at once.
    """

    def __init__(
        self,
        settings: TurnEndSettings,
        ledger: TurnLedger,
        *,
        vad_stop_secs: float,
        smart_turn: tuple[SmartTurnEngine, TurnAudio, int] | None = None,
        early: EarlyAnswer | None = None,
        on_answered: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._turn = TurnEnd(settings)
        self._ledger = ledger
        self._vad_stop_secs = vad_stop_secs
        self._smart_turn = smart_turn
        self._early = early
        self._on_answered = on_answered
        self._in_turn = False
        self._words: list[str] = []
        self._began_s = 0.0
        self._timer: asyncio.Task[None] | None = None
        self._judge: asyncio.Task[None] | None = None

    def change(
        self,
        *,
        speech_timeout_s: float,
        vad_stop_secs: float,
        smart_turn: tuple[SmartTurnEngine, TurnAudio, int] | None,
    ) -> None:
        """Be otherwise patient from now on.

        Args:
            speech_timeout_s: `TurnEndSettings.speech_timeout_s`.
            vad_stop_secs: As in the constructor.
            smart_turn: As in the constructor.
        """
        self._vad_stop_secs = vad_stop_secs
        self._smart_turn = smart_turn
        self._turn.settings = replace(
            self._turn.settings, speech_timeout_s=speech_timeout_s, smart_turn=smart_turn is not None
        )

    async def handle_user_turn_started(self) -> None:
        """Begin a turn. What the caller said before it belongs to it, unless it was forgotten."""
        self._in_turn = True
        self._began_s = self._now()
        await self._rearm()

    async def handle_user_turn_stopped(self) -> None:
        """Forget the turn."""
        self._in_turn = False
        await self._withdraw()
        self.forget()
        await self._rearm()

    def forget(self) -> None:
        """Forget what the caller said while it was not their turn: it was not meant to be one."""
        if self._in_turn:
            return
        self._turn.turn_stopped()
        self._words.clear()
        if self._smart_turn is not None:
            self._smart_turn[1].turn_ended()

    async def cleanup(self) -> None:
        """Release the timer and the inference."""
        await self._cancel_judge()
        await self._cancel_timer()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Take one frame of the user aggregator.

        Returns:
            Always CONTINUE: other strategies may look at the frame too.
        """
        now_s = self._now()
        match frame:
            case VADUserStartedSpeakingFrame():
                await self._cancel_judge()
                await self._withdraw()
                self._turn.voice_started()
            case CallerPausedFrame():
                self._turn.voice_paused()
                # With the silence that the model would hear if it were asked at the end of the window.
                await self._ask_smart_turn(self._vad_stop_secs - frame.silence_s)
            case CallerResumedFrame():
                await self._cancel_judge()
                await self._withdraw()
                self._turn.voice_resumed()
            case VADUserStoppedSpeakingFrame():
                asked_in_pause = self._turn.paused
                self._turn.voice_stopped(now_s, frame.stop_secs)
                if not asked_in_pause:
                    await self._ask_smart_turn(0.0)
            case TranscriptionFrame() if frame.text.strip():
                self._ledger.transcript()
                self._words.append(frame.text.strip())
                self._turn.transcript(now_s, final=bool(frame.finalized))
            case InterimTranscriptionFrame():
                self._turn.interim()
            case TranscriptCompleteFrame():
                self._turn.text_complete()
            case EagerEndOfTurnCancelFrame():
                # The model wants a tool, which no answer may run before the turn is over.
                self.early_answer_failed()
            case SpeechNotUnderstoodFrame():
                self._turn.nothing_understood()
            case STTMetadataFrame():
                wait_s = max(0.0, frame.ttfs_p99_latency - self._vad_stop_secs)
                self._turn.settings = replace(self._turn.settings, transcript_wait_s=wait_s)
            case _:
                return ProcessFrameResult.CONTINUE
        await self._rearm()
        await self._maybe_answer_early()
        return ProcessFrameResult.CONTINUE

    async def listen_again(self) -> None:
        """Wait anew for the text of the last speech: another recogniser, or another connection, hears it again."""
        self._turn.listen_again(self._now())
        await self._rearm()

    def early_answer_failed(self) -> bool:
        """Note that the answer begun early cannot be used; the end of the turn asks the model again.

        Returns:
            Whether there was one.
        """
        if self._early is None or not self._early.pending:
            return False
        self._early.refuse()
        return True

    async def _maybe_answer_early(self) -> None:
        # An interruption must have settled, since the context is part of what the answer is begun with.
        if self._early is None or not self._in_turn or self._now() < self._began_s + _SETTLE_S:
            return
        text, over = self._text, self._turn.may_be_over
        if self._early.pending and not (over and self._early.answers(text)):
            await self._withdraw()
        if over and not text.startswith(DTMF_PREFIX) and self._early.may_begin(text):
            self._early.begin(text)
            await self.trigger_user_turn_inference_triggered(speculation=UserTurnSpeculation(text=text))

    async def _withdraw(self) -> None:
        if self._early is not None and self._early.withdraw():
            await self.trigger_user_turn_speculation_cancelled()  # type: ignore[no-untyped-call]

    @property
    def _text(self) -> str:
        return " ".join(self._words)

    async def _rearm(self) -> None:
        """Act on what is decided by now, or wait for the moment at which it will be."""
        await self._cancel_timer()
        deadline_s = self._turn.deadline_s() if self._in_turn else None
        if deadline_s is not None:
            self._timer = self.task_manager.create_task(self._end_at(deadline_s), f"{self}::end")

    async def _end_at(self, deadline_s: float) -> None:
        await asyncio.sleep(max(deadline_s, self._began_s + _SETTLE_S) - self._now())
        # The task ends its own turn, which rearms; it must not cancel itself.
        self._timer = None
        decision = self._turn.decide(max(deadline_s, self._now()))
        if decision is TurnDecision.COMPLETE:
            await self._complete(self._text)
        elif decision is TurnDecision.NOT_UNDERSTOOD:
            self._ledger.begin(TurnTrigger.NOT_UNDERSTOOD)
            await self.trigger_user_turn_finalized()

    async def _complete(self, text: str) -> None:
        self._ledger.begin(TurnTrigger.DTMF if text.startswith(DTMF_PREFIX) else TurnTrigger.SPEECH, text)
        if self._early is not None and self._early.settle(text):
            if self._on_answered is not None:
                self._on_answered(text)
            await self.trigger_user_turn_finalized(confirms_speculation=True)
            return
        await self._withdraw()
        await self.trigger_user_turn_stopped()

    async def _ask_smart_turn(self, missing_silence_s: float) -> None:
        if self._smart_turn is not None:
            await self._cancel_judge()
            judging = self._run_smart_turn(*self._smart_turn, max(0.0, missing_silence_s))
            self._judge = self.task_manager.create_task(judging, f"{self}::smart_turn")

    async def _run_smart_turn(
        self, engine: SmartTurnEngine, audio: TurnAudio, sample_rate_hz: int, missing_silence_s: float
    ) -> None:
        probability = await engine.finished(audio.take(missing_silence_s), sample_rate_hz)
        self._judge = None
        self._turn.verdict(finished=probability > _FINISHED)
        await self._rearm()
        await self._maybe_answer_early()

    async def _cancel_timer(self) -> None:
        task, self._timer = self._timer, None
        if task is not None and task is not asyncio.current_task():
            await self.task_manager.cancel_task(task)

    async def _cancel_judge(self) -> None:
        task, self._judge = self._judge, None
        if task is not None and task is not asyncio.current_task():
            await self.task_manager.cancel_task(task)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
