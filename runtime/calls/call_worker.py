"""Owns one call from the accepted socket to ``terminated``.

Whatever happens (hang-up, terminate, a vendor that refuses, an exception, a cancelled task), the AIcall is moved
through ``terminating`` to ``terminated`` exactly once, after everything it held was released within a hard deadline.
Only when another process has taken the AIcall over, this one releases what it holds and records nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from loguru import logger

from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    FlowControl,
    MarkReached,
    MediaEvent,
    Reply,
    Started,
    Stopped,
)
from adapters.store.life.contract import LifeStep
from models.aicall import EndReason
from models.errors import Conflict, InvalidField, MediaProtocolError, ProviderError
from models.event import status_event_type
from models.status import AicallStatus
from models.usage import Usage
from pipelines.conversation.conversation import Conversation
from pipelines.meter import Meter
from runtime.calls.admission import Admitted
from runtime.calls.attachment import Attachment
from runtime.calls.call_conversation import ConversationMaker, Conversing, make_conversation, stored_past
from runtime.calls.call_line import CallLine
from runtime.calls.call_listener import CallListener
from runtime.calls.call_records import CallRecords
from runtime.calls.call_socket import Disconnected
from runtime.calls.caller_leg import CallerLeg
from runtime.calls.close_codes import close_code
from runtime.calls.life import CallLife, Phase, Step, Trigger
from runtime.calls.put_in import put_in_waiting
from runtime.calls.spend import load_usage, set_limit
from runtime.services import Services

_STORE_OUTAGE_S = 60.0
"""How long the last records of a call wait for a store that does not answer, seconds."""
_SETTLE_S = 0.5
"""How long a pause may take to reach the end of the pipeline, seconds."""
_FIRST_EVENTS = 20
"""Among how many of its first events an AIcall began to progress."""


class CallWorker:
    """Runs one call.

    Args:
        services: The process.
        admitted: The AIcall that was taken.
        attachment: The connection for which it was taken, not yet accepted.
        make: Makes its conversation.
    """

    def __init__(
        self,
        services: Services,
        admitted: Admitted,
        attachment: Attachment,
        make: ConversationMaker = make_conversation,
    ) -> None:
        self._services = services
        self._settings = services.settings
        self._admitted = admitted
        self._aicall = admitted.aicall
        self._make = make
        self._life = CallLife(admitted.aicall.status, held=admitted.held)
        self._owner = services.live_calls.owner
        self._records = CallRecords(services, self._aicall, lambda: self.end(EndReason.TERMINATE), on_taken=self.taken)
        self._listener = CallListener(services, self._records, on_started=self._started, on_finished=self.end)
        self._end: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._line = CallLine()
        self._caller = CallerLeg(self._aicall, services.tools.control)
        self._meter = Meter()
        self._attachment: Attachment | None = attachment
        self._conversation: Conversation | None = None
        self._listening = False
        self._unrecorded: list[LifeStep] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._conversing: asyncio.Task[None] | None = None
        self._duration_timer: asyncio.TimerHandle | None = None
        self._media_timer: asyncio.TimerHandle | None = None
        self._grace_timer: asyncio.TimerHandle | None = None
        self._tm_media: datetime | None = None
        if self._life.detached:
            self._await_media(EndReason.HANGUP)

    # What may be asked of it (`runtime.calls.live_calls.LiveCall`).

    def end(self, reason: EndReason) -> None:
        """Ask the call to end. The first reason counts."""
        if not self._end.done():
            self._end.set_result(reason)

    async def wait_ended(self) -> None:
        """Wait until the AIcall is ``terminated`` and everything is released."""
        await self._ended.wait()

    async def pause(self) -> None:
        """Put the call on hold, and wait until that is recorded.

        Raises:
            Conflict: In its status it cannot be.
        """
        pausing = self._move(Trigger.PAUSE)
        if pausing is not None:
            await asyncio.wait({pausing})
        await self._records.journal.flush(_STORE_OUTAGE_S)

    async def resume(self) -> None:
        """Go on after a hold, and wait until that is recorded.

        Raises:
            Conflict: In its status it cannot.
        """
        self._move(Trigger.RESUME)
        self._go_on()
        await self._records.journal.flush(_STORE_OUTAGE_S)

    async def take_messages(self) -> None:
        """Put in what others say in the call. What comes while it is on hold waits until it goes on."""
        if self._conversation is not None and self._life.phase is Phase.RUNNING:
            await put_in_waiting(self._services.store, self._aicall.id, self._conversation)

    async def send_dtmf(self, digits: str) -> None:
        """Send digits to the caller's side: in the stream where its protocol can, else by the phone system.

        Args:
            digits: ``0-9 * # A-D``, and ``w`` for half a second of pause, which streams do not have.

        Raises:
            Conflict: Neither can.
            InvalidField: Names ``digits``: they are none, or too many.
            ToolFailed: The phone system refused, or cannot be reached.
        """
        if self._line.sends_dtmf:
            await self._line.send_dtmf(digits.replace("w", ""))
        elif self._caller.can_send_dtmf():
            await self._caller.send_dtmf(digits, str(uuid4()))
        else:
            raise Conflict("the phone system of this AIcall takes no digits")

    def taken(self) -> None:
        """Let go of the call: another process runs the AIcall now."""
        if self._life.may(Trigger.TAKEN):
            self._life.move(Trigger.TAKEN)
            logger.warning("aicall {}: another process has taken it over", self._aicall.id)
            self.end(EndReason.WORKER_LOST)

    @property
    def detached(self) -> bool:
        """Whether its phone system was lost and may connect again."""
        return self._life.detached

    async def settled(self) -> None:
        """Wait until everything so far is recorded, or the store is too slow for a phone system that waits."""
        pausing = [task for task in self._tasks if task.get_name().startswith("pausing-")]
        if pausing:
            await asyncio.wait(pausing)
        await self._records.journal.flush(self._settings.start_timeout_s)

    # Conducting.

    async def run(self) -> None:
        """Conduct the call to its end. Never raises, unless it is cancelled, and then only after the end."""
        assert self._attachment is not None  # noqa: S101  # the first one
        self._spawn(self._conduct(self._attachment), "opening")
        cancelled = not await _wait_through({self._end})
        self.end(EndReason.DRAIN)
        tearing_down = asyncio.get_running_loop().create_task(self._tear_down(self._end.result()))
        while not tearing_down.done():
            cancelled = not await _wait_through({tearing_down}) or cancelled
        if cancelled:
            raise asyncio.CancelledError

    async def attach(self, attachment: Attachment) -> None:
        """Go on with another connection; returns when it is over."""
        if self._life.over or self._attachment is not None:
            await attachment.close(*close_code(EndReason.MEDIA_ERROR))
            return
        self._attachment = attachment
        self._spawn(self._conduct(attachment), "opening")
        try:
            await attachment.over.wait()
        except asyncio.CancelledError:
            attachment.break_off(EndReason.HANGUP)
            raise

    async def _conduct(self, attachment: Attachment) -> None:
        try:
            started, early = await attachment.open()
        except (Disconnected, MediaProtocolError):
            if not self._life.detached:
                raise
            await self._lose(attachment, EndReason.HANGUP)
            return
        if self._end.done():
            return
        await self._connect(attachment, started)
        await self._serve(attachment, early)

    async def _connect(self, attachment: Attachment, started: Started) -> None:
        """Lead the conversation, a new one or the one so far, over this connection."""
        self._caller.began(attachment.socket, attachment.handshake, started)
        if self._conversation is not None and self._line.fits(attachment.socket):
            self._line.connect(attachment.socket)
            self._media_back()
            self._go_on()
            return
        # Loaded when the AI was saved, but for one that another process saved meanwhile.
        await self._services.preloader.ensure(self._aicall.providers)
        await self._let_go()
        past = None
        if self._life.phase is not Phase.OPENING:
            await self.settled()
            past = await stored_past(self._services, self._aicall)
            if self._meter.usage == Usage():
                await load_usage(self._services, self._aicall.id, self._meter)
        limit_s = await self._time_left_s()
        self._line.connect(attachment.socket)
        what = Conversing(
            self._aicall,
            self._admitted.ai,
            self._records,
            self._listener,
            self._line,
            self._variables(attachment, started),
            past,
            self._admitted.team,
            self._caller,
        )
        await set_limit(self._services, self._aicall.customer_id, self._meter)
        conversation, voice = self._make(self._services, what)
        conversation.metered_by(self._meter)
        self._listener.listen_to(voice)
        self._conversation = conversation
        self._media_back()
        self._conversing = self._spawn(self._converse(conversation), "conversation")
        if self._duration_timer is None:
            loop = asyncio.get_running_loop()
            self._duration_timer = loop.call_later(limit_s, self.end, EndReason.MAX_DURATION)

    async def _let_go(self) -> None:
        """Stop the conversation so far, which does not fit the new connection."""
        conversation, conversing = self._conversation, self._conversing
        self._conversation, self._conversing, self._listening = None, None, False
        if conversation is not None and conversing is not None:
            await conversation.stop(conversing, self._settings.teardown_timeout_s / 2)

    async def _time_left_s(self) -> float:
        limit_s = self._aicall.options.max_duration_s or self._settings.max_duration_s
        if self._life.phase is Phase.OPENING:
            return limit_s
        began = status_event_type(AicallStatus.PROGRESSING)
        for event in await self._services.store.list_events(
            limit=_FIRST_EVENTS, customer_id=None, aicall_id=self._aicall.id
        ):
            if event.type == began:
                return max(0.0, limit_s - (self._services.clock() - event.tm_create).total_seconds())
        return limit_s

    def _variables(self, attachment: Attachment, started: Started) -> dict[str, str]:
        # Who drops the query of its URL is told the same by parameters of the stream.
        said = {**started.parameters, **attachment.handshake.query}
        return {
            **started.parameters,
            "aicall.id": str(self._aicall.id),
            "call.id": started.call_id,
            "call.session": said.get("session", started.call_id),
            "call.from": said.get("from", started.from_),
            "call.to": said.get("to", started.to),
        }

    async def _converse(self, conversation: Conversation) -> None:
        await conversation.run()
        if conversation is self._conversation:
            # It ended though nobody asked it to.
            self.end(EndReason.INTERNAL_ERROR)

    async def _serve(self, attachment: Attachment, early: list[MediaEvent]) -> None:
        """Read a connection to its end; then the call ends too, or waits for another one."""
        self._watch_media(attachment)
        reading = asyncio.get_running_loop().create_task(self._read(attachment, early))
        ends: set[asyncio.Future[Any]] = {reading, attachment.broken}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
            await asyncio.wait({reading})
        asked_for = await self._caller.why()
        if asked_for is not None:
            self.end(asked_for)
        elif reading.cancelled():
            await self._lose(attachment, attachment.broken.result())
        elif reading.result():
            await self._lose(attachment, EndReason.HANGUP)
        else:
            self.end(EndReason.HANGUP)

    async def _read(self, attachment: Attachment, early: list[MediaEvent]) -> bool:
        """Hand on what comes.

        Returns:
            Whether the connection was lost; False when the phone system has hung up.
        """
        conversation, socket = self._conversation, attachment.socket
        assert conversation is not None  # noqa: S101  # made before
        events = early
        while True:
            for event in events:
                match event:
                    case AudioReceived():
                        await conversation.input.feed(event.pcm)
                    case MarkReached():
                        conversation.output.mark_reached(event.name)
                    case DtmfReceived():
                        await conversation.input.press(event.digit)
                    case Stopped():
                        return False
                    case Reply() | FlowControl():
                        await socket.obey(event)
                    case Started():
                        pass
            try:
                events = socket.events_of(await socket.receive())
            except Disconnected as error:
                if error.broken:
                    raise
                return not error.hung_up

    def _watch_media(self, attachment: Attachment) -> None:
        """Give a connection up on which nothing comes any more: a half-open socket closes by itself only late."""
        if attachment is not self._attachment or attachment.broken.done():
            return
        loop = asyncio.get_running_loop()
        left_s = attachment.socket.last_received_s + self._settings.media_idle_timeout_s - loop.time()
        if left_s > 0:
            self._media_timer = loop.call_later(left_s, self._watch_media, attachment)
        else:
            attachment.break_off(EndReason.MEDIA_ERROR)

    # Losing the phone system, and having it back.

    async def _lose(self, attachment: Attachment, reason: EndReason) -> None:
        """Pause the call until the phone system connects again, or end it."""
        if self._end.done():
            return
        ending = self._conversation is not None and self._conversation.ending
        if ending or not self._settings.reattach_grace_s or not (self._life.detached or self._may_lose()):
            self.end(reason)
            return
        self._attachment = None
        self._line.disconnect()
        # Another process may go on from there.
        self._records.used(self._meter)
        if self._life.detached:
            # It was not back yet: the time that it has runs on.
            self._record(LifeStep(None, self._tm_media, self._life.held))
        else:
            self._await_media(reason)
            self._move(Trigger.MEDIA_LOST)
        await attachment.close(*close_code(reason))

    def _may_lose(self) -> bool:
        return self._life.may(Trigger.MEDIA_LOST)

    def _await_media(self, reason: EndReason) -> None:
        grace_s = self._settings.reattach_grace_s
        self._tm_media = self._services.clock() + timedelta(seconds=grace_s)
        self._grace_timer = asyncio.get_running_loop().call_later(grace_s, self.end, reason)

    def _media_back(self) -> None:
        if self._life.detached:
            if self._grace_timer is not None:
                self._grace_timer.cancel()
            self._move(Trigger.MEDIA_BACK)

    # Moving.

    def _started(self) -> None:
        self._listening = True
        self._go_on(Phase.OPENING, Phase.RESUMING_DETACHED)

    def _go_on(self, *also: Phase) -> None:
        """Say that the pipeline listens, where that is what the call waits for."""
        if self._listening and self._life.phase in (Phase.RESUMING, *also):
            begins = self._life.phase is Phase.OPENING
            self._move(Trigger.LISTENS)
            if self._conversation is not None and self._life.phase is Phase.RUNNING and not begins:
                self._spawn(self._conversation.resume(), "resuming")
                self._spawn(self.take_messages(), "messages")

    def _move(self, trigger: Trigger) -> asyncio.Task[None] | None:
        """Move the call's life on and record what follows.

        Returns:
            The task in which the bot falls silent before its pause is recorded; None for none.

        Raises:
            Conflict: The trigger is not for where the call stands.
        """
        before = self._life.phase
        step = self._life.move(trigger)
        if step.phase is before:
            return None
        steps = self._steps(step)
        if AicallStatus.PAUSING in step.moves and self._conversation is not None:
            # Whoever sees the pause finds everything that was said before it.
            self._unrecorded += steps
            return self._spawn(self._pause(self._conversation), "pausing")
        self._record(*steps)
        return None

    def _steps(self, step: Step, reason: EndReason = EndReason.NONE) -> list[LifeStep]:
        tm_media = self._tm_media if self._life.detached else None
        return [LifeStep(target, tm_media, self._life.held, reason) for target in step.moves or (None,)]

    async def _pause(self, conversation: Conversation) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                await conversation.pause()
        self._record()

    def _record(self, *steps: LifeStep) -> None:
        unrecorded, self._unrecorded = self._unrecorded, []
        for step in (*unrecorded, *steps):
            self._records.stepped(step)

    # Watching.

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"{name}-{self._aicall.id}")
        task.add_done_callback(self._task_done)
        self._tasks.add(task)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        # The exception is always fetched: asyncio would complain about one that nobody has seen.
        error = None if task.cancelled() else task.exception()
        if error is None or self._end.done():
            return
        if isinstance(error, Disconnected):
            self.end(EndReason.MEDIA_ERROR if error.broken else EndReason.HANGUP)
        elif isinstance(error, MediaProtocolError):
            logger.info("aicall {}: {}", self._aicall.id, error.message)
            self.end(EndReason.MEDIA_ERROR)
        elif isinstance(error, InvalidField | ProviderError):
            logger.warning("aicall {}: {}", self._aicall.id, error.message)
            self.end(EndReason.PROVIDER_ERROR)
        else:
            logger.opt(exception=error).error("aicall {}: the call broke", self._aicall.id)
            self.end(EndReason.INTERNAL_ERROR)

    # Tearing down.

    async def _tear_down(self, reason: EndReason) -> None:
        self._advance(Trigger.END, reason)
        for timer in (self._duration_timer, self._media_timer, self._grace_timer):
            if timer is not None:
                timer.cancel()
        deadline_s = self._settings.teardown_timeout_s
        try:
            async with asyncio.timeout(deadline_s + 1.0):
                await self._release(reason, deadline_s)
        except TimeoutError:
            logger.error("aicall {}: not everything could be released in time", self._aicall.id)
        except Exception:  # noqa: BLE001 - the last move must be made whatever went wrong
            logger.exception("aicall {}: releasing the call failed", self._aicall.id)
        finally:
            self._records.used(self._meter)
            self._advance(Trigger.RELEASED, reason)
            try:
                if self._life.phase is not Phase.LOST and not await self._records.journal.flush(_STORE_OUTAGE_S):
                    logger.error("aicall {}: its last records could not be written", self._aicall.id)
                await self._records.journal.close()
            finally:
                self._ended.set()

    def _advance(self, trigger: Trigger, reason: EndReason) -> None:
        if self._life.may(trigger):
            self._record(*self._steps(self._life.move(trigger), reason))

    async def _release(self, reason: EndReason, deadline_s: float) -> None:
        conversation, conversing = self._conversation, self._conversing
        # Beside the rest, since phone systems take their time; and before the socket closes, by which some go on with
        # what stands after the stream.
        hanging_up: set[asyncio.Task[None]] = set()
        if self._caller.is_to_be_hung_up(reason):
            hanging_up.add(asyncio.get_running_loop().create_task(self._caller.hang_up()))
        if conversation is not None:
            early = conversation.early_answers
            self._services.metrics.answered_early(kept=early.kept, discarded=early.discarded)
        if (
            conversation is not None
            and conversing is not None
            and not await conversation.stop(conversing, deadline_s / 2)
        ):
            logger.error("aicall {}: the pipeline did not end in time and is left to itself", self._aicall.id)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=deadline_s / 4)
        if hanging_up:
            _, late = await asyncio.wait(hanging_up, timeout=deadline_s / 4)
            for task in late:
                logger.warning("aicall {}: the phone system takes too long to hang the caller up", self._aicall.id)
                task.cancel()
        if self._attachment is not None:
            await self._attachment.close(*close_code(reason))


async def _wait_through(awaited: set[asyncio.Future[Any]]) -> bool:
    """Wait for something without cancelling it.

    Returns:
        False when the wait was cancelled.
    """
    try:
        await asyncio.wait(awaited)
    except asyncio.CancelledError:
        return False
    return True
