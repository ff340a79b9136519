"""The tables that keep knowledge bases and their documents."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, Uuid

from adapters.store.tables import EVENT_ID, UtcDateTime, metadata

rags = Table(
    "rags",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("name", String(255), nullable=False),
    Column("detail", Text, nullable=False),
    Column("tm_create", UtcDateTime, nullable=False),
    Column("tm_update", UtcDateTime, nullable=False),
    Column("tm_delete", UtcDateTime, nullable=False),
    Index(None, "customer_id", "tm_create", "id"),
)
"""Knowledge bases."""

rag_documents = Table(
    "rag_documents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("rag_id", ForeignKey("rags.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("characters", Integer, nullable=False),
    Column("passages", Integer, nullable=False),
    Column("tm_create", UtcDateTime, nullable=False),
    Column("tm_delete", UtcDateTime, nullable=False),
    Index(None, "rag_id", "tm_create", "id"),
)
"""Documents. What was uploaded is not kept, only the text in it."""

rag_passages = Table(
    "rag_passages",
    metadata,
    Column("id", EVENT_ID, primary_key=True),
    Column("rag_id", Uuid, nullable=False),
    Column("document_id", ForeignKey("rag_documents.id"), nullable=False),
    Column("section", Text, nullable=False),
    Column("page", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("vector_model", Text, nullable=False, comment="which model made the vector; empty for none"),
    Column("vector", LargeBinary, comment="32-bit little-endian floats, of length one"),
    Index(None, "rag_id"),
    Index(None, "document_id"),
    Index(None, "vector_model"),
)
"""Passages of documents. Their words stand in ``rag_words``, which each system keeps in its own way (`words.py`)."""
