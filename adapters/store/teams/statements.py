"""Statements about teams. Every function runs inside one transaction of its caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.paging import PageQuery
from adapters.store.sql_ais import delete_grant
from adapters.store.sql_events import append_event
from adapters.store.tables import aicalls
from adapters.store.teams.contract import MemberSwitch
from adapters.store.teams.tables import teams
from models.errors import Changed, Conflict, NotFound
from models.event import Event, EventType, NewEvent
from models.team import Team
from models.timestamps import NOT_YET

PAGES = PageQuery("teams", teams, teams.c.id)
"""How teams are listed."""


def team_to_row(team: Team) -> dict[str, Any]:
    """Return a team's columns."""
    row = {name: getattr(team, name) for name in Team.model_fields}
    row["members"] = [member.model_dump(mode="json") for member in team.members]
    return row


def team_from_row(row: RowMapping) -> Team:
    """Return the team of a row."""
    return Team.model_validate(dict(row))


def insert_team(connection: Connection, team: Team) -> None:
    """Insert a team.

    Raises:
        Conflict: There is one with that id already.
    """
    try:
        connection.execute(insert(teams), team_to_row(team))
    except IntegrityError:
        raise Conflict("a team with this id exists already") from None


def select_team(connection: Connection, team_id: UUID, customer_id: UUID | None) -> Team:
    """Return a team.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
    """
    row = connection.execute(select(teams).where(_alive(team_id, customer_id))).mappings().one_or_none()
    if row is None:
        raise NotFound("team", str(team_id))
    return team_from_row(row)


def update_team(connection: Connection, team: Team, *, unchanged_since: datetime | None) -> None:
    """Replace a team.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
        Changed: Its ``tm_update`` is not ``unchanged_since``.
    """
    if unchanged_since not in {None, select_team(connection, team.id, team.customer_id).tm_update}:
        raise Changed("the team was changed meanwhile")
    statement = update(teams).where(_alive(team.id, team.customer_id)).values(team_to_row(team))
    if not connection.execute(statement).rowcount:
        raise NotFound("team", str(team.id))


def delete_team(connection: Connection, team_id: UUID, customer_id: UUID, now: datetime) -> Team:
    """Delete a team softly and its media token for good.

    Raises:
        NotFound: There is none, it is deleted already, or it is another customer's.
    """
    statement = update(teams).where(_alive(team_id, customer_id)).values(tm_delete=now).returning(teams)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound("team", str(team_id))
    delete_grant(connection, team_id)
    return team_from_row(row)


def switch_member(connection: Connection, switch: MemberSwitch, now: datetime, key: UUID, owner: str | None) -> Event:
    """Set who has an AIcall, with the event. A repeated write does nothing but return the event.

    Raises:
        NotFound: There is no such AIcall.
        LostLease: Another process runs it.
    """
    event = NewEvent(
        type=EventType.TEAM_MEMBER_SWITCHED,
        aicall_id=switch.aicall_id,
        tm_create=now,
        data={
            "from_member_id": str(switch.from_member_id),
            "to_member_id": str(switch.to_member_id),
            "function_name": switch.function_name,
        },
    )
    newest = _last_sequence(connection, switch.aicall_id)
    written = append_event(connection, event, owner=owner, key=key)
    if written.sequence > newest:
        values = {"current_member_id": switch.to_member_id, "tm_update": now}
        connection.execute(update(aicalls).where(aicalls.c.id == switch.aicall_id).values(values))
    return written


def _last_sequence(connection: Connection, aicall_id: UUID) -> int:
    # Of a repeated write the event is there already, and a later switch must not be undone by it.
    return connection.execute(select(aicalls.c.last_sequence).where(aicalls.c.id == aicall_id)).scalar() or 0


def list_conditions(customer_id: UUID) -> Sequence[ColumnElement[bool]]:
    """Return what a listed team must fulfil."""
    return (teams.c.customer_id == customer_id, teams.c.tm_delete == NOT_YET)


def _alive(team_id: UUID, customer_id: UUID | None) -> ColumnElement[bool]:
    alive = (teams.c.id == team_id) & (teams.c.tm_delete == NOT_YET)
    return alive if customer_id is None else alive & (teams.c.customer_id == customer_id)
