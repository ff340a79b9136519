"""What a call leaves behind: its status moves, messages and turns, through its journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID, uuid4

from loguru import logger

from models.aicall import Aicall, EndReason
from models.errors import IllegalTransition, NotFound, ProviderError, ProviderStalled
from models.event import EventType, NewEvent
from models.message import Direction, Message, Role, ToolCall
from models.status import TRANSITIONS, AicallStatus, is_final
from models.turn import TurnRecord
from pipelines.tools.result import ToolResult
from runtime.calls.journal import CallJournal, Write
from runtime.services import Services


class CallRecords:
    """One call's records. Every method returns at once; the journal writes in order.

    The move to ``terminated`` is the last record of an AIcall: whatever comes later is dropped.

    Args:
        services: The process.
        aicall: The AIcall.
        on_ended_elsewhere: Called when the store says that another hand ended the AIcall.
    """

    def __init__(self, services: Services, aicall: Aicall, on_ended_elsewhere: Callable[[], None]) -> None:
        self._services = services
        self._aicall = aicall
        self._on_ended_elsewhere = on_ended_elsewhere
        self._status = aicall.status
        self._ended_elsewhere = False
        self.journal = CallJournal(str(aicall.id))

    @property
    def aicall_id(self) -> UUID:
        """Whose records these are."""
        return self._aicall.id

    def moved(self, target: AicallStatus, reason: EndReason = EndReason.NONE) -> None:
        """Record a status move. One that the table does not list after the last one is dropped.

        Args:
            target: The status to move to.
            reason: Why the call ends.
        """
        if target not in TRANSITIONS[self._status]:
            # A pipeline may report that it runs while its call is ending already.
            logger.debug("aicall {}: no move from {} to {}", self._aicall.id, self._status, target)
            return
        now = self._services.clock()

        async def write() -> None:
            try:
                await self._services.store.move_aicall(self._aicall.id, target, now=now, end_reason=reason)
            except IllegalTransition as error:
                logger.debug("aicall {}: it is {} already", self._aicall.id, error.source)
                # The same status: a try that seemed to fail had been recorded. Another one: another hand ended the
                # AIcall (the API, just before it was connected); what happens from now on is nobody's record.
                if error.source != target:
                    self._lost()
                return
            except NotFound:
                self._lost()
                return
            self._services.metrics.status_moved(target)
            logger.info("aicall {} {} {}", self._aicall.id, target, reason)

        self.journal.add(write)
        self._status = target

    def said(self, role: Role, text: str, *, interrupted: bool = False) -> None:
        """Record what the caller said, or what they heard of the bot."""
        direction = Direction.INCOMING if role is Role.USER else Direction.OUTGOING
        self._message(role=role, content=text, direction=direction, interrupted=interrupted)

    def tool_called(self, call: ToolCall, result: ToolResult) -> None:
        """Record a tool call and its result."""
        self._message(role=Role.ASSISTANT, tool_calls=[call])
        self._message(role=Role.TOOL, content=result.text(), tool_call_id=call.id)

    def turn_completed(self, record: TurnRecord) -> None:
        """Record a turn's latencies."""
        self._services.metrics.observe_turn(record)
        self._event(EventType.TURN_COMPLETED, record.public())

    def provider_failed(self, error: ProviderError, *, fatal: bool) -> None:
        """Record a vendor's failure.

        Args:
            error: What went wrong, and what to do about it.
            fatal: Whether the call ends by it.
        """
        self._services.metrics.provider_failed(seat=error.seat, provider=error.provider)
        if isinstance(error, ProviderStalled):
            self._services.metrics.stalled(seat=error.seat, provider=error.provider)
        level = "WARNING" if fatal or not error.retryable else "INFO"
        logger.log(level, "aicall {}: {} {}: {}", self._aicall.id, error.seat, error.provider, error.message)
        self._event(EventType.PROVIDER_FAILED, {**error.public(), "fatal": fatal})

    def provider_switched(self, error: ProviderError, successor: str, took_ms: float) -> None:
        """Record that another vendor took over.

        Args:
            error: Why, and from whom.
            successor: The vendor that has the seat now.
            took_ms: How long the seat was empty, milliseconds.
        """
        self.provider_failed(error, fatal=False)
        self._services.metrics.provider_switched(seat=error.seat, failed=error.provider, successor=successor)
        logger.info("aicall {}: {} goes on with {}", self._aicall.id, error.seat, successor)
        data = {"seat": error.seat, "from": error.provider, "to": successor, "error": error.code}
        self._event(EventType.PROVIDER_SWITCHED, {**data, "switch_ms": round(took_ms, 1)})

    def filler_said(self, text: str, waits_for: str) -> None:
        """Record that the caller was asked to wait.

        Args:
            text: The filler.
            waits_for: What the answer waits for: ``stt``, ``llm``, ``tts`` or ``tool``.
        """
        self._services.metrics.filler_said(waits_for=waits_for)
        self._event(EventType.FILLER_SAID, {"text": text, "waits_for": waits_for})

    def variables_set(self, variables: Mapping[str, str]) -> None:
        """Record what a tool remembered."""
        self._event(EventType.VARIABLES_SET, {"variables": dict(variables)})

    def _message(self, **fields: object) -> None:
        message = Message.model_validate(
            {
                "id": uuid4(),
                "customer_id": self._aicall.customer_id,
                "aicall_id": self._aicall.id,
                "tm_create": self._services.clock(),
                **fields,
            }
        )
        self._add(lambda: self._services.store.add_message(message))

    def _event(self, type_: EventType, data: dict[str, object]) -> None:
        event = NewEvent(type=type_, aicall_id=self._aicall.id, tm_create=self._services.clock(), data=data)
        self._add(lambda: self._services.store.add_event(event))

    def _add(self, write: Write) -> None:
        if is_final(self._status):
            logger.debug("aicall {}: a record came after its end", self._aicall.id)
            return

        async def unless_lost() -> None:
            if not self._ended_elsewhere:
                await write()

        self.journal.add(unless_lost)

    def _lost(self) -> None:
        self._ended_elsewhere = True
        self._on_ended_elsewhere()
