"""What a tool may reach: the call it runs in, the process's outside connections, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import httpx

from adapters.callcontrol.base import CallControl, Leg
from adapters.callcontrol.documents import DocumentLinks
from adapters.mail.base import Mailer
from models.aicall import EndReason


class KnowledgeSearch(Protocol):
    """The knowledge base of a call's AI."""

    async def search_knowledge(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Return what fits a question best, the best first.

        Args:
            query: What to look for.
            limit: Most results.

        Returns:
            For each its ``text``, its ``source`` and its ``score``.

        Raises:
            ToolFailed: It cannot be searched now.
        """


@dataclass(frozen=True, slots=True)
class ToolDesk:
    """The process's connections to the outside, for the tools of all calls.

    Attributes:
        control: Asks the system that owns the calls; None when none is configured.
        mailer: Sends email; None when no mail server is configured.
        http: For the customers' own HTTP tools: reaches no private network, unless the operator allows it.
        mcp_client: Makes such a client for one MCP session, whose user closes it.
        documents: Links to what phone systems are told to do with calls; None when none can be made.
    """

    control: CallControl | None = None
    mailer: Mailer | None = None
    http: httpx.AsyncClient | None = None
    mcp_client: Callable[[], httpx.AsyncClient] | None = None
    documents: DocumentLinks | None = None


class ToolHost(Protocol):
    """The call, as its tools see it."""

    @property
    def aicall_id(self) -> UUID:
        """The call's own id."""

    @property
    def aicall(self) -> Mapping[str, Any]:
        """The AIcall's public document."""

    @property
    def desk(self) -> ToolDesk:
        """The process's connections to the outside."""

    @property
    def leg(self) -> Leg | None:
        """The caller's leg at the phone system; None where there is none."""

    def parting(self, reason: EndReason) -> None:
        """Say that the phone system is asked for something that takes the caller away.

        Args:
            reason: Why the call ends if it does as it is asked, which may show before its answer.
        """

    def parted(self, *, done: bool) -> None:
        """Say whether it did as it was asked."""

    @property
    def knowledge(self) -> KnowledgeSearch | None:
        """The knowledge base of the AI; None when there is none."""

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

    async def stop_service(self, reason: EndReason = EndReason.STOP_SERVICE) -> None:
        """End the call once everything said before was heard.

        Args:
            reason: Why.
        """

    async def when_heard(self) -> None:
        """Wait until everything said before was heard. Bounded in time; without a voice it returns at once."""
