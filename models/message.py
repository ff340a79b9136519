"""Messages of an AIcall: what was said, heard, called and answered."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from models.ids import NIL_ID
from models.timestamps import NOT_YET, Timestamp


def _nil_if_none(value: Any) -> Any:
    return NIL_ID if value is None else value


class Role(StrEnum):
    """Who a message is from."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    NOTIFICATION = "notification"


class Direction(StrEnum):
    """Which way a message went, seen from the runtime: incoming from the caller, outgoing to the caller."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    NONE = ""
    """Neither: system prompts, tool calls and their results."""


class ToolCallFunction(BaseModel):
    """The function of a tool call.

    Attributes:
        name: Function name.
        arguments: The arguments as JSON text.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    arguments: str


class ToolCall(BaseModel):
    """One tool call by the model, in the field's usual shape."""

    model_config = ConfigDict(frozen=True)

    id: str
    type: Literal["function"] = "function"
    function: ToolCallFunction


class Message(BaseModel):
    """One message of an AIcall.

    Attributes:
        content: What was said. For the assistant: what the caller heard, not what was synthesised.
        interrupted: Whether the caller cut the assistant off.
        tool_calls: For the assistant: the tools that it called.
        tool_call_id: For a tool: the call that this is the result of.
        in_reply_to_message_id: In a conversation: the message whose turn this belongs to; nil outside of one.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    customer_id: UUID
    aicall_id: UUID
    role: Role
    content: str = ""
    direction: Direction = Direction.NONE
    interrupted: bool = False
    tool_calls: list[ToolCall] = Field(default_factory=list)
    tool_call_id: str = ""
    in_reply_to_message_id: Annotated[UUID, BeforeValidator(_nil_if_none)] = NIL_ID
    tm_create: Timestamp
    tm_delete: Timestamp = NOT_YET

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API and the events carry."""
        return self.model_dump(mode="json")
