"""Keeps knowledge bases and their documents in a SQL database."""

from __future__ import annotations

from adapters.store.knowledge.contract import KnowledgeStore
from adapters.store.sql_base import SqlBase


class SqlKnowledge(SqlBase, KnowledgeStore):
    """The contract on any `Database`."""
