"""What a call leaves behind: its status moves, messages and turns, through its journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID, uuid4

from loguru import logger

from adapters.store.life.contract import LifeStep
from adapters.store.teams.contract import MemberSwitch
from models.aicall import Aicall, EndReason
from models.errors import IllegalTransition, LostLease, NotFound, ProviderError, ProviderStalled
from models.event import EventType, NewEvent
from models.message import Direction, Message, Role, ToolCall
from models.status import TRANSITIONS, AicallStatus, is_final
from models.turn import TurnRecord
from models.usage import Usage
from pipelines.context.restore import Summary
from pipelines.meter import Meter
from pipelines.tools.result import ToolResult
from runtime.calls.journal import CallJournal, Write
from runtime.services import Services

_MEASUREMENTS = frozenset({EventType.TURN_COMPLETED, EventType.FILLER_SAID})
"""Events that may be dropped while the store is too far behind."""


class CallRecords:
    """One call's records. Every method returns at once; the journal writes in order.

    The move to ``terminated`` is the last record of an AIcall: whatever comes later is dropped. So is everything once
    another process runs the AIcall.

    Args:
        services: The process, which owns the AIcall.
        aicall: The AIcall.
        on_ended_elsewhere: Called when the store says that another hand ended the AIcall.
        on_taken: Called when the store says that another process runs it; None for ``on_ended_elsewhere``.

    Attributes:
        current_member_id: Who of the team has the call; the nil UUID for an AI alone.
    """

    def __init__(
        self,
        services: Services,
        aicall: Aicall,
        on_ended_elsewhere: Callable[[], None],
        on_taken: Callable[[], None] | None = None,
    ) -> None:
        self._services = services
        self._aicall = aicall
        self._owner = services.live_calls.owner
        self._on_ended_elsewhere = on_ended_elsewhere
        self._on_taken = on_taken or on_ended_elsewhere
        self._status = aicall.status
        self._ended_elsewhere = False
        self._taken = False
        self.current_member_id = aicall.current_member_id
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
        self.stepped(LifeStep(target, end_reason=reason))

    def stepped(self, step: LifeStep) -> None:
        """Record a step of the call's life. A move that the table does not list after the last one is dropped."""
        target = step.target
        if target is not None and target not in TRANSITIONS[self._status]:
            # A pipeline may report that it runs while its call is ending already.
            logger.debug("aicall {}: no move from {} to {}", self._aicall.id, self._status, target)
            return
        now = self._services.clock()

        async def write() -> None:
            if self._taken:
                return
            try:
                moved = await self._services.store.record_life(self._aicall.id, step, owner=self._owner, now=now)
            except LostLease:
                self._taken = True
                self._lost(self._on_taken)
            except (IllegalTransition, NotFound) as error:
                # Another hand ended the AIcall (the API, just before it was connected); what happens from now on is
                # nobody's record.
                logger.debug("aicall {}: {}", self._aicall.id, error.message)
                self._lost(self._on_ended_elsewhere)
            else:
                if moved and target is not None:
                    self._services.metrics.status_moved(target)
                    logger.info("aicall {} {} {}", self._aicall.id, target, step.end_reason)

        self.journal.add(write)
        if target is not None:
            self._status = target

    def said(self, role: Role, text: str, *, interrupted: bool = False) -> None:
        """Record what the caller said, or what they heard of the bot."""
        direction = Direction.INCOMING if role is Role.USER else Direction.OUTGOING
        self._message(role=role, content=text, direction=direction, interrupted=interrupted)

    def summed_up(self, summary: Summary) -> None:
        """Record what stands for the older part of the conversation from here on."""
        self._message(role=Role.NOTIFICATION, content=summary.note())

    def tool_called(self, call: ToolCall, result: ToolResult) -> None:
        """Record a tool call and its result."""
        self._message(role=Role.ASSISTANT, tool_calls=[call])
        self._message(role=Role.TOOL, content=result.text(), tool_call_id=call.id)
        self._event(EventType.TOOL_CALLED, result.event_data(call))

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

    def member_switched(self, from_member_id: UUID, to_member_id: UUID, function_name: str) -> None:
        """Record that another member of the team has the call."""
        self.current_member_id = to_member_id
        switch = MemberSwitch(self._aicall.id, from_member_id, to_member_id, function_name)
        now, key = self._services.clock(), uuid4()
        self._add(lambda: self._services.store.switch_member(switch, now=now, key=key, owner=self._owner))

    def used(self, meter: Meter) -> None:
        """Record what the call used; nothing where it used nothing."""
        if meter.usage != Usage():
            self._event(EventType.USAGE, meter.usage.public(meter.prices))

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
        size_bytes = len(message.content) + sum(len(call.function.arguments) for call in message.tool_calls)
        self._add(lambda: self._services.store.add_message(message, owner=self._owner), size_bytes=size_bytes)

    def _event(self, type_: EventType, data: dict[str, object]) -> None:
        event = NewEvent(type=type_, aicall_id=self._aicall.id, tm_create=self._services.clock(), data=data)
        key = uuid4()
        self._add(
            lambda: self._services.store.add_event(event, owner=self._owner, key=key),
            size_bytes=len(str(data)),
            dispensable=type_ in _MEASUREMENTS,
        )

    def _add(self, write: Write, *, size_bytes: int = 0, dispensable: bool = False) -> None:
        if is_final(self._status):
            logger.debug("aicall {}: a record came after its end", self._aicall.id)
            return

        async def unless_lost() -> None:
            if self._ended_elsewhere:
                return
            try:
                await write()
            except LostLease:
                self._taken = True
                self._lost(self._on_taken)

        self.journal.add(unless_lost, size_bytes=size_bytes, dispensable=dispensable)

    def _lost(self, tell: Callable[[], None]) -> None:
        if not self._ended_elsewhere:
            self._ended_elsewhere = True
            tell()
