"""The tables that keep who runs an AIcall, until when, and what others ask of them.

Owner, lease and what is known of the media stand in `aicalls`, since a move depends on them in the same statement.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table

from adapters.store.tables import EVENT_ID, UtcDateTime, metadata

aicall_requests = Table(
    "aicall_requests",
    metadata,
    Column("id", EVENT_ID, primary_key=True, autoincrement=True),
    Column("aicall_id", ForeignKey("aicalls.id"), nullable=False),
    Column("request", String(16), nullable=False),
    Column("tm_create", UtcDateTime, nullable=False),
    Index(None, "aicall_id"),
)
"""What was asked of the process that runs an AIcall and was not taken yet."""
