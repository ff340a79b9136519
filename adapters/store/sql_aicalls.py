"""Statements about AIcalls. Every function runs inside one transaction of its caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.base import MediaGrant
from adapters.store.customers.limits import check_call_limit
from adapters.store.paging import PageQuery
from adapters.store.rows import aicall_from_row, aicall_to_row
from adapters.store.sql_ais import delete_grant, put_grant
from adapters.store.sql_events import insert_event
from adapters.store.tables import aicalls, media_grants
from models.aicall import Aicall, EndReason
from models.errors import Conflict, IllegalTransition, InvalidField, NotFound, Unavailable
from models.event import Event, status_event_type
from models.status import AicallStatus, is_final
from models.timestamps import NOT_YET

PAGES = PageQuery("aicalls", aicalls, aicalls.c.id)
"""How AIcalls are listed."""

MOVE_ATTEMPTS = 8
"""How often a move that lost a race is tried again, from the status that won."""

_THIS = (aicalls.c.id == bindparam("of_id")) & (aicalls.c.tm_delete == NOT_YET)

# Made once: building a statement costs more than running it.
_INSERT = insert(aicalls)
_SELECT = select(aicalls).where(_THIS)
_CLAIM = (
    update(aicalls)
    .where(_THIS, aicalls.c.owner == "", aicalls.c.status == AicallStatus.INITIATING)
    .values(owner=bindparam("new_owner"), tm_lease=bindparam("new_lease"))
    .returning(aicalls)
)
_COMPARE_AND_SET = (
    update(aicalls)
    .where(_THIS, aicalls.c.status == bindparam("source"))
    .values(
        status=bindparam("new_status"),
        end_reason=bindparam("new_end_reason"),
        tm_end=bindparam("new_tm_end"),
        tm_update=bindparam("new_tm_update"),
        last_sequence=aicalls.c.last_sequence + 1,
    )
    .returning(aicalls.c.last_sequence)
)


def insert_aicall(
    connection: Connection, aicall: Aicall, grant: MediaGrant | None, owner: str, tm_lease: datetime | None = None
) -> Event:
    """Insert an AIcall with its first event and its media token.

    Raises:
        InvalidField: Its status is not ``initiating``.
        NotFound: Its customer is deleted.
        LimitReached: Its customer has as many calls as it may have.
        Conflict: There is one with that id already.
    """
    if aicall.status is not AicallStatus.INITIATING:
        raise InvalidField("status", "must be initiating in a new AIcall")
    check_call_limit(connection, aicall)
    own = {"owner": owner, "tm_lease": tm_lease, "last_sequence": 1}
    try:
        connection.execute(_INSERT, {**aicall_to_row(aicall), **own})
    except IntegrityError:
        raise Conflict("an AIcall with this id exists already") from None
    if grant is not None:
        put_grant(connection, grant)
    return status_event(connection, aicall, 1, aicall.tm_create)


def select_aicall(connection: Connection, aicall_id: UUID, customer_id: UUID | None) -> Aicall:
    """Return an AIcall.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
    """
    row = connection.execute(_SELECT, {"of_id": aicall_id}).mappings().one_or_none()
    if row is None or customer_id not in {None, row["customer_id"]}:
        raise NotFound("aicall", str(aicall_id))
    return aicall_from_row(row)


def claim_aicall(connection: Connection, aicall_id: UUID, owner: str, tm_lease: datetime | None = None) -> Aicall:
    """Take an AIcall that nobody runs.

    Raises:
        NotFound: There is none.
        Conflict: It is owned already, or no longer ``initiating``.
    """
    values = {"of_id": aicall_id, "new_owner": owner, "new_lease": tm_lease}
    row = connection.execute(_CLAIM, values).mappings().one_or_none()
    if row is None:
        select_aicall(connection, aicall_id, None)
        raise Conflict("the AIcall is run by somebody already, or has ended")
    return aicall_from_row(row)


def move_aicall(
    connection: Connection,
    aicall_id: UUID,
    target: AicallStatus,
    *,
    now: datetime,
    end_reason: EndReason,
    expected: AicallStatus | None,
) -> tuple[Aicall, Event]:
    """Make one status move with its event.

    Raises:
        NotFound: There is none.
        IllegalTransition: The table does not list the move, or the status is not the expected one.
        Unavailable: Others moved it each time we looked.
    """
    for _ in range(MOVE_ATTEMPTS):
        current = select_aicall(connection, aicall_id, None)
        if expected not in {None, current.status}:
            raise IllegalTransition(current.status, target)
        moved = current.moved(target, now=now, end_reason=end_reason)
        sequence = _compare_and_set(connection, current.status, moved)
        if sequence is not None:
            return moved, status_event(connection, moved, sequence, now)
    raise Unavailable("the AIcall is being moved by others")


def delete_aicall(connection: Connection, aicall_id: UUID, customer_id: UUID, now: datetime) -> Aicall:
    """Delete an AIcall softly and its media token for good.

    Raises:
        NotFound: There is none, it is deleted already, or it is another customer's.
        Conflict: It is still alive.
    """
    current = select_aicall(connection, aicall_id, customer_id)
    if not is_final(current.status):
        raise Conflict("the AIcall has not ended")
    connection.execute(update(aicalls).where(aicalls.c.id == aicall_id).values(tm_delete=now))
    delete_grant(connection, aicall_id)
    return current.model_copy(update={"tm_delete": now})


def select_expired(connection: Connection, now: datetime) -> list[Aicall]:
    """Return AIcalls that nobody runs and that nobody can connect to any more, oldest first."""
    waiting = (aicalls.c.status == AicallStatus.INITIATING) & (aicalls.c.owner == "") & (aicalls.c.tm_delete == NOT_YET)
    statement = (
        select(aicalls)
        .join(media_grants, media_grants.c.resource_id == aicalls.c.id)
        .where(waiting, media_grants.c.tm_expire <= now)
        .order_by(aicalls.c.tm_create, aicalls.c.id)
    )
    return [aicall_from_row(row) for row in connection.execute(statement).mappings()]


def list_conditions(customer_id: UUID, status: AicallStatus | None) -> Sequence[ColumnElement[bool]]:
    """Return what a listed AIcall must fulfil."""
    conditions = [aicalls.c.customer_id == customer_id, aicalls.c.tm_delete == NOT_YET]
    if status is not None:
        conditions.append(aicalls.c.status == status)
    return conditions


def _compare_and_set(connection: Connection, source: AicallStatus, moved: Aicall) -> int | None:
    """Write a move if the row is still in the source status; return its event's sequence, or None if it is not."""
    values = {
        "of_id": moved.id,
        "source": source,
        "new_status": moved.status,
        "new_end_reason": moved.end_reason,
        "new_tm_end": moved.tm_end,
        "new_tm_update": moved.tm_update,
    }
    return connection.execute(_COMPARE_AND_SET, values).scalar_one_or_none()


def status_event(connection: Connection, aicall: Aicall, sequence: int, now: datetime) -> Event:
    """Append the event of a status that was written in this transaction."""
    return insert_event(
        connection,
        aicall_id=aicall.id,
        customer_id=aicall.customer_id,
        sequence=sequence,
        event_type=status_event_type(aicall.status),
        tm_create=now,
        data=aicall.public(),
    )
