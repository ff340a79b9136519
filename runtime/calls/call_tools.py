"""What the tools of a call may reach (`pipelines.tools.host.ToolHost`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from adapters.callcontrol.base import Leg
from models.aicall import Aicall, EndReason
from pipelines.conversation.conversation import Conversation
from pipelines.tools.host import KnowledgeSearch
from runtime.aicall_host import AicallHost
from runtime.calls.call_records import CallRecords
from runtime.calls.caller_leg import CallerLeg
from runtime.services import Services


class CallToolHost(AicallHost):
    """One call, as its tools see it.

    Args:
        services: The process.
        aicall: The AIcall.
        records: Where to record what tools do.
        variables: What is known of the call already.
        knowledge: The knowledge base of the AI; None when there is none.
        caller: The caller's leg; None where nothing is known of it.
    """

    def __init__(
        self,
        services: Services,
        aicall: Aicall,
        records: CallRecords,
        variables: Mapping[str, str],
        knowledge: KnowledgeSearch | None = None,
        *,
        caller: CallerLeg | None = None,
    ) -> None:
        super().__init__(services, aicall, records, variables, knowledge)
        self._journal = records.journal
        self._call_records = records
        self._caller = caller
        self._conversation: Conversation | None = None

    def beside(self, knowledge: KnowledgeSearch | None) -> CallToolHost:
        """Return the same call as another member of its team sees it: with its own knowledge, and the same variables.

        Args:
            knowledge: That member's knowledge base; None when there is none.
        """
        other = CallToolHost(self._services, self._aicall, self._call_records, {}, knowledge, caller=self._caller)
        other._variables = self._variables
        return other

    def serve(self, conversation: Conversation) -> None:
        """Act on this conversation from now on."""
        self._conversation = conversation

    @property
    def leg(self) -> Leg | None:
        """The caller's leg at the phone system."""
        return None if self._caller is None else self._caller.leg

    def parting(self, reason: EndReason) -> None:
        """Say that the phone system is asked for something that takes the caller away."""
        if self._caller is not None:
            self._caller.parting(reason)

    def parted(self, *, done: bool) -> None:
        """Say whether it did as it was asked."""
        if self._caller is not None:
            self._caller.parted(done=done)

    async def messages(self, aicall_id: UUID) -> list[dict[str, Any]]:
        """Return the latest messages of an AIcall of the same customer, oldest first."""
        if aicall_id == self._aicall.id:
            await self._journal.flush(timeout_s=1.0)
        return await super().messages(aicall_id)

    async def stop_media(self) -> None:
        """Stop what plays to the caller."""
        if self._conversation is not None:
            await self._conversation.stop_media()

    async def stop_service(self, reason: EndReason = EndReason.STOP_SERVICE) -> None:
        """End the call once everything said before was heard."""
        if self._conversation is not None:
            await self._conversation.hang_up(reason)

    async def when_heard(self) -> None:
        """Wait until everything said before was heard."""
        if self._conversation is not None:
            await self._conversation.when_heard()
