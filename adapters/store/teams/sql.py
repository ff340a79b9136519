"""Keeps teams in a SQL database."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from adapters.store.sql_base import SqlBase
from adapters.store.teams import statements
from adapters.store.teams.contract import MemberSwitch, TeamsStore
from models.event import Event
from models.team import Team

if TYPE_CHECKING:
    from adapters.store.base import Page


class SqlTeams(SqlBase, TeamsStore):
    """The contract on any `Database`."""

    async def create_team(self, team: Team) -> None:
        """Insert a team.

        Raises:
            Conflict: There is one with that id already.
        """
        await self._database.write(partial(statements.insert_team, team=team))

    async def get_team(self, team_id: UUID, *, customer_id: UUID | None) -> Team:
        """Return a team.

        Raises:
            NotFound: There is none, it is deleted, or it is another customer's.
        """
        return await self._database.read(partial(statements.select_team, team_id=team_id, customer_id=customer_id))

    async def list_teams(self, *, customer_id: UUID, page_size: int, page_token: str = "") -> Page[Team]:
        """List teams, newest first."""
        return await self._database.read(
            partial(
                statements.PAGES.run,
                conditions=statements.list_conditions(customer_id),
                make=statements.team_from_row,
                page_size=page_size,
                page_token=page_token,
            )
        )

    async def update_team(self, team: Team, *, unchanged_since: datetime | None = None) -> None:
        """Replace a team of the same customer.

        Raises:
            NotFound: There is none.
            Changed: It has another ``tm_update``.
        """
        await self._database.write(partial(statements.update_team, team=team, unchanged_since=unchanged_since))

    async def delete_team(self, team_id: UUID, *, customer_id: UUID, now: datetime) -> Team:
        """Delete softly, together with its media token."""
        work = partial(statements.delete_team, team_id=team_id, customer_id=customer_id, now=now)
        return await self._database.write(work)

    async def switch_member(self, switch: MemberSwitch, *, now: datetime, key: UUID, owner: str | None = None) -> Event:
        """Set who has an AIcall, with the event.

        Raises:
            NotFound: There is no such AIcall.
            LostLease: The AIcall has another owner.
        """
        work = partial(statements.switch_member, switch=switch, now=now, key=key, owner=owner)
        return self._announced(await self._database.write(work))
