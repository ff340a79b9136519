"""The tables that keep customers and their API keys."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, Uuid

from adapters.store.tables import UtcDateTime, document, metadata

customers = Table(
    "customers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("detail", Text, nullable=False),
    Column("max_calls", Integer, nullable=False, comment="0 for no limit"),
    Column("max_spend", Float, nullable=False, comment="per AIcall; 0 for no limit"),
    Column("prices", document(), nullable=False),
    Column("tm_create", UtcDateTime, nullable=False),
    Column("tm_update", UtcDateTime, nullable=False),
    Column("tm_delete", UtcDateTime, nullable=False),
    Index(None, "tm_create", "id"),
)
"""Customers. The migration puts in the default one."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("scopes", document(), nullable=False),
    Column("key_sha256", LargeBinary, nullable=False),
    Column("tm_last_used", UtcDateTime, nullable=False),
    Column("tm_create", UtcDateTime, nullable=False),
    Column("tm_delete", UtcDateTime, nullable=False, comment="when it was revoked"),
    Index(None, "customer_id", "tm_create", "id"),
)
"""API keys, as their hashes."""
