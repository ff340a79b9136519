"""The contract of a store, as far as it keeps webhooks, how far each sink has been told, and dead letters.

A sink is a webhook, named by its id, or a system that is told of everything, named as in `adapters.events.table`.
What a sink has yet to be told of stands in its queue. Queues are filled from the outbox, worked off and emptied by one
process at a time, the one that leads: whatever another one tries to write is refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from models.event import Event
from models.webhook import DeadLetter, Webhook

if TYPE_CHECKING:
    from adapters.store.base import Page


@dataclass(frozen=True, slots=True)
class Queued:
    """What came of reading on in the outbox.

    Attributes:
        cursor: Id of the last event that was read; '' before the first.
        sinks: The sinks whose queues have grown.
        more: Whether there are further events to read.
        listening: Whether anybody wants events at all.
    """

    cursor: str
    sinks: frozenset[str]
    more: bool
    listening: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """What there is to do.

    Attributes:
        due: Every sink with something in its queue, and when the first of it is due.
        unread: Whether there are events after the cursor.
        listening: Whether there is an active webhook.
    """

    due: Mapping[str, datetime]
    unread: bool
    listening: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event in the queue of a sink.

    Attributes:
        event: The event.
        customer_id: Whose it is.
        attempts: How often it was sent already, in vain.
        tm_create: When it came into the queue.
    """

    event: Event
    customer_id: UUID
    attempts: int
    tm_create: datetime


@dataclass(frozen=True, slots=True)
class DueDeliveries:
    """What a sink is to be told now.

    Attributes:
        webhook: The sink, where it is a webhook that is there and active.
        items: The first event in the queue of each of some AIcalls.
        tm_next: When the next of the others is due, if one is in the queue.
    """

    webhook: Webhook | None
    items: Sequence[Delivery]
    tm_next: datetime | None = None


class Outcome(StrEnum):
    """What became of one attempt to deliver."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """Sent again later; the AIcall's later events wait."""
    DEAD = "dead"
    """Given up: a dead letter. The AIcall's later events go on."""
    GONE = "gone"
    """As `DEAD`, and the webhook is disabled."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of one attempt, to be kept.

    Attributes:
        sink_id: Who was told.
        event_id: Of what.
        aicall_id: The event's AIcall.
        outcome: What became of it.
        tm_due: When to try again, of a `RETRY`.
        error: Why it failed (`models.errors.DeliveryFailed.code`).
    """

    sink_id: str
    event_id: str
    aicall_id: UUID
    outcome: Outcome
    tm_due: datetime | None = None
    error: str = ""


def webhook_of(sink_id: str) -> UUID | None:
    """Return the id of the webhook that a sink is; None for a system."""
    try:
        return UUID(sink_id)
    except ValueError:
        return None


class DeliveriesStore(ABC):
    """Keeps webhooks, how far each sink has been told, and dead letters.

    `customer_id` None means "of any customer". Secrets are encrypted at rest.
    """

    # Webhooks

    @abstractmethod
    async def create_webhook(self, webhook: Webhook) -> None:
        """Insert a webhook. It is told of what happens from now on.

        Raises:
            Conflict: There is one with that id already.
        """

    @abstractmethod
    async def get_webhook(self, webhook_id: UUID, *, customer_id: UUID | None) -> Webhook:
        """Return a webhook with its secret.

        Raises:
            NotFound: There is none, it is deleted, or it is another customer's.
        """

    @abstractmethod
    async def list_webhooks(self, *, customer_id: UUID, page_size: int, page_token: str = "") -> Page[Webhook]:
        """List webhooks, newest first.

        Raises:
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def update_webhook(self, webhook: Webhook, *, unchanged_since: datetime | None = None) -> None:
        """Replace a webhook.

        One that becomes active is told of what happens from now on. What is in the queue of one that becomes disabled
        becomes dead letters.

        Args:
            webhook: The webhook.
            unchanged_since: ``tm_update`` that the stored one must have; None for whatever it has.

        Raises:
            NotFound: Its customer has none with that id, or it is deleted.
            Changed: It has another ``tm_update``.
        """

    @abstractmethod
    async def delete_webhook(self, webhook_id: UUID, *, customer_id: UUID, now: datetime) -> Webhook:
        """Delete softly; its queue and its dead letters go for good.

        Raises:
            NotFound: There is none, or it is deleted already.
        """

    # Dead letters

    @abstractmethod
    async def list_dead_letters(
        self, webhook_id: UUID, *, customer_id: UUID | None, page_size: int, page_token: str = ""
    ) -> Page[DeadLetter]:
        """List a webhook's dead letters, newest first.

        Raises:
            NotFound: There is no such webhook.
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def replay_dead_letters(
        self, webhook_id: UUID, *, customer_id: UUID | None, now: datetime, event_id: str | None = None
    ) -> int:
        """Put a webhook's dead letters back into its queue, as if never sent.

        Args:
            webhook_id: Which webhook.
            customer_id: Whose.
            now: This moment.
            event_id: Only the one of this event; None for all.

        Returns:
            How many that were.

        Raises:
            NotFound: There is no such webhook, or it has no dead letter of that event.
            Conflict: It is disabled.
        """

    # The relay

    @abstractmethod
    async def lead_relay(self, holder: str, *, now: datetime, tm_expire: datetime) -> bool:
        """Become the one process that works on the queues, or remain it.

        Args:
            holder: Who asks.
            now: This moment.
            tm_expire: When another one may take over.

        Returns:
            False while another one leads.
        """

    @abstractmethod
    async def leave_relay(self, holder: str) -> None:
        """Let another process lead at once. Does nothing when somebody else leads already."""

    @abstractmethod
    async def queue_deliveries(self, holder: str, *, now: datetime, limit: int, sinks: Collection[str] = ()) -> Queued:
        """Read on in the outbox, and put each event into the queues of those who want it.

        Args:
            holder: Who leads.
            now: This moment.
            limit: Most events to read.
            sinks: Those that are told of everything.

        Raises:
            Conflict: Another process leads.
        """

    @abstractmethod
    async def pending_deliveries(self) -> Pending:
        """Return what there is to do; changes nothing, whoever leads."""

    @abstractmethod
    async def due_deliveries(
        self, sink_id: str, *, now: datetime, limit: int, without: Collection[UUID] = ()
    ) -> DueDeliveries:
        """Return what a sink is to be told now: of each AIcall the first event in the queue, if it is due.

        Args:
            sink_id: The sink.
            now: This moment.
            limit: Most events to return, oldest first.
            without: AIcalls to leave out.
        """

    @abstractmethod
    async def settle_deliveries(self, holder: str, settled: Sequence[Settlement], *, now: datetime) -> None:
        """Keep what became of attempts. Those of events that are in no queue any more are passed over.

        Raises:
            Conflict: Another process leads.
        """
