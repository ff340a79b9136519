"""The end of the caller's turn as a Pipecat turn strategy: feeds `TurnEnd` with frames and acts on what it decides."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pipecat.frames.frames import (
    Frame,
    InterimTranscriptionFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_stop import BaseUserTurnStopStrategy

from adapters.stt.frames import SpeechNotUnderstoodFrame
from models.turn import TurnTrigger
from pipelines.smart_turn import SmartTurnEngine, TurnAudio
from pipelines.turn_end import TurnDecision, TurnEnd, TurnEndSettings
from pipelines.turn_ledger import TurnLedger

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
    """

    def __init__(
        self,
        settings: TurnEndSettings,
        ledger: TurnLedger,
        *,
        vad_stop_secs: float,
        smart_turn: tuple[SmartTurnEngine, TurnAudio, int] | None = None,
    ) -> None:
        super().__init__()
        self._turn = TurnEnd(settings)
        self._ledger = ledger
        self._vad_stop_secs = vad_stop_secs
        self._smart_turn = smart_turn
        self._words: list[str] = []
        self._began_s = 0.0
        self._timer: asyncio.Task[None] | None = None
        self._judge: asyncio.Task[None] | None = None

    async def handle_user_turn_started(self) -> None:
        """Begin a turn."""
        self._turn.turn_started()
        self._began_s = self._now()
        self._words.clear()
        await self._rearm()

    async def handle_user_turn_stopped(self) -> None:
        """Forget the turn."""
        self._turn.turn_stopped()
        if self._smart_turn is not None:
            self._smart_turn[1].turn_ended()
        await self._rearm()

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
                self._turn.voice_started()
            case VADUserStoppedSpeakingFrame():
                self._turn.voice_stopped(now_s, frame.stop_secs)
                if self._smart_turn is not None:
                    await self._cancel_judge()
                    self._judge = self.task_manager.create_task(self._run_smart_turn(), f"{self}::smart_turn")
            case TranscriptionFrame() if frame.text.strip():
                self._ledger.transcript()
                self._words.append(frame.text.strip())
                self._turn.transcript(now_s, final=bool(frame.finalized))
            case InterimTranscriptionFrame():
                self._turn.interim()
            case SpeechNotUnderstoodFrame():
                self._turn.nothing_understood()
            case STTMetadataFrame():
                wait_s = max(0.0, frame.ttfs_p99_latency - self._vad_stop_secs)
                self._turn.settings = replace(self._turn.settings, transcript_wait_s=wait_s)
            case _:
                return ProcessFrameResult.CONTINUE
        await self._rearm()
        return ProcessFrameResult.CONTINUE

    async def _rearm(self) -> None:
        """Act on what is decided by now, or wait for the moment at which it will be."""
        await self._cancel_timer()
        deadline_s = self._turn.deadline_s()
        if deadline_s is not None:
            self._timer = self.task_manager.create_task(self._end_at(deadline_s), f"{self}::end")

    async def _end_at(self, deadline_s: float) -> None:
        await asyncio.sleep(max(deadline_s, self._began_s + _SETTLE_S) - self._now())
        # The task ends its own turn, which rearms; it must not cancel itself.
        self._timer = None
        decision = self._turn.decide(max(deadline_s, self._now()))
        if decision is TurnDecision.COMPLETE:
            text = " ".join(self._words)
            trigger = TurnTrigger.DTMF if text.startswith(DTMF_PREFIX) else TurnTrigger.SPEECH
            self._ledger.begin(trigger, text)
            await self.trigger_user_turn_stopped()
        elif decision is TurnDecision.NOT_UNDERSTOOD:
            self._ledger.begin(TurnTrigger.NOT_UNDERSTOOD)
            await self.trigger_user_turn_finalized()

    async def _run_smart_turn(self) -> None:
        if self._smart_turn is None:
            return
        engine, audio, sample_rate_hz = self._smart_turn
        probability = await engine.finished(audio.take(), sample_rate_hz)
        self._judge = None
        self._turn.verdict(finished=probability > _FINISHED)
        await self._rearm()

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
