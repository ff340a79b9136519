"""Tables for conversations in writing and tasks, and what a message answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "texts",
        sa.Column("aicall_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("tm_lease", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tm_expire", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["aicall_id"], ["aicalls.id"], name="fk_texts_aicall_id"),
        sa.PrimaryKeyConstraint("aicall_id", name="pk_texts"),
    )
    op.create_index("ix_texts_tm_expire", "texts", ["tm_expire"])
    op.create_table(
        "text_queue",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("aicall_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("run_llm", sa.Boolean(), nullable=False),
        sa.Column("at_once", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["aicall_id"], ["aicalls.id"], name="fk_text_queue_aicall_id"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_text_queue_message_id"),
        sa.PrimaryKeyConstraint("number", name="pk_text_queue"),
        sa.UniqueConstraint("message_id", name="uq_text_queue_message_id"),
    )
    op.create_index("ix_text_queue_aicall_id_number", "text_queue", ["aicall_id", "number"])
    with op.batch_alter_table("messages") as messages:
        messages.add_column(sa.Column("in_reply_to_message_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("messages") as messages:
        messages.drop_column("in_reply_to_message_id")
    op.drop_table("text_queue")
    op.drop_table("texts")
