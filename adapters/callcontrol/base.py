"""What the runtime asks of the system that owns the call: the contract of the call-control seat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ControlCommand(StrEnum):
    """What can be asked for; the names are those of the tools (seed 003)."""

    CONNECT_CALL = "connect_call"
    CREATE_CALL = "create_call"
    STOP_FLOW = "stop_flow"
    SEND_MESSAGE = "send_message"


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One request.

    Attributes:
        command: What to do.
        tool_call_id: The model's id of the tool call.
        arguments: The tool's arguments; they fit its schema.
        aicall: The AIcall's public document.
        idempotency_key: The same for every try of the same request; different for all others.
    """

    command: ControlCommand
    tool_call_id: str
    arguments: Mapping[str, Any]
    aicall: Mapping[str, Any]
    idempotency_key: str


class CallControl(ABC):
    """Carries requests out. One for all calls of a process."""

    @abstractmethod
    def can(self, command: ControlCommand) -> bool:
        """Return whether a command can be carried out at all."""

    @abstractmethod
    async def carry_out(self, request: ControlRequest) -> Mapping[str, Any]:
        """Do it. Done twice with the same idempotency key it has been done once.

        Returns:
            What the model is told of it; may be empty.

        Raises:
            ToolFailed: It was refused, or nobody could be reached.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Release every connection."""
