"""Keeps teams and their members in a SQL database."""

from __future__ import annotations

from adapters.store.sql_base import SqlBase
from adapters.store.teams.contract import TeamsStore


class SqlTeams(SqlBase, TeamsStore):
    """The contract on any `Database`."""
