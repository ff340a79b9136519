"""The contract of a store, as far as it keeps webhooks, how far each sink has been told, and dead letters."""

from __future__ import annotations

from abc import ABC


class DeliveriesStore(ABC):
    """Keeps webhooks, how far each sink has been told, and dead letters."""
