"""Tables for who runs an AIcall, until when, and what others ask of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    with op.batch_alter_table("aicalls") as table:
        table.add_column(sa.Column("tm_lease", sa.DateTime(timezone=True), comment="until when its owner lives"))
        table.add_column(
            sa.Column("tm_media", sa.DateTime(timezone=True), comment="until when its phone system may connect again")
        )
        table.add_column(
            sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false(), comment="a pause was asked for")
        )
    op.add_column("events", sa.Column("key", sa.Uuid(), comment="tells a repeated write; unique where given"))
    op.create_index("uq_events_key", "events", ["key"], unique=True)
    op.create_table(
        "aicall_requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("aicall_id", sa.Uuid(), nullable=False),
        sa.Column("request", sa.String(16), nullable=False),
        sa.Column("tm_create", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["aicall_id"], ["aicalls.id"], name="fk_aicall_requests_aicall_id"),
        sa.PrimaryKeyConstraint("id", name="pk_aicall_requests"),
    )
    op.create_index("ix_aicall_requests_aicall_id", "aicall_requests", ["aicall_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("aicall_requests")
    op.drop_index("uq_events_key", "events")
    op.drop_column("events", "key")
    for name in ("held", "tm_media", "tm_lease"):
        op.drop_column("aicalls", name)
