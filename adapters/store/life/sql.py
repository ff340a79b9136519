"""Keeps who runs an AIcall, until when, and what others ask of them in a SQL database."""

from __future__ import annotations

from adapters.store.life.contract import LifeStore
from adapters.store.sql_base import SqlBase


class SqlLife(SqlBase, LifeStore):
    """The contract on any `Database`."""
