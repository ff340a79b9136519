"""The tables of the SQL store. Alembic makes them (`migrations/`); a test keeps both in step.

Written for SQLite and PostgreSQL alike: whatever differs between the two is a type variant here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC moment with microseconds. SQLite keeps it as text that sorts like the moments themselves."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any aware moment into UTC; SQLite drops the zone."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def document() -> JSON:
    """Make the type of a JSON column, in which None is SQL NULL."""
    return JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


# SQLite numbers a row by itself only where the key is declared INTEGER, letter by letter.
EVENT_ID = BigInteger().with_variant(Integer, "sqlite")
"""Type of `events.id`."""

SEALED = {"sealed": True}
"""``info`` of a column whose text is sealed by `adapters.store.secrets`; `adapters.store.reseal` finds it by that."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables."""


def _times() -> list[Column[Any]]:
    return [Column(name, UtcDateTime, nullable=False) for name in ("tm_create", "tm_update", "tm_delete")]


ais = Table(
    "ais",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("name", String(255), nullable=False),
    Column("detail", Text, nullable=False),
    Column("engine_model", Text, nullable=False),
    Column("parameter", document(), nullable=False),
    Column("rag_id", Uuid, nullable=False),
    Column("init_prompt", Text, nullable=False),
    Column("tts_type", String(32), nullable=False),
    Column("tts_voice_id", Text, nullable=False),
    Column("stt_type", String(32), nullable=False),
    Column("stt_language", Text, nullable=False),
    Column("vad_config", document()),
    Column("smart_turn_enabled", Boolean, nullable=False),
    Column("tool_names", document()),
    Column("secrets", Text, nullable=False, comment="AiSecrets, sealed by adapters.store.secrets", info=SEALED),
    *_times(),
    Index(None, "customer_id", "tm_create", "id"),
)
"""AIs, with their secrets sealed."""

aicalls = Table(
    "aicalls",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("assistance_type", String(16), nullable=False),
    Column("assistance_id", Uuid, nullable=False),
    Column("ai_engine_model", Text, nullable=False),
    Column("ai_tts_type", String(32), nullable=False),
    Column("ai_tts_voice_id", Text, nullable=False),
    Column("ai_stt_type", String(32), nullable=False),
    Column("ai_vad_config", document()),
    Column("ai_smart_turn_enabled", Boolean, nullable=False),
    Column("parameter", document(), nullable=False),
    Column("activeflow_id", Uuid, nullable=False),
    Column("reference_type", String(16), nullable=False),
    Column("reference_id", Uuid, nullable=False),
    Column("confbridge_id", Uuid, nullable=False),
    Column("current_member_id", Uuid, nullable=False),
    Column("status", String(16), nullable=False),
    Column("stt_language", Text, nullable=False),
    Column("end_reason", String(32), nullable=False),
    Column("tm_end", UtcDateTime, nullable=False),
    *_times(),
    Column("owner", Text, nullable=False, comment="who runs it; empty when nobody does"),
    Column("last_sequence", Integer, nullable=False, comment="sequence of the newest event"),
    Column("tm_lease", UtcDateTime, comment="until when its owner lives"),
    Column("tm_media", UtcDateTime, comment="until when its phone system may connect again"),
    Column("held", Boolean, nullable=False, server_default=false(), comment="a pause was asked for"),
    Index(None, "customer_id", "tm_create", "id"),
    Index(None, "status", "owner"),
)
"""AIcalls, and the counter from which their events take their sequence."""

media_grants = Table(
    "media_grants",
    metadata,
    Column("resource_id", Uuid, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("token_sha256", LargeBinary, nullable=False),
    Column("tm_expire", UtcDateTime, nullable=False),
    Column("audiosocket_sha256", LargeBinary, comment="hash of the AudioSocket UUID"),
    Index(None, "audiosocket_sha256", unique=True),
)
"""The one media token of an AIcall or AI, as its hash. No foreign key: the resource is in one of two tables."""

messages = Table(
    "messages",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("aicall_id", ForeignKey("aicalls.id"), nullable=False),
    Column("sequence", Integer, nullable=False, comment="sequence of its aimessage_created event"),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("direction", String(16), nullable=False),
    Column("interrupted", Boolean, nullable=False),
    Column("tool_calls", document(), nullable=False),
    Column("tool_call_id", Text, nullable=False),
    Column("in_reply_to_message_id", Uuid, comment="of a conversation in writing"),
    Column("tm_create", UtcDateTime, nullable=False),
    Column("tm_delete", UtcDateTime, nullable=False),
    Index(None, "aicall_id", "tm_create", "sequence"),
)
"""Messages of AIcalls. `sequence` keeps the order of those with equal times."""

events = Table(
    "events",
    metadata,
    Column("id", EVENT_ID, primary_key=True, autoincrement=True),
    Column("aicall_id", ForeignKey("aicalls.id"), nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("tm_create", UtcDateTime, nullable=False),
    Column("data", document(), nullable=False),
    Column("key", Uuid, comment="tells a repeated write; unique where given"),
    UniqueConstraint("aicall_id", "sequence"),
    Index("uq_events_key", "key", unique=True),
    Index(None, "customer_id", "id"),
    sqlite_autoincrement=True,
)
"""The outbox: every event, in the order in which it happened. An id is never used twice."""

store_values = Table(
    "store_values",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about the database itself: the canary that tells a wrong secret key."""
