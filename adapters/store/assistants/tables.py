"""The tables that keep AI assistants (seed 000) and what refers to them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text, UniqueConstraint, Uuid, text

from adapters.store.tables import EVENT_ID, SEALED, UtcDateTime, document, metadata

_ALIVE = text("deleted_at IS NULL")

ai_assistants = Table(
    "ai_assistants",
    metadata,
    Column("id", EVENT_ID, primary_key=True),
    Column("organization_id", Uuid, nullable=False, comment="the customer"),
    Column("name", String(255), nullable=False),
    Column("description", Text),
    Column("status", String(50), nullable=False),
    Column("provider", String(100), nullable=False),
    Column("protocol", String(50), nullable=False),
    Column("configuration", document(), nullable=False, comment="without secrets"),
    Column("secrets", Text, nullable=False, info=SEALED),
    Column("media_id", Uuid, nullable=False, comment="its id in media URLs"),
    Column("created_by", Uuid, comment="an API key"),
    Column("updated_by", Uuid, comment="an API key"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    Index(None, "media_id", unique=True),
    Index(None, "organization_id", "name", unique=True, sqlite_where=_ALIVE, postgresql_where=_ALIVE),
    sqlite_autoincrement=True,
)
"""AI assistants."""

ai_assistant_references = Table(
    "ai_assistant_references",
    metadata,
    Column("id", EVENT_ID, primary_key=True),
    Column("assistant_id", ForeignKey("ai_assistants.id"), nullable=False),
    Column("type", String(50), nullable=False),
    Column("key", String(255), nullable=False),
    Column("label", String(255), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("assistant_id", "type", "key"),
    # A number that was used once must not mean another reference to whoever still has it.
    sqlite_autoincrement=True,
)
"""What in phone systems routes calls to an assistant."""
