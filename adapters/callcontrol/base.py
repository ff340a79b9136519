"""What the runtime asks of the system that owns the call: the contract of the call-control seat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ControlCommand(StrEnum):
    """What can be asked for. The names of the first four are those of the tools (seed 003)."""

    CONNECT_CALL = "connect_call"
    """Connect the caller to one of ``destinations`` (`adapters.callcontrol.transfer` reads the arguments)."""
    CREATE_CALL = "create_call"
    STOP_FLOW = "stop_flow"
    """End the call altogether, whatever the phone system would do next."""
    SEND_MESSAGE = "send_message"
    HANGUP = "hangup"
    """Hang the caller up. No arguments. Done as well when the call is over already."""
    SEND_DTMF = "send_dtmf"
    """Send ``digits``, a string of ``0-9 * # A-D w`` (``w``: half a second of pause), to the far end."""


@dataclass(frozen=True, slots=True)
class Leg:
    """The caller's leg, as the phone system names it: what its control interface has to be told.

    Attributes:
        protocol: Name of the media protocol that carries it (`adapters.media.registry`).
        call_id: The phone system's id of the call ('' when it gave none).
        account_id: The phone system's id of the account, project or domain ('' when it gave none).
        stream_id: The phone system's id of the media stream.
        session: ``session`` of the media URL's query, else `call_id`.
        from_: Caller, as given ('' when unknown).
        to: Called number, as given ('' when unknown).
        parameters: What the phone system passed along: custom parameters and channel variables.
        server_url: ``http(s)://HOST[/PREFIX]`` under which the phone system reached this server ('' when unknown).
    """

    protocol: str
    call_id: str
    account_id: str = ""
    stream_id: str = ""
    session: str = ""
    from_: str = ""
    to: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    server_url: str = ""


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One request.

    Attributes:
        command: What to do.
        tool_call_id: The model's id of the tool call ('' when no tool asks).
        arguments: The command's arguments; those of a tool fit its schema.
        aicall: The AIcall's public document.
        idempotency_key: The same for every try of the same request; different for all others.
        leg: The caller's leg; None where there is none, as in a conversation in writing.
    """

    command: ControlCommand
    tool_call_id: str
    arguments: Mapping[str, Any]
    aicall: Mapping[str, Any]
    idempotency_key: str
    leg: Leg | None = None


class CallControl(ABC):
    """Carries requests out. One for all calls of a process."""

    @abstractmethod
    def can(self, command: ControlCommand, leg: Leg | None = None) -> bool:
        """Return whether a command can be carried out at all.

        Args:
            command: The command.
            leg: The caller's leg; None where there is none.
        """

    def takes(self, request: ControlRequest) -> bool:
        """Return whether this very request can be carried out: also its arguments, where they decide it."""
        return self.can(request.command, request.leg)

    @abstractmethod
    async def carry_out(self, request: ControlRequest) -> Mapping[str, Any]:
        """Do it. Done twice with the same idempotency key it has been done once.

        What is to be ended and has ended already is a success.

        Returns:
            What the model is told of it; may be empty.

        Raises:
            ToolFailed: It was refused, or nobody could be reached.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Release every connection."""
