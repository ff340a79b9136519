"""Tables for knowledge bases and their documents."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WORDS = {
    "sqlite": ("CREATE VIRTUAL TABLE rag_words USING fts5(words, tokenize = 'unicode61 remove_diacritics 0')",),
    "postgresql": (
        "CREATE TABLE rag_words (passage_id BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)",
        "CREATE INDEX ix_rag_words_words ON rag_words USING gin (words)",
    ),
}


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "rags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        _time("tm_create"),
        _time("tm_update"),
        _time("tm_delete"),
        sa.PrimaryKeyConstraint("id", name="pk_rags"),
    )
    op.create_index("ix_rags_customer_id_tm_create_id", "rags", ["customer_id", "tm_create", "id"])
    op.create_table(
        "rag_documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("rag_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("passages", sa.Integer(), nullable=False),
        _time("tm_create"),
        _time("tm_delete"),
        sa.PrimaryKeyConstraint("id", name="pk_rag_documents"),
        sa.ForeignKeyConstraint(["rag_id"], ["rags.id"], name="fk_rag_documents_rag_id"),
    )
    op.create_index("ix_rag_documents_rag_id_tm_create_id", "rag_documents", ["rag_id", "tm_create", "id"])
    op.create_table(
        "rag_passages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("rag_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("vector_model", sa.Text(), nullable=False, comment="which model made the vector; empty for none"),
        sa.Column("vector", sa.LargeBinary(), comment="32-bit little-endian floats, of length one"),
        sa.PrimaryKeyConstraint("id", name="pk_rag_passages"),
        sa.ForeignKeyConstraint(["document_id"], ["rag_documents.id"], name="fk_rag_passages_document_id"),
    )
    for column in ("rag_id", "document_id", "vector_model"):
        op.create_index(f"ix_rag_passages_{column}", "rag_passages", [column])
    for statement in _WORDS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for table in ("rag_words", "rag_passages", "rag_documents", "rags"):
        op.execute(f"DROP TABLE {table}")
