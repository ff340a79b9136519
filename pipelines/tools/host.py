"""What a tool may reach: the call it runs in, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID


class ToolHost(Protocol):
    """The call, as its tools see it."""

    @property
    def aicall_id(self) -> UUID:
        """The call's own id."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What was remembered so far."""

    async def set_variables(self, variables: Mapping[str, str]) -> None:
        """Remember values."""

    async def messages(self, aicall_id: UUID) -> list[dict[str, Any]]:
        """Return the messages of an AIcall of the same customer, oldest first.

        Raises:
            NotFound: There is no such AIcall, or it is another customer's.
        """

    async def stop_media(self) -> None:
        """Stop what plays to the caller."""

    async def stop_service(self) -> None:
        """End the call once everything said before was heard."""
