"""Tables for customers and their API keys, and the default customer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _time(name: str, comment: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, comment=comment)


def _json() -> sa.JSON:
    return sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make them."""
    customers = op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("max_calls", sa.Integer(), nullable=False, comment="0 for no limit"),
        sa.Column("max_spend", sa.Float(), nullable=False, comment="per AIcall; 0 for no limit"),
        sa.Column("prices", _json(), nullable=False),
        _time("tm_create"),
        _time("tm_update"),
        _time("tm_delete"),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
    )
    op.create_index("ix_customers_tm_create_id", "customers", ["tm_create", "id"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("scopes", _json(), nullable=False),
        sa.Column("key_sha256", sa.LargeBinary(), nullable=False),
        _time("tm_last_used"),
        _time("tm_create"),
        _time("tm_delete", "when it was revoked"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_api_keys_customer_id"),
    )
    op.create_index("ix_api_keys_customer_id_tm_create_id", "api_keys", ["customer_id", "tm_create", "id"])
    # SQLite keeps moments as text without a zone, PostgreSQL with one; both take this one as UTC.
    not_yet = datetime(9999, 1, 1, tzinfo=UTC)
    op.bulk_insert(
        customers,
        [
            {
                "id": UUID("00000000-0000-0000-0000-000000000001"),
                "name": "default",
                "detail": "",
                "max_calls": 0,
                "max_spend": 0.0,
                "prices": {"llm_input": 0.0, "llm_output": 0.0, "tts": 0.0, "stt": 0.0},
                "tm_create": datetime.now(UTC),
                "tm_update": not_yet,
                "tm_delete": not_yet,
            }
        ],
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("api_keys")
    op.drop_table("customers")
