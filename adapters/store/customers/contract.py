"""The contract of a store, as far as it keeps customers and their API keys."""

from __future__ import annotations

from abc import ABC


class CustomersStore(ABC):
    """Keeps customers and their API keys."""
