"""Tables for webhooks, how far each sink has been told, and dead letters."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _event_id() -> sa.Column[Any]:
    return sa.Column(
        "event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
    )


def upgrade() -> None:
    """Make them. Sinks are told of what happens from now on."""
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False, comment="sealed by adapters.store.secrets"),
        sa.Column("after_event_id", sa.BigInteger(), nullable=False, comment="it is told of later events only"),
        _time("tm_create"),
        _time("tm_update"),
        _time("tm_delete"),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_customer_id_tm_create_id", "webhooks", ["customer_id", "tm_create", "id"])
    op.create_table(
        "deliveries",
        sa.Column("sink_id", sa.String(64), nullable=False, comment="a webhook's id, or a system's name"),
        _event_id(),
        sa.Column("aicall_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _time("tm_create"),
        _time("tm_due"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_deliveries_event_id"),
        sa.PrimaryKeyConstraint("sink_id", "event_id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_sink_id_aicall_id_event_id", "deliveries", ["sink_id", "aicall_id", "event_id"])
    op.create_index("ix_deliveries_sink_id_tm_due", "deliveries", ["sink_id", "tm_due"])
    op.create_table(
        "dead_letters",
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        _event_id(),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(64), nullable=False),
        _time("tm_create"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_dead_letters_event_id"),
        sa.PrimaryKeyConstraint("webhook_id", "event_id", name="pk_dead_letters"),
    )
    op.create_index(
        "ix_dead_letters_webhook_id_tm_create_event_id", "dead_letters", ["webhook_id", "tm_create", "event_id"]
    )
    op.create_table(
        "relays",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False, comment="which process leads; empty when none does"),
        sa.Column("tm_expire", sa.DateTime(timezone=True), nullable=False, comment="when another one may take over"),
        sa.Column("cursor", sa.BigInteger(), nullable=False, comment="id of the last event that was put into queues"),
        sa.PrimaryKeyConstraint("name", name="pk_relays"),
    )
    # A moment in the past: nobody leads yet.
    op.execute(
        "INSERT INTO relays (name, holder, tm_expire, cursor) "
        "SELECT 'events', '', '2000-01-01 00:00:00.000000', COALESCE(MAX(id), 0) FROM events"
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("relays", "dead_letters", "deliveries", "webhooks"):
        op.drop_table(table)
