"""Keeps webhooks, how far each sink has been told, and dead letters in a SQL database."""

from __future__ import annotations

from adapters.store.deliveries.contract import DeliveriesStore
from adapters.store.sql_base import SqlBase


class SqlDeliveries(SqlBase, DeliveriesStore):
    """The contract on any `Database`."""
