"""The contract of a store, as far as it keeps teams and their members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from models.event import Event
from models.team import Team

if TYPE_CHECKING:
    from adapters.store.base import Page


@dataclass(frozen=True, slots=True)
class MemberSwitch:
    """A call was handed over from one member to another.

    Attributes:
        aicall_id: Which AIcall.
        from_member_id: Who had it.
        to_member_id: Who has it.
        function_name: The transition that was called.
    """

    aicall_id: UUID
    from_member_id: UUID
    to_member_id: UUID
    function_name: str


class TeamsStore(ABC):
    """Keeps teams, and which member has an AIcall.

    Contract: that of `adapters.store.base.Store`. An AIcall's ``current_member_id`` and the ``team_member_switched``
    event change together, exactly once, or not at all.
    """

    @abstractmethod
    async def create_team(self, team: Team) -> None:
        """Insert a team. Whether its AIs exist is not asked.

        Raises:
            Conflict: There is one with that id already.
        """

    @abstractmethod
    async def get_team(self, team_id: UUID, *, customer_id: UUID | None) -> Team:
        """Return a team.

        Raises:
            NotFound: There is none, it is deleted, or it is another customer's.
        """

    @abstractmethod
    async def list_teams(self, *, customer_id: UUID, page_size: int, page_token: str = "") -> Page[Team]:
        """List teams, newest first.

        Raises:
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def update_team(self, team: Team, *, unchanged_since: datetime | None = None) -> None:
        """Replace a team.

        Args:
            team: The team.
            unchanged_since: ``tm_update`` that the stored one must have; None for whatever it has.

        Raises:
            NotFound: Its customer has none with that id, or it is deleted.
            Changed: It has another ``tm_update``.
        """

    @abstractmethod
    async def delete_team(self, team_id: UUID, *, customer_id: UUID, now: datetime) -> Team:
        """Delete softly, together with its media token. Running AIcalls go on.

        Raises:
            NotFound: There is none, or it is deleted already.
        """

    @abstractmethod
    async def switch_member(self, switch: MemberSwitch, *, now: datetime, key: UUID, owner: str | None = None) -> Event:
        """Set an AIcall's ``current_member_id``, with its ``team_member_switched`` event.

        Args:
            switch: Who hands over to whom.
            now: The moment.
            key: Tells a write that is repeated because its answer got lost: it is done once.
            owner: Who must own the AIcall; None for whoever does.

        Raises:
            NotFound: There is no such AIcall.
            LostLease: The AIcall has another owner.
        """
