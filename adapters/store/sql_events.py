"""Statements about events and messages. Every function runs inside one transaction of its caller."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.paging import PageQuery
from adapters.store.rows import event_from_row, message_to_row
from adapters.store.tables import aicalls, events, messages
from models.errors import Conflict, InvalidField, LostLease, NotFound
from models.event import Event, EventType, NewEvent
from models.message import Message
from models.timestamps import NOT_YET

MESSAGE_PAGES = PageQuery("messages", messages, messages.c.sequence, uuid_key=False)
"""How messages are listed."""

# Made once: building a statement costs more than running it.
_INSERT_EVENT = insert(events)
_INSERT_MESSAGE = insert(messages)
_TAKE_SEQUENCE = (
    update(aicalls)
    .where(aicalls.c.id == bindparam("of_id"), aicalls.c.tm_delete == NOT_YET)
    .values(last_sequence=aicalls.c.last_sequence + 1)
    .returning(aicalls.c.last_sequence, aicalls.c.customer_id)
)
_TAKE_OWN_SEQUENCE = _TAKE_SEQUENCE.where(aicalls.c.owner == bindparam("of_owner"))
_NEWEST_ID = select(func.max(events.c.id))
_WITH_KEY = select(*(column for column in events.c if column.name != "customer_id")).where(
    events.c.key == bindparam("of_key")
)
_EXISTS = select(aicalls.c.id).where(aicalls.c.id == bindparam("of_id"), aicalls.c.tm_delete == NOT_YET)
_MESSAGE_EVENT = select(*(column for column in events.c if column.name != "customer_id")).where(
    events.c.aicall_id == bindparam("of_aicall"), events.c.sequence == bindparam("of_sequence")
)
_MESSAGE_SEQUENCE = select(messages.c.sequence).where(
    messages.c.id == bindparam("of_id"), messages.c.aicall_id == bindparam("of_aicall")
)

_EVENT_ID = re.compile(r"[0-9]{1,19}")


def parse_event_id(text: str) -> int:
    """Read an event id; '' means "before the first" (0).

    Raises:
        InvalidField: The text, named ``after``, is no event id.
    """
    if not text:
        return 0
    value = int(text) if _EVENT_ID.fullmatch(text) else -1
    if not 0 <= value < 1 << 63:
        raise InvalidField("after", "is not an event id")
    return value


def insert_event(
    connection: Connection,
    *,
    aicall_id: UUID,
    customer_id: UUID,
    sequence: int,
    event_type: str,
    tm_create: datetime,
    data: dict[str, Any],
    key: UUID | None = None,
) -> Event:
    """Append an event whose sequence was taken from its AIcall's row in this transaction."""
    row = {
        "aicall_id": aicall_id,
        "sequence": sequence,
        "type": event_type,
        "tm_create": tm_create,
        "data": data,
        "key": key,
    }
    result = connection.execute(_INSERT_EVENT, {"customer_id": customer_id, **row})
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101  # always there after the insert of one row
    return Event.model_validate({"id": str(key[0]), **row})


def take_sequence(connection: Connection, aicall_id: UUID, owner: str | None = None) -> tuple[int, UUID]:
    """Count one event on an AIcall's row.

    Args:
        connection: The transaction.
        aicall_id: Which AIcall.
        owner: Who must own it; None for whoever does.

    Returns:
        The event's sequence, and the AIcall's customer.

    Raises:
        NotFound: There is no such AIcall.
        LostLease: Another process runs it.
    """
    if owner is None:
        row = connection.execute(_TAKE_SEQUENCE, {"of_id": aicall_id}).one_or_none()
    else:
        row = connection.execute(_TAKE_OWN_SEQUENCE, {"of_id": aicall_id, "of_owner": owner}).one_or_none()
    if row is None:
        if owner is not None and connection.execute(_EXISTS, {"of_id": aicall_id}).one_or_none() is not None:
            raise LostLease
        raise NotFound("aicall", str(aicall_id))
    return row.last_sequence, row.customer_id


def append_event(
    connection: Connection, event: NewEvent, *, owner: str | None = None, key: UUID | None = None
) -> Event:
    """Append an event that goes with no row; one with a key that is there already is returned as it is.

    Raises:
        NotFound: There is no such AIcall.
        LostLease: Another process runs it.
    """
    if key is not None:
        written = connection.execute(_WITH_KEY, {"of_key": key}).mappings().one_or_none()
        if written is not None:
            return event_from_row(written)
    sequence, customer_id = take_sequence(connection, event.aicall_id, owner)
    return insert_event(
        connection,
        aicall_id=event.aicall_id,
        customer_id=customer_id,
        sequence=sequence,
        event_type=event.type,
        tm_create=event.tm_create,
        data=event.data,
        key=key,
    )


def insert_message(connection: Connection, message: Message, *, owner: str | None = None) -> Event:
    """Insert a message with its event. From its AIcall's owner, one that is there already is taken for a repeat.

    Raises:
        NotFound: There is no such AIcall, or it is another customer's.
        LostLease: Another process runs it.
        Conflict: There is a message with that id already.
    """
    if owner is not None and (written := _written(connection, message)) is not None:
        return written
    sequence, customer_id = take_sequence(connection, message.aicall_id, owner)
    if customer_id != message.customer_id:
        raise NotFound("aicall", str(message.aicall_id))
    try:
        connection.execute(_INSERT_MESSAGE, message_to_row(message, sequence))
    except IntegrityError:
        raise Conflict("a message with this id exists already") from None
    return insert_event(
        connection,
        aicall_id=message.aicall_id,
        customer_id=customer_id,
        sequence=sequence,
        event_type=EventType.MESSAGE_CREATED,
        tm_create=message.tm_create,
        data=message.public(),
    )


def _written(connection: Connection, message: Message) -> Event | None:
    """Return the event of a message that is there already; None when it is not."""
    of_message = {"of_id": message.id, "of_aicall": message.aicall_id}
    sequence = connection.execute(_MESSAGE_SEQUENCE, of_message).scalar_one_or_none()
    if sequence is None:
        return None
    found = {"of_aicall": message.aicall_id, "of_sequence": sequence}
    return event_from_row(connection.execute(_MESSAGE_EVENT, found).mappings().one())


def message_conditions(aicall_id: UUID) -> Sequence[ColumnElement[bool]]:
    """Return what a listed message must fulfil."""
    return (messages.c.aicall_id == aicall_id, messages.c.tm_delete == NOT_YET)


def select_events(
    connection: Connection, *, after: int, limit: int, customer_id: UUID | None, aicall_id: UUID | None
) -> list[Event]:
    """Return events after an id, oldest first."""
    statement = select(*(column for column in events.c if column.name != "customer_id"))
    statement = statement.where(events.c.id > after).order_by(events.c.id).limit(limit)
    if customer_id is not None:
        statement = statement.where(events.c.customer_id == customer_id)
    if aicall_id is not None:
        statement = statement.where(events.c.aicall_id == aicall_id)
    return [event_from_row(row) for row in connection.execute(statement).mappings()]


def newest_event_id(connection: Connection) -> int:
    """Return the id of the newest event of all; 0 when there is none."""
    return connection.execute(_NEWEST_ID).scalar() or 0
