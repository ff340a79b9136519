"""Statements about the queues of sinks. Every function runs inside one transaction of its caller.

Every transaction that changes queues first writes to the relay's row, and so waits for the one before: what it reads
afterwards, nobody else changes, and a process that does not lead any more is told so before it has done anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from adapters.store.deliveries.contract import Delivery, DueDeliveries, Outcome, Pending, Queued, Settlement, webhook_of
from adapters.store.deliveries.sql_webhooks import disable_webhook, webhook_from_row
from adapters.store.deliveries.tables import RELAY, dead_letters, deliveries, relays, webhooks
from adapters.store.rows import event_from_row
from adapters.store.secrets import SecretBox
from adapters.store.sql_events import newest_event_id
from adapters.store.tables import events
from models.errors import Conflict
from models.timestamps import NOT_YET
from models.webhook import WebhookStatus, wants

_ACTIVE = (webhooks.c.status == WebhookStatus.ACTIVE) & (webhooks.c.tm_delete == NOT_YET)
_EARLIER = deliveries.alias("earlier")


def lead(connection: Connection, holder: str, now: datetime, tm_expire: datetime) -> bool:
    """Take the relay's row, or keep it; say whether that worked."""
    free = or_(relays.c.holder == holder, relays.c.holder == "", relays.c.tm_expire <= now)
    statement = update(relays).where(relays.c.name == RELAY, free).values(holder=holder, tm_expire=tm_expire)
    return bool(connection.execute(statement).rowcount)


def leave(connection: Connection, holder: str) -> None:
    """Give the relay's row back, if it is still the holder's."""
    mine = (relays.c.name == RELAY) & (relays.c.holder == holder)
    connection.execute(update(relays).where(mine).values(holder=""))


def queue(connection: Connection, holder: str, now: datetime, limit: int, sinks: Collection[str]) -> Queued:
    """Read on in the outbox, and put each event into the queues of those who want it.

    Raises:
        Conflict: Another process leads.
    """
    cursor = _fenced(connection, holder)
    if not sinks:
        # Nobody wants what was there before the oldest of the webhooks.
        first = select(func.min(webhooks.c.after_event_id)).where(_ACTIVE)
        cursor = max(cursor, connection.execute(first).scalar() or 0)
    if not sinks and not _listening(connection):
        _read_up_to(connection, cursor, newest := newest_event_id(connection))
        return Queued(_cursor_text(max(cursor, newest)), frozenset(), more=False, listening=False)
    columns = (events.c.id, events.c.aicall_id, events.c.customer_id, events.c.type)
    page = connection.execute(select(*columns).where(events.c.id > cursor).order_by(events.c.id).limit(limit)).all()
    if not page:
        return Queued(_cursor_text(cursor), frozenset(), more=False, listening=True)
    wanting = _webhooks_of(connection, {row.customer_id for row in page})
    rows: list[dict[str, Any]] = []
    for event in page:
        named = [
            str(one.id)
            for one in wanting.get(event.customer_id, ())
            if event.id > one.after_event_id and wants(one.event_types, event.type)
        ]
        for sink_id in (*sinks, *named):
            row = {"sink_id": sink_id, "event_id": event.id, "aicall_id": event.aicall_id}
            rows.append(row | {"customer_id": event.customer_id, "attempts": 0, "tm_create": now, "tm_due": now})
    if rows:
        connection.execute(insert(deliveries), rows)
    _read_up_to(connection, cursor, page[-1].id)
    grown = frozenset(row["sink_id"] for row in rows)
    return Queued(_cursor_text(page[-1].id), grown, more=len(page) == limit, listening=True)


def pending(connection: Connection) -> Pending:
    """Return what there is to do."""
    first = func.min(deliveries.c.tm_due).label("first")
    queues = connection.execute(select(deliveries.c.sink_id, first).group_by(deliveries.c.sink_id))
    cursor = connection.execute(select(relays.c.cursor).where(relays.c.name == RELAY)).scalar_one()
    return Pending(
        {row.sink_id: row.first for row in queues},
        unread=newest_event_id(connection) > cursor,
        listening=_listening(connection),
    )


def due(
    connection: Connection, *, sink_id: str, now: datetime, limit: int, without: Collection[UUID], box: SecretBox
) -> DueDeliveries:
    """Return the first event in a sink's queue of each AIcall where it is due, and the sink if it is a webhook."""
    webhook_id = webhook_of(sink_id)
    webhook = None
    if webhook_id is not None:
        row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id, _ACTIVE)).mappings().one_or_none()
        if row is None:
            return DueDeliveries(None, ())
        webhook = webhook_from_row(row, box)
    waits = exists().where(
        _EARLIER.c.sink_id == deliveries.c.sink_id,
        _EARLIER.c.aicall_id == deliveries.c.aicall_id,
        _EARLIER.c.event_id < deliveries.c.event_id,
    )
    own = (deliveries.c.attempts, deliveries.c.tm_create.label("tm_queued"), deliveries.c.customer_id.label("owner"))
    statement = (
        select(*own, *(column for column in events.c if column.name != "customer_id"))
        .join_from(deliveries, events, events.c.id == deliveries.c.event_id)
        .where(deliveries.c.sink_id == sink_id, deliveries.c.tm_due <= now, ~waits)
        .order_by(deliveries.c.event_id)
        .limit(limit)
    )
    if without:
        statement = statement.where(deliveries.c.aicall_id.not_in(without))
    rows = connection.execute(statement).mappings()
    items = [Delivery(event_from_row(row), row["owner"], row["attempts"], row["tm_queued"]) for row in rows]
    later = select(func.min(deliveries.c.tm_due)).where(deliveries.c.sink_id == sink_id, deliveries.c.tm_due > now)
    return DueDeliveries(webhook, items, connection.execute(later).scalar())


def settle(connection: Connection, holder: str, settled: Sequence[Settlement], now: datetime) -> None:
    """Keep what became of attempts.

    Raises:
        Conflict: Another process leads.
    """
    _fenced(connection, holder)
    delivered: defaultdict[str, list[int]] = defaultdict(list)
    for one in settled:
        if one.outcome is Outcome.DELIVERED:
            delivered[one.sink_id].append(int(one.event_id))
        elif one.outcome is Outcome.RETRY:
            _put_off(connection, one)
        else:
            _bury(connection, one, now)
            webhook_id = webhook_of(one.sink_id)
            if one.outcome is Outcome.GONE and webhook_id is not None:
                disable_webhook(connection, webhook_id, now)
    for sink_id, event_ids in delivered.items():
        told = (deliveries.c.sink_id == sink_id) & deliveries.c.event_id.in_(event_ids)
        connection.execute(delete(deliveries).where(told))


def _put_off(connection: Connection, failed: Settlement) -> None:
    # The later events of the AIcall are put off too: they wait for this one, and who looks for what is due is not to
    # find them.
    behind = (deliveries.c.sink_id == failed.sink_id) & (deliveries.c.aicall_id == failed.aicall_id)
    connection.execute(update(deliveries).where(behind).values(tm_due=failed.tm_due))
    itself = (deliveries.c.sink_id == failed.sink_id) & (deliveries.c.event_id == int(failed.event_id))
    connection.execute(update(deliveries).where(itself).values(attempts=deliveries.c.attempts + 1))


def _bury(connection: Connection, failed: Settlement, now: datetime) -> None:
    itself = (deliveries.c.sink_id == failed.sink_id) & (deliveries.c.event_id == int(failed.event_id))
    row = connection.execute(delete(deliveries).where(itself).returning(deliveries)).one_or_none()
    webhook_id = webhook_of(failed.sink_id)
    if row is not None and webhook_id is not None:
        letter = {"webhook_id": webhook_id, "event_id": row.event_id, "customer_id": row.customer_id}
        values = letter | {"attempts": row.attempts + 1, "error": failed.error, "tm_create": now}
        connection.execute(insert(dead_letters), values)


def _fenced(connection: Connection, holder: str) -> int:
    """Wait for whoever changes queues now, and return how far the outbox has been read.

    Raises:
        Conflict: Another process leads.
    """
    mine = (relays.c.name == RELAY) & (relays.c.holder == holder)
    statement = update(relays).where(mine).values(holder=holder).returning(relays.c.cursor)
    cursor = connection.execute(statement).scalar_one_or_none()
    if cursor is None:
        raise Conflict("another process relays the events")
    return int(cursor)


def _read_up_to(connection: Connection, before: int, event_id: int) -> None:
    if event_id > before:
        connection.execute(update(relays).where(relays.c.name == RELAY).values(cursor=event_id))


def _listening(connection: Connection) -> bool:
    return bool(connection.execute(select(exists().where(_ACTIVE))).scalar())


def _webhooks_of(connection: Connection, customers: Iterable[UUID]) -> Mapping[UUID, Sequence[Any]]:
    columns = (webhooks.c.id, webhooks.c.customer_id, webhooks.c.event_types, webhooks.c.after_event_id)
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in connection.execute(select(*columns).where(_ACTIVE, webhooks.c.customer_id.in_(list(customers)))):
        found[row.customer_id].append(row)
    return found


def _cursor_text(cursor: int) -> str:
    return str(cursor) if cursor else ""
