"""The words of passages, in the full-text index of each database system. All that differs between the two is here.

SQLite: an FTS5 table, ranked by BM25 (https://www.sqlite.org/fts5.html). PostgreSQL: a table of ``tsvector`` with a GIN
index (https://www.postgresql.org/docs/current/textsearch.html), ranked by ``ts_rank_cd`` for each word, weighted by how
rare the word is: PostgreSQL's own ranking takes "the" for as telling as "refund".

Both hold words as `adapters.store.knowledge.terms.words` folds them, and are asked for beginnings of words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, text

from adapters.store.knowledge.tables import rag_passages
from adapters.store.tables import EVENT_ID

_INSERT = {
    "sqlite": text("INSERT INTO rag_words (rowid, words) VALUES (:id, :words)"),
    "postgresql": text("INSERT INTO rag_words (passage_id, words) VALUES (:id, to_tsvector('simple', :words))"),
}

_DELETE = {
    "sqlite": text(
        "DELETE FROM rag_words WHERE rowid IN (SELECT id FROM rag_passages WHERE document_id = :document_id)"
    ),
    "postgresql": text(
        "DELETE FROM rag_words WHERE passage_id IN (SELECT id FROM rag_passages WHERE document_id = :document_id)"
    ),
}

_FIND_SQLITE = text(
    "SELECT p.id FROM rag_words JOIN rag_passages p ON p.id = rag_words.rowid"
    " WHERE rag_words MATCH :query AND p.rag_id = :rag_id ORDER BY bm25(rag_words), p.id LIMIT :limit"
)
_COUNT = text("SELECT count(*) FROM rag_passages WHERE rag_id = :rag_id")
_COUNT_TERM = text(
    "SELECT count(*) FROM rag_words w JOIN rag_passages p ON p.id = w.passage_id"
    " WHERE p.rag_id = :rag_id AND w.words @@ to_tsquery('simple', :term)"
)


def add_words(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the words of passages.

    Args:
        connection: In a transaction that writes.
        rows: For each passage its ``id`` and its ``words``.
    """
    connection.execute(_INSERT[connection.dialect.name], list(rows))


def delete_words(connection: Connection, document_id: UUID) -> None:
    """Delete the words of a document's passages; the passages are there still."""
    statement = _DELETE[connection.dialect.name].bindparams(
        bindparam("document_id", document_id, rag_passages.c.document_id.type)
    )
    connection.execute(statement)


def find_words(connection: Connection, rag_id: UUID, terms: Sequence[str], limit: int) -> list[int]:
    """Return the keys of the passages of a knowledge base that hold words with one of the beginnings, the best first.

    Args:
        connection: In a transaction.
        rag_id: The knowledge base.
        terms: Beginnings of words: letters and digits only.
        limit: Most passages.
    """
    if not terms:
        return []
    if connection.dialect.name == "sqlite":
        statement = _FIND_SQLITE.columns(id=EVENT_ID).bindparams(
            bindparam("rag_id", rag_id, rag_passages.c.rag_id.type)
        )
        query = " OR ".join(f'"{term}"*' for term in terms)
        return list(connection.execute(statement, {"query": query, "limit": limit}).scalars())
    return _find_postgresql(connection, rag_id, terms, limit)


def _find_postgresql(connection: Connection, rag_id: UUID, terms: Sequence[str], limit: int) -> list[int]:
    total = connection.execute(_COUNT, {"rag_id": rag_id}).scalar_one()
    weights = []
    for term in terms:
        holding = connection.execute(_COUNT_TERM, {"rag_id": rag_id, "term": f"{term}:*"}).scalar_one()
        # As in BM25 (Robertson and Zaragoza, 2009).
        weights.append(math.log(1 + (total - holding + 0.5) / (holding + 0.5)))
    score = " + ".join(
        f"CAST(:w{number} AS float) * ts_rank_cd(w.words, to_tsquery('simple', :t{number}), 1)"
        for number in range(len(terms))
    )
    statement = text(
        "SELECT p.id FROM rag_words w JOIN rag_passages p ON p.id = w.passage_id"  # noqa: S608 - numbers only
        " WHERE w.words @@ to_tsquery('simple', :query) AND p.rag_id = :rag_id"
        f" ORDER BY {score} DESC, p.id LIMIT :limit"
    )
    values: dict[str, Any] = {"rag_id": rag_id, "limit": limit, "query": " | ".join(f"{term}:*" for term in terms)}
    for number, (term, weight) in enumerate(zip(terms, weights, strict=True)):
        values[f"t{number}"], values[f"w{number}"] = f"{term}:*", weight
    return list(connection.execute(statement, values).scalars())
