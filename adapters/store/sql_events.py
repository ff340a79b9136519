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
from models.errors import Conflict, InvalidField, NotFound
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
_NEWEST_ID = select(func.max(events.c.id))

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
) -> Event:
    """Append an event whose sequence was taken from its AIcall's row in this transaction."""
    row = {
        "aicall_id": aicall_id,
        "sequence": sequence,
        "type": event_type,
        "tm_create": tm_create,
        "data": data,
    }
    result = connection.execute(_INSERT_EVENT, {"customer_id": customer_id, **row})
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101  # always there after the insert of one row
    return Event.model_validate({"id": str(key[0]), **row})


def take_sequence(connection: Connection, aicall_id: UUID) -> tuple[int, UUID]:
    """Count one event on an AIcall's row.

    Returns:
        The event's sequence, and the AIcall's customer.

    Raises:
        NotFound: There is no such AIcall.
    """
    row = connection.execute(_TAKE_SEQUENCE, {"of_id": aicall_id}).one_or_none()
    if row is None:
        raise NotFound("aicall", str(aicall_id))
    return row.last_sequence, row.customer_id


def append_event(connection: Connection, event: NewEvent) -> Event:
    """Append an event that goes with no row.

    Raises:
        NotFound: There is no such AIcall.
    """
    sequence, customer_id = take_sequence(connection, event.aicall_id)
    return insert_event(
        connection,
        aicall_id=event.aicall_id,
        customer_id=customer_id,
        sequence=sequence,
        event_type=event.type,
        tm_create=event.tm_create,
        data=event.data,
    )


def insert_message(connection: Connection, message: Message) -> Event:
    """Insert a message with its event.

    Raises:
        NotFound: There is no such AIcall, or it is another customer's.
        Conflict: There is a message with that id already.
    """
    sequence, customer_id = take_sequence(connection, message.aicall_id)
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
