"""What tools may reach of any AIcall, spoken or written; the base of each kind's `pipelines.tools.host.ToolHost`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from models.aicall import Aicall
from pipelines.tools.host import KnowledgeSearch, ToolDesk
from runtime.services import Services

_MESSAGES = 100


class VariableRecords(Protocol):
    """Where it is recorded what tools remember."""

    def variables_set(self, variables: Mapping[str, str]) -> None:
        """Record what a tool remembered."""


class AicallHost:
    """One AIcall, as its tools see it.

    Args:
        services: The process.
        aicall: The AIcall.
        records: Where to record what tools do.
        variables: What is known already.
        knowledge: The knowledge base of the AI; None when there is none.
    """

    def __init__(
        self,
        services: Services,
        aicall: Aicall,
        records: VariableRecords,
        variables: Mapping[str, str],
        knowledge: KnowledgeSearch | None = None,
    ) -> None:
        self._services = services
        self._aicall = aicall
        self._records = records
        self._variables = dict(variables)
        self._knowledge = knowledge

    @property
    def aicall_id(self) -> UUID:
        """The AIcall's own id."""
        return self._aicall.id

    @property
    def aicall(self) -> Mapping[str, Any]:
        """The AIcall's public document."""
        return self._aicall.public()

    @property
    def desk(self) -> ToolDesk:
        """The process's connections to the outside."""
        return self._services.tools

    @property
    def knowledge(self) -> KnowledgeSearch | None:
        """The knowledge base of the AI; None when there is none."""
        return self._knowledge

    @property
    def variables(self) -> Mapping[str, str]:
        """What was remembered so far."""
        return self._variables

    async def set_variables(self, variables: Mapping[str, str]) -> None:
        """Remember values."""
        self._variables.update(variables)
        self._records.variables_set(variables)

    async def messages(self, aicall_id: UUID) -> list[dict[str, Any]]:
        """Return the latest messages of an AIcall of the same customer, oldest first."""
        page = await self._services.store.list_messages(
            aicall_id, customer_id=self._aicall.customer_id, page_size=_MESSAGES
        )
        return [
            {"role": message.role, "content": message.content}
            for message in reversed(page.items)
            if message.content and not message.tool_call_id
        ]
