"""The table that keeps teams."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text, Uuid

from adapters.store.tables import UtcDateTime, document, metadata

teams = Table(
    "teams",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("name", String(255), nullable=False),
    Column("detail", Text, nullable=False),
    Column("start_member_id", Uuid, nullable=False),
    Column("members", document(), nullable=False),
    Column("parameter", document(), nullable=False),
    Column("tm_create", UtcDateTime, nullable=False),
    Column("tm_update", UtcDateTime, nullable=False),
    Column("tm_delete", UtcDateTime, nullable=False),
    Index(None, "customer_id", "tm_create", "id"),
)
"""Teams. The members stand in the team's own row: they are never read or written without it."""
