"""What fails in a conversation, and how the call recovers: asks again, connects anew, or ends with an apology."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from loguru import logger
from pipecat.frames.frames import ErrorFrame, Frame, InterruptionFrame, LLMRunFrame, TTSSpeakFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.utils.errors import ErrorCategory

from adapters.reconnects import Reconnects, TellsAlive
from adapters.vendor_errors import STALLED
from models.aicall import EndReason
from pipelines.conversation.parts import Parts
from pipelines.failover.failover import Failover, Switch
from pipelines.failover.failures import FailureCounter, Seat
from pipelines.failover.news import FailoverNews
from pipelines.failover.reply_watch import HangupFrame
from pipelines.team.seat import MemberSeat

LAST_WORDS_S = 30.0
"""Longest that a goodbye may take before the call is ended all the same, seconds."""
_VOICE_RETRY_S = 0.8
"""How long after a voice failed the bot speaks again, seconds: time for it to connect anew."""


class Recovery:
    """Deals with the failures of one conversation.

    Args:
        parts: The conversation's parts.
        queue: Puts a frame into the pipeline's beginning.
        speak_again: Lets the bot say once more what the caller did not hear.
    """

    def __init__(
        self,
        parts: Parts,
        queue: Callable[[Frame], Awaitable[None]],
        speak_again: Callable[[], Awaitable[None]],
    ) -> None:
        self._parts = parts
        self._queue = queue
        self._speak_again = speak_again
        self._failures = FailureCounter()
        self._retry: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        for service in (parts.services.stt, parts.services.llm, parts.services.tts):
            if isinstance(service, Failover | MemberSeat):
                service.watch(FailoverNews(self._switched, self._failed_unnoticed))

    # What works.

    def heard(self) -> None:
        """The recogniser works; what the caller said is answered now, and not what came before."""
        self._failures.worked(Seat.STT)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def answered(self) -> None:
        """Model and voice work."""
        self._failures.worked(Seat.LLM)
        self._failures.worked(Seat.TTS)

    def recogniser_listens(self, since_s: float) -> bool:
        """Whether the recogniser has shown that it listens since a moment on the loop's clock."""
        service = self._parts.services.stt
        stt = service.service if isinstance(service, Failover | MemberSeat) else service
        return isinstance(stt, TellsAlive) and stt.alive_s > since_s

    def cancel(self) -> None:
        """Let go of everything; the conversation is over."""
        if self._retry is not None:
            self._retry.cancel()
        for task in self._tasks:
            task.cancel()

    # What fails.

    async def on_error(self, worker: PipelineWorker, frame: ErrorFrame) -> None:
        """Handle the worker's ``on_pipeline_error``."""
        del worker
        parts = self._parts
        if parts.ending.finished or parts.greeting.closed:
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
        if not permanent and seat is Seat.LLM and parts.strategy.early_answer_failed():
            # It cost nobody anything yet: the model is asked again when the turn ends, and only that counts.
            parts.listener.provider_failed(seat, category, fatal=False)
            return
        await self._failed(seat, category, permanent=permanent)

    def stalled(self, seat: Seat) -> None:
        """A vendor has fallen silent: replace it or ask it again."""
        self._spawn(self._replace_or_ask_again(seat))

    async def _failed(self, seat: Seat, category: str, *, permanent: bool = False) -> None:
        parts = self._parts
        fatal = self._failures.failed(seat, permanent=permanent)
        parts.listener.provider_failed(seat, category, fatal=fatal)
        if fatal:
            await self._give_up(seat)
        elif seat is Seat.LLM and not parts.ending.begun:
            await self._queue(LLMRunFrame())
        elif seat is Seat.TTS and not parts.ending.begun:
            # What it still says of this answer would be mixed with the next try.
            await self._queue(InterruptionFrame())
            self._retry = asyncio.get_running_loop().call_later(_VOICE_RETRY_S, self._answer_again)

    def _answer_again(self) -> None:
        """Let the bot speak once more: what the caller did not hear is not in the context either."""
        self._retry = None
        if not self._parts.ending.begun and not self._parts.input.speaking:
            self._spawn(self._speak_again())

    def _switched(self, switch: Switch) -> None:
        self._parts.watch.replaced(switch.seat)
        self._parts.listener.provider_switched(switch)

    def _failed_unnoticed(self, seat: Seat, category: str) -> None:
        self._parts.listener.provider_failed(seat, category, fatal=False)

    async def _replace_or_ask_again(self, seat: Seat) -> None:
        parts = self._parts
        service = parts.services.of(seat)
        replaced = isinstance(service, Failover | MemberSeat) and await service.stalled()
        if not replaced:
            stalled = service.service if isinstance(service, Failover | MemberSeat) else service
            if seat is Seat.LLM and not parts.ending.begun:
                # It drops the question at which it is stuck.
                await service.queue_frame(parts.reply_watch.interruption())
            await self._failed(seat, STALLED)
            reconnects = not parts.ending.begun and isinstance(stalled, Reconnects) and await stalled.reconnect()
            if seat is Seat.STT and not reconnects:
                parts.watch.recognised()
                return
        if seat is Seat.STT:
            parts.watch.listen_again()
            await parts.strategy.listen_again()
        elif replaced or seat is Seat.LLM:
            parts.watch.asked(seat)

    async def _give_up(self, seat: Seat) -> None:
        """End the call because a vendor failed for good; say so to the caller where there is a voice to say it."""
        parts, ending = self._parts, self._parts.ending
        if ending.begun and seat is not Seat.TTS:
            # The last words are on their way; they need the voice alone.
            return
        apology, goodbye = parts.settings.options.apology, HangupFrame(EndReason.PROVIDER_ERROR)
        if parts.greeting.closed:
            return
        if apology and await parts.greeting.say_last(apology, goodbye):
            parts.watch.finish()
            ending.finish_within(LAST_WORDS_S, EndReason.PROVIDER_ERROR)
            return
        if seat is Seat.TTS or not apology:
            ending.finish(EndReason.PROVIDER_ERROR)
            return
        ending.finish_within(parts.settings.limits.tts_s + LAST_WORDS_S, EndReason.PROVIDER_ERROR)
        parts.watch.asked(Seat.TTS)
        # Put in behind the model, which may be what hangs.
        await parts.reply_watch.push_frame(InterruptionFrame())
        await parts.reply_watch.push_frame(TTSSpeakFrame(apology, append_to_context=True))
        await parts.reply_watch.push_frame(goodbye)

    def _seat_of(self, processor: FrameProcessor | None) -> Seat | None:
        return next((seat for seat in Seat if self._parts.services.of(seat) is processor), None)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
