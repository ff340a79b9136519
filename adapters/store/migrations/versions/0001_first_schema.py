"""The first schema: AIs, AIcalls, media tokens, messages, events."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _json() -> sa.JSON:
    return sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "ais",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("engine_model", sa.Text(), nullable=False),
        sa.Column("parameter", _json(), nullable=False),
        sa.Column("rag_id", sa.Uuid(), nullable=False),
        sa.Column("init_prompt", sa.Text(), nullable=False),
        sa.Column("tts_type", sa.String(32), nullable=False),
        sa.Column("tts_voice_id", sa.Text(), nullable=False),
        sa.Column("stt_type", sa.String(32), nullable=False),
        sa.Column("stt_language", sa.Text(), nullable=False),
        sa.Column("vad_config", _json(), nullable=True),
        sa.Column("smart_turn_enabled", sa.Boolean(), nullable=False),
        sa.Column("tool_names", _json(), nullable=True),
        sa.Column("secrets", sa.Text(), nullable=False, comment="AiSecrets, sealed by adapters.store.secrets"),
        _time("tm_create"),
        _time("tm_update"),
        _time("tm_delete"),
        sa.PrimaryKeyConstraint("id", name="pk_ais"),
    )
    op.create_index("ix_ais_customer_id_tm_create_id", "ais", ["customer_id", "tm_create", "id"])
    op.create_table(
        "aicalls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("assistance_type", sa.String(16), nullable=False),
        sa.Column("assistance_id", sa.Uuid(), nullable=False),
        sa.Column("ai_engine_model", sa.Text(), nullable=False),
        sa.Column("ai_tts_type", sa.String(32), nullable=False),
        sa.Column("ai_tts_voice_id", sa.Text(), nullable=False),
        sa.Column("ai_stt_type", sa.String(32), nullable=False),
        sa.Column("ai_vad_config", _json(), nullable=True),
        sa.Column("ai_smart_turn_enabled", sa.Boolean(), nullable=False),
        sa.Column("parameter", _json(), nullable=False),
        sa.Column("activeflow_id", sa.Uuid(), nullable=False),
        sa.Column("reference_type", sa.String(16), nullable=False),
        sa.Column("reference_id", sa.Uuid(), nullable=False),
        sa.Column("confbridge_id", sa.Uuid(), nullable=False),
        sa.Column("current_member_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("stt_language", sa.Text(), nullable=False),
        sa.Column("end_reason", sa.String(32), nullable=False),
        _time("tm_end"),
        _time("tm_create"),
        _time("tm_update"),
        _time("tm_delete"),
        sa.Column("owner", sa.Text(), nullable=False, comment="who runs it; empty when nobody does"),
        sa.Column("last_sequence", sa.Integer(), nullable=False, comment="sequence of the newest event"),
        sa.PrimaryKeyConstraint("id", name="pk_aicalls"),
    )
    op.create_index("ix_aicalls_customer_id_tm_create_id", "aicalls", ["customer_id", "tm_create", "id"])
    op.create_index("ix_aicalls_status_owner", "aicalls", ["status", "owner"])
    op.create_table(
        "media_grants",
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        _time("tm_expire"),
        sa.PrimaryKeyConstraint("resource_id", name="pk_media_grants"),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("aicall_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="sequence of its aimessage_created event"),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("interrupted", sa.Boolean(), nullable=False),
        sa.Column("tool_calls", _json(), nullable=False),
        sa.Column("tool_call_id", sa.Text(), nullable=False),
        _time("tm_create"),
        _time("tm_delete"),
        sa.ForeignKeyConstraint(["aicall_id"], ["aicalls.id"], name="fk_messages_aicall_id"),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
    )
    op.create_index("ix_messages_aicall_id_tm_create_sequence", "messages", ["aicall_id", "tm_create", "sequence"])
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("aicall_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        _time("tm_create"),
        sa.Column("data", _json(), nullable=False),
        sa.ForeignKeyConstraint(["aicall_id"], ["aicalls.id"], name="fk_events_aicall_id"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("aicall_id", "sequence", name="uq_events_aicall_id_sequence"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_customer_id_id", "events", ["customer_id", "id"])
    op.create_table(
        "store_values",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_store_values"),
    )


def downgrade() -> None:
    """Drop every table."""
    for table in ("store_values", "events", "messages", "media_grants", "aicalls", "ais"):
        op.drop_table(table)
