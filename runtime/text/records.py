"""What a conversation or task leaves in the store while this process has it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID, uuid4

from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContextMessage, LLMSpecificMessage

from models.aicall import Aicall
from models.errors import LostLease, ProviderError, Unavailable
from models.event import EventType, NewEvent
from models.ids import NIL_ID
from models.message import Direction, Message, Role, ToolCall
from models.usage import Usage
from pipelines.context.restore import Summary
from pipelines.meter import Meter
from pipelines.tools.result import ToolResult
from runtime.calls.journal import CallJournal
from runtime.services import Services

DELTA_INTERVAL_S = 0.1
"""How long the words of an answer are gathered before they go out as one event, seconds."""
_STORE_OUTAGE_S = 60.0
"""How long an answer waits for a store that does not answer before the turn is given up, seconds."""

_ROLES = {"user": Role.USER, "developer": Role.SYSTEM, "assistant": Role.ASSISTANT, "tool": Role.TOOL}


class TextRecords:
    """One AIcall's records. They are refused from the moment at which another process has it, or it is being ended.

    Args:
        services: The process.
        aicall: The AIcall.
        owner: Under which name this process has it.
        used: What of its use is recorded already.
    """

    def __init__(self, services: Services, aicall: Aicall, owner: str, used: Usage) -> None:
        self._services = services
        self._aicall = aicall
        self._owner = owner
        self._lost = False
        self._journal = CallJournal(str(aicall.id))
        self._reply_to = NIL_ID
        self._answer_id = uuid4()
        self._delta: list[str] = []
        self._deltas = 0
        self._timer: asyncio.TimerHandle | None = None
        self._notes: list[Message] = []
        self._used = used

    def begin(self, reply_to: UUID) -> None:
        """Say to which message belongs what is recorded from now on."""
        self._reply_to = reply_to

    def begin_step(self) -> None:
        """Say that an answer begins."""
        self._drop_timer()
        self._answer_id, self._deltas = uuid4(), 0
        self._delta.clear()

    def text(self, text: str) -> None:
        """Record a piece of the answer. Returns at once."""
        self._delta.append(text)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELTA_INTERVAL_S, self._send_delta)

    def summed_up(self, summary: Summary) -> None:
        """Record, with the next step, what stands for the older part of the context."""
        self._notes.append(self.message(Role.NOTIFICATION, summary.note()))

    def used(self, meter: Meter) -> None:
        """Record what the AIcall has used so far; nothing where that is recorded already."""
        if meter.usage != self._used:
            self._used = meter.usage
            self._event(EventType.USAGE, meter.usage.public(meter.prices))

    def variables_set(self, variables: Mapping[str, str]) -> None:
        """Record what a tool remembered."""
        self._event(EventType.VARIABLES_SET, {"variables": dict(variables)})

    def tool_called(self, call: ToolCall, result: ToolResult) -> None:
        """Record that a tool ended; the messages of it are recorded with their step."""
        self._event(EventType.TOOL_CALLED, result.event_data(call))

    def provider_failed(self, error: ProviderError, *, fatal: bool) -> None:
        """Record a vendor's failure.

        Args:
            error: What went wrong, and what to do about it.
            fatal: Whether nobody answers for that.
        """
        self._services.metrics.provider_failed(seat=error.seat, provider=error.provider)
        logger.warning("aicall {}: {} {}: {}", self._aicall.id, error.seat, error.provider, error.message)
        self._event(EventType.PROVIDER_FAILED, {**error.public(), "fatal": fatal})

    def provider_switched(self, error: ProviderError, successor: str, took_ms: float) -> None:
        """Record that another vendor took over."""
        self.provider_failed(error, fatal=False)
        self._services.metrics.provider_switched(seat=error.seat, failed=error.provider, successor=successor)
        data = {"seat": error.seat, "from": error.provider, "to": successor, "error": error.code}
        self._event(EventType.PROVIDER_SWITCHED, {**data, "switch_ms": round(took_ms, 1)})

    def note(self, **content: Any) -> Message:
        """Make a notification about the turn."""
        return self.message(Role.NOTIFICATION, json.dumps(content, ensure_ascii=False))

    async def step(
        self, new: Sequence[LLMContextMessage] = (), *, notes: Sequence[Message] = (), answered: UUID | None = None
    ) -> None:
        """Record what a step put into the context, and wait until it is stored.

        Args:
            new: The messages that the step added.
            notes: Notifications behind them.
            answered: Whose turn is over by it.

        Raises:
            LostLease: Another process has the AIcall, or it is being ended.
            Unavailable: The store does not answer for long.
        """
        self._send_delta()
        now = self._services.clock()
        # All of one moment, so that they are read in the order in which they stand here.
        found = [*self._messages(new), *notes, *self._notes]
        messages = [message.model_copy(update={"tm_create": now}) for message in found]
        self._notes.clear()
        if messages or answered is not None:
            self._write(messages=messages, answered=answered)
        if not await self._journal.flush(_STORE_OUTAGE_S):
            raise Unavailable("the store does not answer")
        if self._lost:
            raise LostLease

    async def close(self) -> None:
        """Write what is left, as far as the store answers at once, and stop."""
        self._drop_timer()
        await self._journal.flush(1.0)
        await self._journal.close()

    def message(self, role: Role, content: str = "", **fields: Any) -> Message:
        """Make a message of the present turn."""
        return Message.model_validate(
            {
                "id": uuid4(),
                "customer_id": self._aicall.customer_id,
                "aicall_id": self._aicall.id,
                "role": role,
                "content": content,
                "in_reply_to_message_id": self._reply_to,
                "tm_create": self._services.clock(),
                **fields,
            }
        )

    def _messages(self, new: Sequence[LLMContextMessage]) -> list[Message]:
        found: list[Message] = []
        for message in new:
            if isinstance(message, LLMSpecificMessage):
                # Only the vendor that wrote it understands it, and only in the answer that it belongs to.
                continue
            entry = cast("dict[str, Any]", message)
            content = entry.get("content")
            fields: dict[str, Any] = {"content": content if isinstance(content, str) else ""}
            if entry["role"] == "assistant":
                fields["tool_calls"] = [ToolCall.model_validate(call) for call in entry.get("tool_calls") or ()]
                if not fields["tool_calls"]:
                    fields |= {"id": self._answer_id, "direction": Direction.OUTGOING}
                    self._answer_id = uuid4()
            if entry["role"] == "tool":
                fields["tool_call_id"] = entry["tool_call_id"]
            found.append(self.message(_ROLES[entry["role"]], **fields))
        return found

    def _send_delta(self) -> None:
        self._drop_timer()
        text = "".join(self._delta)
        self._delta.clear()
        if not text:
            return
        self._deltas += 1
        data = {
            "id": str(self._answer_id),
            "aicall_id": str(self._aicall.id),
            "role": Role.ASSISTANT.value,
            "content": text,
            "sequence": self._deltas,
            "in_reply_to_message_id": str(self._reply_to),
        }
        self._event(EventType.MESSAGE_INTERMEDIATE, data)

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _event(self, type_: EventType, data: dict[str, Any]) -> None:
        event = NewEvent(type=type_, aicall_id=self._aicall.id, tm_create=self._services.clock(), data=data)
        self._write(events=[event])

    def _write(
        self, *, messages: Sequence[Message] = (), events: Sequence[NewEvent] = (), answered: UUID | None = None
    ) -> None:
        async def write() -> None:
            if self._lost:
                return
            try:
                await self._services.store.record_text(
                    self._aicall.id, owner=self._owner, messages=messages, events=events, answered=answered
                )
            except LostLease:
                self._lost = True

        self._journal.add(write)
