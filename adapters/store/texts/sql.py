"""Keeps conversations in writing and tasks in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from adapters.store import sql_aicalls, sql_events
from adapters.store.rows import aicall_from_row, message_from_row
from adapters.store.sql_base import SqlBase
from adapters.store.tables import aicalls, messages
from adapters.store.texts.contract import TextStore, WaitingText
from adapters.store.texts.tables import text_queue, texts
from models.aicall import Aicall, ReferenceType
from models.errors import Conflict, LostLease, NotFound
from models.event import Event, NewEvent
from models.message import Message
from models.status import AicallStatus
from models.timestamps import NOT_YET

_OVER = (AicallStatus.TERMINATING, AicallStatus.TERMINATED)
_ACTIVE = (AicallStatus.INITIATING, AicallStatus.PROGRESSING)


class SqlTexts(SqlBase, TextStore):
    """The contract on any `Database`."""

    async def create_text(self, aicall: Aicall, *, tm_expire: datetime) -> Event:
        """Insert an AIcall of reference type ``conversation`` or ``task``."""
        return self._announced(await self._database.write(partial(_create, aicall=aicall, tm_expire=tm_expire)))

    async def queue_message(self, message: Message, *, run_llm: bool, at_once: bool = False, limit: int) -> Event:
        """Insert a message behind those that wait for their turn."""
        work = partial(_queue, message=message, how={"run_llm": run_llm, "at_once": at_once}, limit=limit)
        return self._announced(await self._database.write(work))

    async def waiting_messages(self, aicall_id: UUID) -> list[WaitingText]:
        """Return the messages that wait for their turn, in order."""
        return await self._database.read(partial(_waiting, aicall_id=aicall_id))

    async def take_messages(self, aicall_id: UUID) -> list[WaitingText]:
        """Take the messages that wait, in order."""
        return await self._database.write(partial(_take_messages, aicall_id=aicall_id))

    async def take_text(self, aicall_id: UUID, *, owner: str, now: datetime, tm_lease: datetime) -> bool:
        """Take an AIcall that nobody has, or renew one's own lease."""
        return await self._database.write(partial(_take, aicall_id=aicall_id, owner=owner, now=now, tm_lease=tm_lease))

    async def leave_text(self, aicall_id: UUID, *, owner: str) -> None:
        """Give an AIcall back."""
        await self._database.write(partial(_leave, aicall_id=aicall_id, owner=owner))

    async def record_text(
        self,
        aicall_id: UUID,
        *,
        owner: str,
        messages: Sequence[Message] = (),
        events: Sequence[NewEvent] = (),
        answered: UUID | None = None,
    ) -> None:
        """Write what its owner did."""
        work = partial(_record, aicall_id=aicall_id, owner=owner, new=messages, new_events=events, answered=answered)
        for event in await self._database.write(work):
            self._announced(event)

    async def unattended_texts(self, *, now: datetime, limit: int = 100) -> list[UUID]:
        """Return what nobody has and something is to be done in."""
        return await self._database.read(partial(_unattended, now=now, limit=limit))

    async def expired_texts(self, *, now: datetime, limit: int = 100) -> list[Aicall]:
        """Return conversations and tasks whose time is over."""
        return await self._database.read(partial(_expired, now=now, limit=limit))


def _create(connection: Connection, *, aicall: Aicall, tm_expire: datetime) -> Event:
    event = sql_aicalls.insert_aicall(connection, aicall, None, "")
    row = {"aicall_id": aicall.id, "kind": aicall.reference_type, "owner": ""}
    connection.execute(insert(texts), {**row, "tm_lease": aicall.tm_create, "tm_expire": tm_expire})
    return event


def _queue(connection: Connection, *, message: Message, how: dict[str, bool], limit: int) -> Event:
    # Counts an event on the AIcall's row, which keeps others from it until the end of the transaction.
    event = sql_events.insert_message(connection, message)
    of_it = text_queue.c.aicall_id == message.aicall_id
    if _status(connection, message.aicall_id) in _OVER:
        raise Conflict("the AIcall has ended")
    kind = select(texts.c.kind).where(texts.c.aicall_id == message.aicall_id)
    if connection.execute(kind).scalar_one_or_none() == ReferenceType.TASK:
        raise Conflict("a task takes no messages")
    if connection.execute(select(func.count()).select_from(text_queue).where(of_it)).scalar_one() >= limit:
        raise Conflict("too many messages wait for their turn; wait for an answer")
    connection.execute(insert(text_queue), {"aicall_id": message.aicall_id, "message_id": message.id, **how})
    return event


def _waiting(connection: Connection, *, aicall_id: UUID) -> list[WaitingText]:
    statement = (
        select(messages, text_queue.c.run_llm, text_queue.c.at_once)
        .join(text_queue, text_queue.c.message_id == messages.c.id)
        .where(text_queue.c.aicall_id == aicall_id)
        .order_by(text_queue.c.number)
    )
    rows = connection.execute(statement).mappings()
    return [WaitingText(message_from_row(row), row["run_llm"], row["at_once"]) for row in rows]


def _take_messages(connection: Connection, *, aicall_id: UUID) -> list[WaitingText]:
    found = _waiting(connection, aicall_id=aicall_id)
    taken = []
    for waiting in found:
        gone = delete(text_queue).where(text_queue.c.message_id == waiting.message.id)
        if connection.execute(gone).rowcount:
            taken.append(waiting)
    return taken


def _take(connection: Connection, *, aicall_id: UUID, owner: str, now: datetime, tm_lease: datetime) -> bool:
    free = or_(texts.c.owner == "", texts.c.owner == owner, texts.c.tm_lease <= now)
    statement = update(texts).where(texts.c.aicall_id == aicall_id, free).values(owner=owner, tm_lease=tm_lease)
    return bool(connection.execute(statement).rowcount)


def _leave(connection: Connection, *, aicall_id: UUID, owner: str) -> None:
    connection.execute(update(texts).where(texts.c.aicall_id == aicall_id, texts.c.owner == owner).values(owner=""))


def _record(
    connection: Connection,
    *,
    aicall_id: UUID,
    owner: str,
    new: Sequence[Message],
    new_events: Sequence[NewEvent],
    answered: UUID | None,
) -> list[Event]:
    # Written and not read, so that nobody can take it before the end of the transaction.
    own = update(texts).where(texts.c.aicall_id == aicall_id, texts.c.owner == owner).values(owner=owner)
    if not connection.execute(own).rowcount:
        raise LostLease
    recorded = [sql_events.append_event(connection, event) for event in new_events]
    for message in new:
        if connection.execute(select(exists().where(messages.c.id == message.id))).scalar_one():
            continue
        recorded.append(sql_events.insert_message(connection, message))
    if answered is not None:
        connection.execute(delete(text_queue).where(text_queue.c.message_id == answered))
    # Read after a write to the AIcall's row, if anything was written: from there on nobody else can move it.
    if _status(connection, aicall_id) in _OVER:
        raise LostLease
    return recorded


def _unattended(connection: Connection, *, now: datetime, limit: int) -> list[UUID]:
    waits = exists().where(text_queue.c.aicall_id == texts.c.aicall_id)
    statement = (
        select(texts.c.aicall_id)
        .join(aicalls, aicalls.c.id == texts.c.aicall_id)
        .where(
            or_(texts.c.owner == "", texts.c.tm_lease <= now),
            or_(texts.c.kind == ReferenceType.TASK, waits),
            aicalls.c.status.in_(_ACTIVE),
            aicalls.c.tm_delete == NOT_YET,
        )
        .order_by(texts.c.tm_lease)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def _expired(connection: Connection, *, now: datetime, limit: int) -> list[Aicall]:
    statement = (
        select(aicalls)
        .join(texts, texts.c.aicall_id == aicalls.c.id)
        .where(texts.c.tm_expire <= now, aicalls.c.status != AicallStatus.TERMINATED, aicalls.c.tm_delete == NOT_YET)
        .order_by(texts.c.tm_expire)
        .limit(limit)
    )
    return [aicall_from_row(row) for row in connection.execute(statement).mappings()]


def _status(connection: Connection, aicall_id: UUID) -> AicallStatus:
    status = connection.execute(select(aicalls.c.status).where(aicalls.c.id == aicall_id)).scalar_one_or_none()
    if status is None:
        raise NotFound("aicall", str(aicall_id))
    return AicallStatus(status)
