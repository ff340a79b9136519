"""Keeps webhooks, how far each sink has been told, and dead letters in a SQL database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from adapters.store.deliveries import sql_queue, sql_webhooks
from adapters.store.deliveries.contract import DeliveriesStore, DueDeliveries, Pending, Queued, Settlement
from adapters.store.sql_base import SqlBase
from adapters.store.sql_events import parse_event_id
from models.errors import InvalidField, NotFound
from models.webhook import DeadLetter, Webhook

if TYPE_CHECKING:
    from adapters.store.base import Page


class SqlDeliveries(SqlBase, DeliveriesStore):
    """The contract on any `Database`."""

    async def create_webhook(self, webhook: Webhook) -> None:
        """Insert a webhook.

        Raises:
            Conflict: There is one with that id already.
        """
        row = sql_webhooks.webhook_to_row(webhook, self._box)
        await self._database.write(partial(sql_webhooks.insert_webhook, row=row))

    async def get_webhook(self, webhook_id: UUID, *, customer_id: UUID | None) -> Webhook:
        """Return a webhook with its secret."""
        work = partial(sql_webhooks.select_webhook, webhook_id=webhook_id, customer_id=customer_id)
        return sql_webhooks.webhook_from_row(await self._database.read(work), self._box)

    async def list_webhooks(self, *, customer_id: UUID, page_size: int, page_token: str = "") -> Page[Webhook]:
        """List webhooks, newest first."""
        conditions = sql_webhooks.list_conditions(customer_id)
        make = partial(sql_webhooks.webhook_from_row, box=self._box)
        run = sql_webhooks.PAGES.run
        return await self._database.read(
            partial(run, conditions=conditions, make=make, page_size=page_size, page_token=page_token)
        )

    async def update_webhook(self, webhook: Webhook, *, unchanged_since: datetime | None = None) -> None:
        """Replace a webhook of the same customer."""
        row = sql_webhooks.webhook_to_row(webhook, self._box)
        now = webhook.tm_update
        work = partial(sql_webhooks.update_webhook, row=row, now=now, unchanged_since=unchanged_since)
        await self._database.write(work)

    async def delete_webhook(self, webhook_id: UUID, *, customer_id: UUID, now: datetime) -> Webhook:
        """Delete softly; its queue and its dead letters go for good."""
        work = partial(sql_webhooks.delete_webhook, webhook_id=webhook_id, customer_id=customer_id, now=now)
        return sql_webhooks.webhook_from_row(await self._database.write(work), self._box)

    async def list_dead_letters(
        self, webhook_id: UUID, *, customer_id: UUID | None, page_size: int, page_token: str = ""
    ) -> Page[DeadLetter]:
        """List a webhook's dead letters, newest first."""
        return await self._database.read(
            partial(
                sql_webhooks.page_of_dead_letters,
                webhook_id=webhook_id,
                customer_id=customer_id,
                page_size=page_size,
                page_token=page_token,
            )
        )

    async def replay_dead_letters(
        self, webhook_id: UUID, *, customer_id: UUID | None, now: datetime, event_id: str | None = None
    ) -> int:
        """Put a webhook's dead letters back into its queue.

        Raises:
            NotFound: There is no such webhook, or it has no dead letter of that event.
            Conflict: It is disabled.
        """
        number = None
        if event_id is not None:
            try:
                number = parse_event_id(event_id)
            except InvalidField:
                raise NotFound("dead letter", event_id) from None
        return await self._database.write(
            partial(sql_webhooks.replay, webhook_id=webhook_id, customer_id=customer_id, now=now, event_id=number)
        )

    async def lead_relay(self, holder: str, *, now: datetime, tm_expire: datetime) -> bool:
        """Become the one process that works on the queues, or remain it."""
        return await self._database.write(partial(sql_queue.lead, holder=holder, now=now, tm_expire=tm_expire))

    async def leave_relay(self, holder: str) -> None:
        """Let another process lead at once."""
        await self._database.write(partial(sql_queue.leave, holder=holder))

    async def queue_deliveries(self, holder: str, *, now: datetime, limit: int, sinks: Collection[str] = ()) -> Queued:
        """Read on in the outbox, and fill the queues.

        Raises:
            Conflict: Another process leads.
        """
        return await self._database.write(partial(sql_queue.queue, holder=holder, now=now, limit=limit, sinks=sinks))

    async def pending_deliveries(self) -> Pending:
        """Return what there is to do."""
        return await self._database.read(sql_queue.pending)

    async def due_deliveries(
        self, sink_id: str, *, now: datetime, limit: int, without: Collection[UUID] = ()
    ) -> DueDeliveries:
        """Return what a sink is to be told now."""
        return await self._database.read(
            partial(sql_queue.due, sink_id=sink_id, now=now, limit=limit, without=without, box=self._box)
        )

    async def settle_deliveries(self, holder: str, settled: Sequence[Settlement], *, now: datetime) -> None:
        """Keep what became of attempts.

        Raises:
            Conflict: Another process leads.
        """
        await self._database.write(partial(sql_queue.settle, holder=holder, settled=settled, now=now))
