"""Keeps customers and their API keys in a SQL database."""

from __future__ import annotations

from adapters.store.customers.contract import CustomersStore
from adapters.store.sql_base import SqlBase


class SqlCustomers(SqlBase, CustomersStore):
    """The contract on any `Database`."""
