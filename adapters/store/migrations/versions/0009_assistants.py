"""Tables for AI assistants and what refers to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _id() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "ai_assistants",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False, comment="the customer"),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(50), nullable=False),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("protocol", sa.String(50), nullable=False),
        sa.Column(
            "configuration",
            sa.JSON().with_variant(JSONB(), "postgresql"),
            nullable=False,
            comment="without secrets",
        ),
        sa.Column("secrets", sa.Text(), nullable=False),
        sa.Column("media_id", sa.Uuid(), nullable=False, comment="its id in media URLs"),
        sa.Column("created_by", sa.Uuid(), nullable=True, comment="an API key"),
        sa.Column("updated_by", sa.Uuid(), nullable=True, comment="an API key"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_ai_assistants"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ai_assistants_media_id", "ai_assistants", ["media_id"], unique=True)
    alive = sa.text("deleted_at IS NULL")
    op.create_index(
        "ix_ai_assistants_organization_id_name",
        "ai_assistants",
        ["organization_id", "name"],
        unique=True,
        sqlite_where=alive,
        postgresql_where=alive,
    )
    op.create_table(
        "ai_assistant_references",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("assistant_id", _id(), nullable=False),
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["assistant_id"], ["ai_assistants.id"], name="fk_ai_assistant_references_assistant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ai_assistant_references"),
        sa.UniqueConstraint("assistant_id", "type", "key", name="uq_ai_assistant_references_assistant_id_type_key"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("ai_assistant_references")
    op.drop_table("ai_assistants")
