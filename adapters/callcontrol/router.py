"""Call control of all configured phone systems: each request goes to the one that carries the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.callcontrol.base import CallControl, ControlCommand, ControlRequest, Leg
from models.errors import ToolFailed


class ControlRouter(CallControl):
    """Asks the first that can.

    Args:
        systems: Who may be asked, in order: the phone systems' own interfaces, and the webhook for the rest.
    """

    def __init__(self, systems: Sequence[CallControl]) -> None:
        self._systems = tuple(systems)

    def can(self, command: ControlCommand, leg: Leg | None = None) -> bool:
        """Return whether anybody can."""
        return any(it.can(command, leg) for it in self._systems)

    def takes(self, request: ControlRequest) -> bool:
        """Return whether anybody takes this very request."""
        return any(it.takes(request) for it in self._systems)

    async def carry_out(self, request: ControlRequest) -> Mapping[str, Any]:
        """Ask for it; see `CallControl.carry_out`."""
        for system in self._systems:
            if system.takes(request):
                return await system.carry_out(request)
        if request.command is ControlCommand.CONNECT_CALL and self.can(request.command, request.leg):
            raise ToolFailed("destinations of this type, or so many of them, cannot be reached from this call")
        raise ToolFailed("nobody can do this on this call")

    async def aclose(self) -> None:
        """Close every connection of all of them."""
        for system in self._systems:
            await system.aclose()
