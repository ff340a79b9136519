"""The tables of conversations in writing and of tasks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from adapters.store.tables import UtcDateTime, metadata

texts = Table(
    "texts",
    metadata,
    Column("aicall_id", ForeignKey("aicalls.id"), primary_key=True),
    Column("kind", String(16), nullable=False, comment="the AIcall's reference_type"),
    Column("owner", Text, nullable=False, comment="who does something in it now; empty for nobody"),
    Column("tm_lease", UtcDateTime, nullable=False, comment="until when its owner says that it lives"),
    Column("tm_expire", UtcDateTime, nullable=False, comment="when it is to be ended"),
    Index(None, "tm_expire"),
)
"""What an AIcall of reference type conversation or task has beside its row in `aicalls`."""

# SQLite numbers a row by itself only where the key is declared INTEGER, letter by letter.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

text_queue = Table(
    "text_queue",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("aicall_id", ForeignKey("aicalls.id"), nullable=False),
    Column("message_id", ForeignKey("messages.id"), nullable=False, unique=True),
    Column("run_llm", Boolean, nullable=False),
    Column("at_once", Boolean, nullable=False),
    Index(None, "aicall_id", "number"),
)
"""Messages that wait for their turn, in order."""
