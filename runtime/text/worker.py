"""Does what is to be done in one conversation or task, and leaves nothing of it in memory afterwards.

The store says what is to be done, so this can stop anywhere: the messages that wait stay in the store until the turn
that answers them is over, and each step of a turn is stored before the next one begins. Whoever takes the AIcall next,
here or in another process, goes on behind the last step that was stored.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContextMessage

from adapters.store.texts.contract import WaitingText
from models.aicall import Aicall, EndReason, ReferenceType
from models.errors import AicallError, IllegalTransition, InvalidField, LostLease, NotFound, ProviderError
from models.ids import NIL_ID
from models.prompts import TASK_BEGINS, TASK_GOES_ON, TOOK_OVER
from models.status import AicallStatus
from pipelines.context.restore import context_message
from pipelines.meter import Meter
from pipelines.text.outlet import Step
from runtime.calls.spend import load_usage, set_limit
from runtime.ending import end_unattended
from runtime.services import Services
from runtime.text.answering import Answering, load_answering
from runtime.text.records import TextRecords
from runtime.text.session import TextSession, load_history

MOST_STEPS = 25
"""How often the model may call tools in one turn before the turn is ended."""
IDLE_STEPS = 3
"""How often in a row the model of a task may call no tool before the task is ended."""
TASK_STEPS = 200
"""How many steps a task may have in one go."""
_NOT_THERE = "not_available"
"""Why a turn failed whose AI cannot be used here: a key that is missing, say."""
_TRIES = 2
"""How often the model is asked before a turn is given up."""
_TAKEN_RETRY_S = 0.2
"""How often it is tried to take an AIcall that another process has, seconds."""

Result = TypeVar("Result")


class TextWorker:
    """Does what is to be done in one AIcall.

    Args:
        services: The process.
        aicall_id: The AIcall, of reference type ``conversation`` or ``task``.
    """

    def __init__(self, services: Services, aicall_id: UUID) -> None:
        self._services = services
        self._store = services.store
        self._id = aicall_id
        # Of this work alone: what an earlier one of this process still writes is refused like another process's.
        self._owner = f"{services.live_calls.owner}/{uuid4()}"
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._session: TextSession | None = None
        self._prepared: tuple[Answering, TextRecords] | None = None
        self._meter = Meter()

    def wake(self) -> None:
        """Look for something to do once more before going."""
        self._woken.set()

    def stop(self) -> None:
        """Leave everything as it is."""
        self._stopping.set()

    async def run(self) -> None:
        """Do what is to be done. Never raises, unless it is cancelled."""
        try:
            while not self._stopping.is_set():
                self._woken.clear()
                if await self._take():
                    try:
                        await self._attend()
                    finally:
                        await self._leave()
                elif not await self._waits_elsewhere():
                    return
                if not self._woken.is_set():
                    return
        except (LostLease, NotFound):
            logger.info("aicall {}: another hand has it, or it is over", self._id)
        except AicallError as error:
            logger.warning("aicall {}: {}", self._id, error.message)
        except Exception:  # noqa: BLE001 - the sweep tries again, and the other conversations go on
            logger.exception("aicall {}: the conversation broke", self._id)

    # Having it.

    async def _take(self) -> bool:
        now = self._services.clock()
        lease = now + timedelta(seconds=self._services.settings.lease_s)
        return await self._store.take_text(self._id, owner=self._owner, now=now, tm_lease=lease)

    async def _leave(self) -> None:
        with contextlib.suppress(AicallError):
            await asyncio.shield(self._store.leave_text(self._id, owner=self._owner))

    async def _waits_elsewhere(self) -> bool:
        """Wait a moment for whoever has it. Returns whether something is left to do then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TAKEN_RETRY_S):
                await self._stopping.wait()
        if not await self._store.waiting_messages(self._id):
            return False
        self._woken.set()
        return True

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._services.settings.lease_s / 3)
            with contextlib.suppress(AicallError):
                if not await self._take():
                    self._stopping.set()
                    return

    # Doing it.

    async def _attend(self) -> None:
        aicall = await self._running()
        if aicall is None:
            return
        try:
            answering = await load_answering(self._services, aicall)
        except NotFound:
            # Whoever deleted it wanted no more answers.
            await end_unattended(self._services, self._id, EndReason.TERMINATE)
            return
        await load_usage(self._services, aicall.id, self._meter)
        await set_limit(self._services, aicall.customer_id, self._meter)
        records = TextRecords(self._services, aicall, self._owner, self._meter.usage)
        self._prepared = answering, records
        renewing = asyncio.get_running_loop().create_task(self._renew(), name=f"lease-{self._id}")
        try:
            if aicall.reference_type is ReferenceType.TASK:
                reason = await self._task(aicall, records)
            else:
                reason = await self._conversation(records)
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
            await self._close_session()
            await records.close()
        if reason is not None:
            await end_unattended(self._services, self._id, reason)

    async def _running(self) -> Aicall | None:
        """Return the AIcall, which is ``progressing`` then; None when nothing is to be done in it now."""
        aicall = await self._store.get_aicall(self._id, customer_id=None)
        if aicall.status is AicallStatus.INITIATING:
            try:
                aicall = await self._store.move_aicall(
                    self._id, AicallStatus.PROGRESSING, now=self._services.clock(), expected=AicallStatus.INITIATING
                )
            except IllegalTransition:
                return None
            self._services.metrics.status_moved(aicall.status)
            logger.info("aicall {} {}", self._id, aicall.status)
        return aicall if aicall.status is AicallStatus.PROGRESSING else None

    # A conversation.

    async def _conversation(self, records: TextRecords) -> EndReason | None:
        while not self._stopping.is_set() and await self._running() is not None:
            waiting = await self._store.waiting_messages(self._id)
            if waiting:
                if self._prepared is not None:
                    self._prepared[0].user_spoke()
                reason = await self._turn(waiting[0], records)
                if reason is not None:
                    return reason
            elif not await self._summed_up(records):
                return None
        return None

    async def _turn(self, question: WaitingText, records: TextRecords) -> EndReason | None:
        """Answer one message. Returns why the AIcall is to end, if it is."""
        message = question.message
        records.begin(message.id)
        failures = steps = 0
        while not self._stopping.is_set():
            session = await self._open()
            if session is None:
                await records.step(notes=[records.note(type="turn_failed", error=_NOT_THERE)], answered=message.id)
                return None
            if message.id not in session.begun and (entry := context_message(message)) is not None:
                session.agent.context.add_message(entry)
            session.begun.add(message.id)
            if not question.run_llm:
                await records.step(notes=[records.note(type="noted")], answered=message.id)
                return None
            told, step = await self._step(session, records)
            if step is None:
                return None
            if step.failed:
                failures += 1
                over = step.permanent or failures >= _TRIES
                session.failed(step.failed, fatal=over)
                await self._close_session()
                notes = [records.note(type="turn_failed", error=step.failed)] if over else []
                await records.step(notes=notes, answered=message.id if over else None)
                if over:
                    return None
                continue
            session.worked()
            steps += 1
            over = not step.asks_again or steps >= MOST_STEPS or session.host.ending is not None
            session.keeper.settle()
            silent = over and not told and steps == 1
            await records.step(
                told, notes=[records.note(type="no_answer")] if silent else [], answered=message.id if over else None
            )
            if self._meter.over:
                return EndReason.MAX_SPEND
            if over:
                return session.host.ending
            await self._hand_over(records)
        return None

    async def _summed_up(self, records: TextRecords) -> bool:
        """Wait for a summary that is being made, unless something new is to be done. Returns whether there was one."""
        session = self._session
        if session is None or not session.keeper.busy:
            return False
        await self._unless_stopped(session.keeper.wait(), self._woken)
        self._woken.clear()
        session.keeper.settle()
        records.begin(NIL_ID)
        await records.step()
        return True

    # A task.

    async def _task(self, aicall: Aicall, records: TextRecords) -> EndReason | None:
        limit_s = aicall.options.max_duration_s or self._services.settings.max_duration_s
        left_s = (aicall.tm_create + timedelta(seconds=limit_s) - self._services.clock()).total_seconds()
        try:
            async with asyncio.timeout(max(left_s, 0)):
                return await self._task_steps(records)
        except TimeoutError:
            return EndReason.MAX_DURATION

    async def _task_steps(self, records: TextRecords) -> EndReason | None:
        failures = idle = 0
        for _ in range(TASK_STEPS):
            if self._stopping.is_set() or await self._running() is None:
                return None
            session = await self._open()
            if session is None:
                return EndReason.PROVIDER_ERROR
            messages = session.agent.context.messages
            if not messages or idle:
                before = len(messages)
                prompt = TASK_GOES_ON if messages else TASK_BEGINS
                session.agent.context.add_message({"role": "developer", "content": prompt})
                await records.step(session.agent.context.messages[before:])
            told, step = await self._step(session, records)
            if step is None:
                return None
            if step.failed:
                failures += 1
                over = step.permanent or failures >= _TRIES
                session.failed(step.failed, fatal=over)
                await self._close_session()
                await records.step()
                if over:
                    return EndReason.PROVIDER_ERROR
                continue
            session.worked()
            failures = 0
            idle = 0 if step.tools else idle + 1
            session.keeper.settle()
            await records.step(told)
            if self._meter.over:
                return EndReason.MAX_SPEND
            if session.host.ending is not None:
                return session.host.ending
            if idle > IDLE_STEPS:
                break
            await self._hand_over(records)
        return EndReason.NO_PROGRESS

    # One step.

    async def _open(self) -> TextSession | None:
        """Return the session, made anew from the store if there is none; None when its AI cannot be used."""
        if self._session is None:
            assert self._prepared is not None  # noqa: S101  # before anything is done
            answering, records = self._prepared
            history = await load_history(self._services, self._id)
            waiting = {waiting.message.id for waiting in await self._store.waiting_messages(self._id)}
            try:
                self._session = TextSession(
                    self._services, answering, records, self._meter, history=history, waiting=waiting
                )
            except (InvalidField, NotFound, ProviderError) as error:
                logger.warning("aicall {}: {}", self._id, error.message)
                return None
            await self._session.open()
            await self._session.agent.start()
        return self._session

    async def _hand_over(self, records: TextRecords) -> None:
        """Let another member of the team go on, if one was asked to."""
        assert self._prepared is not None  # noqa: S101  # before anything is done
        answering, _ = self._prepared
        if answering.handing_over:
            await answering.hand_over(self._services)
            await self._close_session()
            await records.step([{"role": "developer", "content": TOOK_OVER}])

    async def _close_session(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _step(self, session: TextSession, records: TextRecords) -> tuple[list[LLMContextMessage], Step | None]:
        """Let the model do one step. Returns what it added to the context, and what became of it; None when stopped."""
        messages = session.agent.context.messages
        before = len(messages)
        records.begin_step()
        step = await self._unless_stopped(session.agent.ask())
        records.used(self._meter)
        return list(session.agent.context.messages[before:]), step

    async def _unless_stopped(self, work: Awaitable[Result], *others: asyncio.Event) -> Result | None:
        """Wait for something, but not when asked to stop, or when one of the others is set."""
        loop = asyncio.get_running_loop()
        doing = asyncio.ensure_future(work)
        signs = [loop.create_task(event.wait()) for event in (self._stopping, *others)]
        try:
            await asyncio.wait({doing, *signs}, return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            for task in (doing, *signs):
                task.cancel()
            await asyncio.wait({doing, *signs})
