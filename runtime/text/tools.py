"""What the tools of a conversation or task may reach (`pipelines.tools.host.ToolHost`)."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.callcontrol.base import Leg
from models.aicall import Aicall, EndReason
from pipelines.tools.host import KnowledgeSearch
from runtime.aicall_host import AicallHost
from runtime.services import Services
from runtime.text.records import TextRecords


class TextToolHost(AicallHost):
    """One conversation or task, as its tools see it.

    Args:
        services: The process.
        aicall: The AIcall.
        records: Where to record what tools do.
        variables: What is known already.
        knowledge: The knowledge base of the AI; None when there is none.

    Attributes:
        ending: Why the AIcall is to be ended once the turn is over; None while it is not.
    """

    def __init__(
        self,
        services: Services,
        aicall: Aicall,
        records: TextRecords,
        variables: Mapping[str, str],
        knowledge: KnowledgeSearch | None = None,
    ) -> None:
        super().__init__(services, aicall, records, variables, knowledge)
        self.ending: EndReason | None = None

    @property
    def leg(self) -> Leg | None:
        """None: nobody is on a line."""
        return None

    def parting(self, reason: EndReason) -> None:
        """Do nothing: nobody is on a line."""

    def parted(self, *, done: bool) -> None:
        """Do nothing: nobody is on a line."""

    async def stop_media(self) -> None:
        """Do nothing: nothing plays."""

    async def stop_service(self, reason: EndReason = EndReason.STOP_SERVICE) -> None:
        """End the AIcall once the turn is over."""
        self.ending = reason

    async def when_heard(self) -> None:
        """Do nothing: what is written is read when it is there."""
