"""Keeps who runs an AIcall, until when, and what others ask of them in a SQL database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, RowMapping, bindparam, delete, insert, or_, select, update

from adapters.store.life.contract import LifeRequest, LifeStep, LifeStore, Tenure
from adapters.store.life.tables import aicall_requests
from adapters.store.rows import aicall_from_row
from adapters.store.sql_aicalls import MOVE_ATTEMPTS, status_event
from adapters.store.sql_base import SqlBase
from adapters.store.tables import aicalls
from models.aicall import Aicall, ReferenceType
from models.errors import Conflict, LostLease, NotFound, Unavailable
from models.event import Event
from models.status import AicallStatus, is_final
from models.timestamps import NOT_YET

_ALIVE = tuple(status for status in AicallStatus if not is_final(status))
_WAITING = (AicallStatus.PAUSING, AicallStatus.RESUMING)
_AT_ONCE = 500
"""How many AIcalls one statement names at most: SQLite takes 32,766 parameters, and locks should be short."""

_THIS = (aicalls.c.id == bindparam("of_id")) & (aicalls.c.tm_delete == NOT_YET)

# Made once: building a statement costs more than running it.
_SELECT = select(aicalls).where(_THIS)
_STEP = (
    update(aicalls)
    .where(_THIS, aicalls.c.status == bindparam("source"), aicalls.c.owner == bindparam("of_owner"))
    .values(
        status=bindparam("new_status"),
        end_reason=bindparam("new_end_reason"),
        tm_end=bindparam("new_tm_end"),
        tm_update=bindparam("new_tm_update"),
        tm_media=bindparam("new_media"),
        held=bindparam("new_held"),
        last_sequence=aicalls.c.last_sequence + bindparam("events"),
    )
    .returning(aicalls.c.last_sequence)
)
_TAKE_PLACE = (
    update(aicalls)
    .where(
        _THIS,
        aicalls.c.status == bindparam("source"),
        aicalls.c.owner == bindparam("of_owner"),
        aicalls.c.tm_lease.is_not_distinct_from(bindparam("of_lease", type_=aicalls.c.tm_lease.type)),
    )
    .values(owner=bindparam("new_owner"), tm_lease=bindparam("new_lease"))
)
_ATTACH = (
    update(aicalls)
    .where(
        _THIS,
        aicalls.c.owner == bindparam("of_owner"),
        aicalls.c.status.in_(_WAITING),
        aicalls.c.tm_media > bindparam("moment"),
    )
    .values(owner=bindparam("new_owner"), tm_lease=bindparam("new_lease"), tm_media=None)
    .returning(aicalls)
)
_ASKED = (
    select(aicall_requests.c.id, aicall_requests.c.aicall_id, aicall_requests.c.request)
    .join(aicalls, aicalls.c.id == aicall_requests.c.aicall_id)
    .where(aicalls.c.owner == bindparam("of_owner"))
    .order_by(aicall_requests.c.id)
)


class SqlLife(SqlBase, LifeStore):
    """The contract on any `Database`."""

    async def get_tenure(self, aicall_id: UUID) -> Tenure:
        """Return who runs an AIcall."""
        return await self._database.read(partial(_select, aicall_id=aicall_id))

    async def record_life(self, aicall_id: UUID, step: LifeStep, *, owner: str, now: datetime) -> bool:
        """Make one step of an AIcall's life as its owner."""
        work = partial(_step, aicall_id=aicall_id, step=step, owner=owner, now=now)
        event = await self._database.write(work)
        if event is not None:
            self._announced(event)
        return event is not None

    async def attach_aicall(
        self, aicall_id: UUID, *, from_owner: str, owner: str, now: datetime, tm_lease: datetime
    ) -> Tenure:
        """Take an AIcall whose phone system was lost and connects again, from whoever had it."""
        work = partial(_attach, aicall_id=aicall_id, from_owner=from_owner, owner=owner, now=now, tm_lease=tm_lease)
        return await self._database.write(work)

    async def renew_leases(self, aicall_ids: Collection[UUID], *, owner: str, tm_lease: datetime) -> frozenset[UUID]:
        """Say that the owner of these AIcalls lives, in one write."""
        if not aicall_ids:
            return frozenset()
        work = partial(_renew, aicall_ids=list(aicall_ids), owner=owner, tm_lease=tm_lease)
        return await self._database.write(work)

    async def list_orphans(self, *, now: datetime, limit: int = 100) -> list[Tenure]:
        """Return AIcalls that have not ended and whose owner's lease is over, the oldest lease first."""
        statement = (
            select(aicalls)
            .where(
                aicalls.c.status.in_(_ALIVE),
                # One that was ended while nobody ran it may have been left halfway.
                or_(aicalls.c.owner != "", aicalls.c.status != AicallStatus.INITIATING),
                aicalls.c.reference_type == ReferenceType.CALL,
                aicalls.c.tm_delete == NOT_YET,
                or_(aicalls.c.tm_lease.is_(None), aicalls.c.tm_lease <= now),
            )
            .order_by(aicalls.c.tm_lease, aicalls.c.id)
            .limit(limit)
        )

        def work(connection: Connection) -> list[Tenure]:
            return [_tenure(row) for row in connection.execute(statement).mappings()]

        return await self._database.read(work)

    async def adopt_aicall(
        self, orphan: Tenure, step: LifeStep, *, owner: str, now: datetime, tm_lease: datetime
    ) -> bool:
        """Take a dead owner's place and make one step of the AIcall's life."""

        def work(connection: Connection) -> tuple[bool, Event | None]:
            values = {
                "of_id": orphan.aicall.id,
                "source": orphan.aicall.status,
                "of_owner": orphan.owner,
                "of_lease": orphan.tm_lease,
                "new_owner": owner,
                "new_lease": tm_lease,
            }
            if not connection.execute(_TAKE_PLACE, values).rowcount:
                return False, None
            return True, _step(connection, orphan.aicall.id, step, owner, now)

        adopted, event = await self._database.write(work)
        if event is not None:
            self._announced(event)
        return adopted

    async def ask_owner(self, aicall_id: UUID, request: LifeRequest, *, now: datetime) -> None:
        """Leave a request for the process that runs an AIcall."""

        def work(connection: Connection) -> None:
            _select(connection, aicall_id)
            connection.execute(insert(aicall_requests), {"aicall_id": aicall_id, "request": request, "tm_create": now})

        await self._database.write(work)

    async def take_requests(self, *, owner: str) -> list[tuple[UUID, LifeRequest]]:
        """Take what was asked of an owner, oldest first; each is given out once."""

        def look(connection: Connection) -> bool:
            return connection.execute(_ASKED, {"of_owner": owner}).first() is not None

        def take(connection: Connection) -> list[tuple[UUID, LifeRequest]]:
            rows = connection.execute(_ASKED, {"of_owner": owner}).all()
            connection.execute(delete(aicall_requests).where(aicall_requests.c.id.in_([row.id for row in rows])))
            return [(row.aicall_id, LifeRequest(row.request)) for row in rows]

        # Asked several times a second, and there is hardly ever anything: only then is it worth a write.
        return await self._database.write(take) if await self._database.read(look) else []


def _select(connection: Connection, aicall_id: UUID) -> Tenure:
    row = connection.execute(_SELECT, {"of_id": aicall_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("aicall", str(aicall_id))
    return _tenure(row)


def _tenure(row: RowMapping) -> Tenure:
    return Tenure(aicall_from_row(row), row["owner"], row["tm_lease"], row["tm_media"], row["held"])


def _step(connection: Connection, aicall_id: UUID, step: LifeStep, owner: str, now: datetime) -> Event | None:
    """Make a step; return the event of its move, or None when there was none to make."""
    for _ in range(MOVE_ATTEMPTS):
        tenure = _select(connection, aicall_id)
        if tenure.owner != owner:
            raise LostLease
        current = tenure.aicall
        moves = step.target is not None and step.target is not current.status
        moved = _moved(current, step, now) if moves else current
        values = {
            "of_id": aicall_id,
            "of_owner": owner,
            "source": current.status,
            "new_status": moved.status,
            "new_end_reason": moved.end_reason,
            "new_tm_end": moved.tm_end,
            "new_tm_update": moved.tm_update,
            "new_media": step.tm_media,
            "new_held": step.held,
            "events": int(moves),
        }
        sequence = connection.execute(_STEP, values).scalar_one_or_none()
        if sequence is not None:
            return status_event(connection, moved, sequence, now) if moves else None
    raise Unavailable("the AIcall is being moved by others")


def _moved(current: Aicall, step: LifeStep, now: datetime) -> Aicall:
    assert step.target is not None  # noqa: S101  # asked before
    return current.moved(step.target, now=now, end_reason=step.end_reason)


def _attach(
    connection: Connection, *, aicall_id: UUID, from_owner: str, owner: str, now: datetime, tm_lease: datetime
) -> Tenure:
    values = {
        "of_id": aicall_id,
        "of_owner": from_owner,
        "moment": now,
        "new_owner": owner,
        "new_lease": tm_lease,
    }
    row = connection.execute(_ATTACH, values).mappings().one_or_none()
    if row is None:
        _select(connection, aicall_id)
        raise Conflict("the AIcall is in use on another connection, or has ended")
    return _tenure(row)


def _renew(connection: Connection, aicall_ids: list[UUID], owner: str, tm_lease: datetime) -> frozenset[UUID]:
    kept: set[UUID] = set()
    for at in range(0, len(aicall_ids), _AT_ONCE):
        statement = (
            update(aicalls)
            .where(aicalls.c.id.in_(aicall_ids[at : at + _AT_ONCE]), aicalls.c.owner == owner)
            .values(tm_lease=tm_lease)
            .returning(aicalls.c.id)
        )
        kept.update(connection.execute(statement).scalars())
    return frozenset(kept)
