"""Statements about webhooks and dead letters. Every function runs inside one transaction of its caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Connection, RowMapping, String, cast, delete, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.base import Page
from adapters.store.deliveries.tables import dead_letters, deliveries, webhooks
from adapters.store.paging import PageQuery
from adapters.store.rows import event_from_row
from adapters.store.secrets import SecretBox
from adapters.store.sql_events import newest_event_id
from adapters.store.tables import UtcDateTime, events
from models.errors import Changed, Conflict, NotFound
from models.timestamps import NOT_YET
from models.webhook import DeadLetter, Webhook, WebhookStatus

PAGES = PageQuery("webhooks", webhooks, webhooks.c.id)
"""How webhooks are listed."""

DEAD_LETTER_PAGES = PageQuery("dead_letters", dead_letters, dead_letters.c.event_id, uuid_key=False)
"""How dead letters are listed."""

DISABLED = "disabled"
"""Error of dead letters that nothing was wrong with but their webhook's being disabled."""

_FIELDS = frozenset(Webhook.model_fields)


def webhook_to_row(webhook: Webhook, box: SecretBox) -> dict[str, Any]:
    """Return a webhook's columns, without those that are the store's own; its secret sealed."""
    row = {name: getattr(webhook, name) for name in _FIELDS}
    row["secret"] = box.seal(webhook.secret.get_secret_value())
    return row


def webhook_from_row(row: RowMapping, box: SecretBox) -> Webhook:
    """Return the webhook of a row.

    Raises:
        AicallError: The secret was sealed with another key.
    """
    fields = {name: row[name] for name in _FIELDS}
    return Webhook.model_validate(fields | {"secret": SecretStr(box.unseal(row["secret"]))})


def insert_webhook(connection: Connection, row: dict[str, Any]) -> None:
    """Insert a webhook that is told of later events.

    Raises:
        Conflict: There is one with that id already.
    """
    try:
        connection.execute(insert(webhooks), row | {"after_event_id": newest_event_id(connection)})
    except IntegrityError:
        raise Conflict("a webhook with this id exists already") from None


def select_webhook(connection: Connection, webhook_id: UUID, customer_id: UUID | None) -> RowMapping:
    """Return a webhook's row.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
    """
    row = connection.execute(select(webhooks).where(_alive(webhook_id, customer_id))).mappings().one_or_none()
    if row is None:
        raise NotFound("webhook", str(webhook_id))
    return row


def update_webhook(
    connection: Connection, row: dict[str, Any], now: datetime, *, unchanged_since: datetime | None
) -> None:
    """Replace a webhook; what its new status means for its queue is done too.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
        Changed: Its ``tm_update`` is not ``unchanged_since``.
    """
    webhook_id, customer_id = row["id"], row["customer_id"]
    before = select_webhook(connection, webhook_id, customer_id)
    if unchanged_since not in {None, before["tm_update"]}:
        raise Changed("the webhook was changed meanwhile")
    if before["status"] != row["status"] == WebhookStatus.ACTIVE:
        row = row | {"after_event_id": newest_event_id(connection)}
    connection.execute(update(webhooks).where(_alive(webhook_id, customer_id)).values(row))
    if row["status"] == WebhookStatus.DISABLED:
        bury_all(connection, webhook_id, now)


def delete_webhook(connection: Connection, webhook_id: UUID, customer_id: UUID, now: datetime) -> RowMapping:
    """Delete a webhook softly, its queue and its dead letters for good.

    Returns:
        The webhook's row, as deleted.

    Raises:
        NotFound: There is none, it is deleted already, or it is another customer's.
    """
    statement = update(webhooks).where(_alive(webhook_id, customer_id)).values(tm_delete=now).returning(webhooks)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound("webhook", str(webhook_id))
    connection.execute(delete(deliveries).where(deliveries.c.sink_id == str(webhook_id)))
    connection.execute(delete(dead_letters).where(dead_letters.c.webhook_id == webhook_id))
    return row


def disable_webhook(connection: Connection, webhook_id: UUID, now: datetime) -> None:
    """Disable a webhook, if it is there; its queue becomes dead letters."""
    values = {"status": WebhookStatus.DISABLED, "tm_update": now}
    connection.execute(update(webhooks).where(_alive(webhook_id, None)).values(values))
    bury_all(connection, webhook_id, now)


def bury_all(connection: Connection, webhook_id: UUID, now: datetime) -> None:
    """Make dead letters of a webhook's whole queue."""
    queue = deliveries.c.sink_id == str(webhook_id)
    source = select(
        literal(webhook_id, webhooks.c.id.type),
        deliveries.c.event_id,
        deliveries.c.customer_id,
        deliveries.c.attempts,
        literal(DISABLED),
        literal(now, UtcDateTime),
    ).where(queue)
    columns = ["webhook_id", "event_id", "customer_id", "attempts", "error", "tm_create"]
    connection.execute(insert(dead_letters).from_select(columns, source))
    connection.execute(delete(deliveries).where(queue))


def page_of_dead_letters(
    connection: Connection, webhook_id: UUID, customer_id: UUID | None, *, page_size: int, page_token: str
) -> Page[DeadLetter]:
    """Read one page of a webhook's dead letters, newest first.

    Raises:
        NotFound: There is no such webhook.
        InvalidField: ``page_token`` is none of ours.
    """
    select_webhook(connection, webhook_id, customer_id)
    page = DEAD_LETTER_PAGES.run(
        connection,
        (dead_letters.c.webhook_id == webhook_id,),
        dict,
        page_size=page_size,
        page_token=page_token,
    )
    columns = (column for column in events.c if column.name != "customer_id")
    found = select(*columns).where(events.c.id.in_([item["event_id"] for item in page.items]))
    by_id = {row["id"]: event_from_row(row) for row in connection.execute(found).mappings()}
    letters = [
        DeadLetter(id=str(item.pop("event_id")), event=by_id[event_id], **item)
        for item, event_id in [(item, item["event_id"]) for item in page.items]
    ]
    return Page(letters, page.next_page_token)


def replay(
    connection: Connection, webhook_id: UUID, customer_id: UUID | None, now: datetime, event_id: int | None
) -> int:
    """Put a webhook's dead letters, or the one of an event, back into its queue.

    Returns:
        How many that were.

    Raises:
        NotFound: There is no such webhook, or it has no dead letter of that event.
        Conflict: It is disabled.
    """
    if select_webhook(connection, webhook_id, customer_id)["status"] == WebhookStatus.DISABLED:
        raise Conflict("the webhook is disabled")
    chosen: list[ColumnElement[bool]] = [dead_letters.c.webhook_id == webhook_id]
    if event_id is not None:
        chosen.append(dead_letters.c.event_id == event_id)
    source = (
        select(
            cast(literal(str(webhook_id)), String(64)),
            dead_letters.c.event_id,
            events.c.aicall_id,
            dead_letters.c.customer_id,
            literal(0),
            literal(now, UtcDateTime),
            literal(now, UtcDateTime),
        )
        .join_from(dead_letters, events, events.c.id == dead_letters.c.event_id)
        .where(*chosen)
    )
    columns = ["sink_id", "event_id", "aicall_id", "customer_id", "attempts", "tm_create", "tm_due"]
    connection.execute(insert(deliveries).from_select(columns, source))
    replayed = connection.execute(delete(dead_letters).where(*chosen)).rowcount
    if event_id is not None and not replayed:
        raise NotFound("dead letter", str(event_id))
    return replayed


def list_conditions(customer_id: UUID) -> Sequence[ColumnElement[bool]]:
    """Return what a listed webhook must fulfil."""
    return (webhooks.c.customer_id == customer_id, webhooks.c.tm_delete == NOT_YET)


def _alive(webhook_id: UUID, customer_id: UUID | None) -> ColumnElement[bool]:
    alive = (webhooks.c.id == webhook_id) & (webhooks.c.tm_delete == NOT_YET)
    return alive if customer_id is None else alive & (webhooks.c.customer_id == customer_id)
