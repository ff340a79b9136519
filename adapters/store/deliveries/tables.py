"""The tables that keep webhooks, how far each sink has been told, and dead letters."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table, Text, Uuid

from adapters.store.tables import EVENT_ID, SEALED, UtcDateTime, document, metadata

RELAY = "events"
"""Name of the one row of `relays`, which the migration makes."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("name", String(255), nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", document(), nullable=False),
    Column("status", String(16), nullable=False),
    Column("secret", Text, nullable=False, info=SEALED, comment="sealed by adapters.store.secrets"),
    Column("after_event_id", BigInteger, nullable=False, comment="it is told of later events only"),
    Column("tm_create", UtcDateTime, nullable=False),
    Column("tm_update", UtcDateTime, nullable=False),
    Column("tm_delete", UtcDateTime, nullable=False),
    Index(None, "customer_id", "tm_create", "id"),
)
"""Webhooks, with their secrets sealed."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("sink_id", String(64), nullable=False, comment="a webhook's id, or a system's name"),
    Column("event_id", EVENT_ID, ForeignKey("events.id"), nullable=False, autoincrement=False),
    Column("aicall_id", Uuid, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tm_create", UtcDateTime, nullable=False),
    Column("tm_due", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("sink_id", "event_id"),
    Index(None, "sink_id", "aicall_id", "event_id"),
    Index(None, "sink_id", "tm_due"),
)
"""The queues: what each sink has yet to be told."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("webhook_id", Uuid, nullable=False),
    Column("event_id", EVENT_ID, ForeignKey("events.id"), nullable=False, autoincrement=False),
    Column("customer_id", Uuid, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", String(64), nullable=False),
    Column("tm_create", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("webhook_id", "event_id"),
    Index(None, "webhook_id", "tm_create", "event_id"),
)
"""What webhooks did not take."""

relays = Table(
    "relays",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", Text, nullable=False, comment="which process leads; empty when none does"),
    Column("tm_expire", UtcDateTime, nullable=False, comment="when another one may take over"),
    Column("cursor", BigInteger, nullable=False, comment="id of the last event that was put into queues"),
)
"""Who fills the queues from the outbox, and how far that has come."""
