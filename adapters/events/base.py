"""The contract of an event sink."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from uuid import UUID

from models.event import Event


class EventSink(ABC):
    """Where events are delivered to. Whoever delivers keeps the order: an AIcall's next event only after this one.

    Contract (checked for every sink by ``tests/adapters/events/contract.py``):

    - `deliver` returns only when the other side has acknowledged the event, and ends within the sink's time-out.
    - What is delivered is the event's envelope as JSON (`envelope`), always the same bytes for the same event, with
      the event's id where that system looks for repeats.
    - A failed delivery is a ``DeliveryFailed`` and leaves the sink usable; several may run at the same time.
    - No secret and nothing that the other side answered is in an error.
    """

    @abstractmethod
    async def deliver(self, event: Event, *, customer_id: UUID) -> None:
        """Deliver one event.

        Args:
            event: The event.
            customer_id: Whose AIcall it is of.

        Raises:
            DeliveryFailed: It was not acknowledged. It may have arrived all the same.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Release what the sink holds. May be called twice; a sink that was closed delivers nothing."""


def envelope(event: Event) -> bytes:
    """Return what is delivered: the event's envelope as JSON in UTF-8."""
    return json.dumps(event.public(), ensure_ascii=False, separators=(",", ":")).encode()
