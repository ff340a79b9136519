"""Events: what happened to AIcalls, in the order it happened (design section 4)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from models.status import AicallStatus
from models.timestamps import Timestamp


class EventType(StrEnum):
    """Every event type that is not a status move."""

    MESSAGE_CREATED = "aimessage_created"
    """Data: the message."""
    MESSAGE_INTERMEDIATE = "aimessage_intermediate"
    """Data: ``id`` of the message that will follow, ``aicall_id``, ``role``, ``content`` (what the answer has got since
    the last one), ``sequence`` (1, 2, 3, … within the message), ``in_reply_to_message_id``."""
    TURN_COMPLETED = "aicall_turn_completed"
    """Data: the turn's latency record (`models.turn.TurnRecord`)."""
    VARIABLES_SET = "aicall_variables_set"
    """Data: the variables that a tool set."""
    PROVIDER_FAILED = "aicall_provider_failed"
    """Data: what `models.errors.ProviderError.public` returns, and ``fatal``: whether the call ends by it."""
    PROVIDER_SWITCHED = "aicall_provider_switched"
    """Data: ``seat``, ``from``, ``to``, ``error``, and ``switch_ms``: how long it took."""
    TOOL_CALLED = "aicall_tool_called"
    """Data: ``tool_call_id``, ``name``, ``state`` (`models.tools.ToolState`), ``duration_ms``."""
    FILLER_SAID = "aicall_filler_said"
    """Data: ``text``, and ``waits_for``: ``stt``, ``llm``, ``tts`` or ``tool``."""
    USAGE = "aicall_usage"
    """Data: what was used since the last one, at the end (`models.usage.Usage.public`)."""
    TEAM_MEMBER_SWITCHED = "team_member_switched"
    """Data: ``from_member_id``, ``to_member_id``, ``function_name``."""


def status_event_type(status: AicallStatus) -> str:
    """Return the event type of a status move: ``aicall_status_<status>``. Data: the AIcall."""
    return f"aicall_status_{status}"


class NewEvent(BaseModel):
    """An event before the store gave it its place in the order."""

    model_config = ConfigDict(frozen=True)

    type: str
    aicall_id: UUID
    tm_create: Timestamp
    data: dict[str, Any]


class Event(NewEvent):
    """The envelope in which an event is stored and delivered.

    Attributes:
        id: Stable id; a repeated delivery carries the same one. Also the cursor of ``GET /v1.0/events?after=``.
        sequence: 1, 2, 3, … within one AIcall, without gaps, in the order in which things happened.
    """

    id: str
    sequence: int

    def public(self) -> dict[str, Any]:
        """Return the JSON document that every sink delivers."""
        fields = ("id", "type", "aicall_id", "sequence", "tm_create", "data")
        dumped = self.model_dump(mode="json")
        return {name: dumped[name] for name in fields}
