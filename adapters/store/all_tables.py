"""All tables: whoever needs `metadata` whole takes it from here."""

from __future__ import annotations

from adapters.store.assistants import tables as _assistants
from adapters.store.customers import tables as _customers
from adapters.store.deliveries import tables as _deliveries
from adapters.store.knowledge import tables as _knowledge
from adapters.store.life import tables as _life
from adapters.store.tables import metadata
from adapters.store.teams import tables as _teams
from adapters.store.texts import tables as _texts

__all__ = ["TOPICS", "metadata"]

TOPICS = (_teams, _life, _deliveries, _knowledge, _customers, _texts, _assistants)
"""The modules whose tables come beside those of `tables.py`."""
