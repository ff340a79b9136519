"""Statements about knowledge bases. Every function runs inside one transaction of its caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.knowledge.contract import Unembedded
from adapters.store.knowledge.ranking import fuse, nearest, to_blob
from adapters.store.knowledge.tables import rag_documents, rag_passages, rags
from adapters.store.knowledge.terms import words
from adapters.store.knowledge.words import add_words, delete_words, find_words
from adapters.store.paging import PageQuery
from adapters.store.tables import ais
from models.errors import Changed, Conflict, NotFound
from models.rag import Finding, Passage, Rag, RagDocument, Source
from models.timestamps import NOT_YET

RAG_PAGES = PageQuery("rags", rags, rags.c.id)
"""How knowledge bases are listed."""
DOCUMENT_PAGES = PageQuery("rag_documents", rag_documents, rag_documents.c.id)
"""How documents are listed."""

_CANDIDATES = 40
"""How many passages each of the two searches puts forward."""
_MOST_NAMED = 20
"""Most AIs that an error names."""


def rag_from_row(row: RowMapping) -> Rag:
    """Return the knowledge base of a row."""
    return Rag.model_validate(dict(row))


def document_from_row(row: RowMapping) -> RagDocument:
    """Return the document of a row."""
    return RagDocument.model_validate(dict(row))


def insert_rag(connection: Connection, rag: Rag) -> None:
    """Insert a knowledge base.

    Raises:
        Conflict: There is one with that id already.
    """
    try:
        connection.execute(insert(rags), _row(rag))
    except IntegrityError:
        raise Conflict("a knowledge base with this id exists already") from None


def select_rag(connection: Connection, rag_id: UUID, customer_id: UUID | None) -> Rag:
    """Return a knowledge base.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
    """
    row = connection.execute(select(rags).where(_alive(rag_id, customer_id))).mappings().one_or_none()
    if row is None:
        raise NotFound("rag", str(rag_id))
    return rag_from_row(row)


def update_rag(connection: Connection, rag: Rag, *, unchanged_since: datetime | None) -> None:
    """Replace a knowledge base.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
        Changed: Its ``tm_update`` is not ``unchanged_since``.
    """
    if unchanged_since not in {None, select_rag(connection, rag.id, rag.customer_id).tm_update}:
        raise Changed("the knowledge base was changed meanwhile")
    statement = update(rags).where(_alive(rag.id, rag.customer_id)).values(_row(rag))
    if not connection.execute(statement).rowcount:
        raise NotFound("rag", str(rag.id))


def delete_rag(connection: Connection, rag_id: UUID, customer_id: UUID, now: datetime) -> Rag:
    """Delete a knowledge base softly, and its documents for good.

    Raises:
        NotFound: There is none, it is deleted already, or it is another customer's.
        Conflict: AIs use it.
    """
    select_rag(connection, rag_id, customer_id)
    using = (ais.c.rag_id == rag_id) & (ais.c.customer_id == customer_id) & (ais.c.tm_delete == NOT_YET)
    users = list(
        connection.execute(select(ais.c.id).where(using).order_by(ais.c.tm_create).limit(_MOST_NAMED)).scalars()
    )
    if users:
        raise Conflict(f"these AIs use the knowledge base: {', '.join(map(str, users))}")
    for document_id in connection.execute(select(rag_documents.c.id).where(rag_documents.c.rag_id == rag_id)).scalars():
        _delete_document(connection, document_id)
    connection.execute(update(rags).where(rags.c.id == rag_id).values(tm_delete=now))
    row = connection.execute(select(rags).where(rags.c.id == rag_id)).mappings().one()
    return rag_from_row(row)


def insert_document(connection: Connection, document: RagDocument, passages: Sequence[Passage]) -> None:
    """Insert a document with its passages.

    Raises:
        NotFound: There is no such knowledge base.
        Conflict: There is a document with that id already.
    """
    select_rag(connection, document.rag_id, document.customer_id)
    try:
        connection.execute(insert(rag_documents), {name: getattr(document, name) for name in RagDocument.model_fields})
    except IntegrityError:
        raise Conflict("a document with this id exists already") from None
    if not passages:
        return
    rows = [
        {
            "rag_id": document.rag_id,
            "document_id": document.id,
            "section": passage.section,
            "page": passage.page,
            "text": passage.text,
            "vector_model": "",
        }
        for passage in passages
    ]
    inserted = insert(rag_passages).returning(rag_passages.c.id, sort_by_parameter_order=True)
    keys = connection.execute(inserted, rows).scalars()
    said = (" ".join(words(f"{passage.section} {passage.text}")) for passage in passages)
    add_words(connection, [{"id": key, "words": text} for key, text in zip(keys, said, strict=True)])


def select_document(connection: Connection, document_id: UUID, rag_id: UUID, customer_id: UUID) -> RagDocument:
    """Return a document.

    Raises:
        NotFound: There is none in that knowledge base, or it is another customer's.
    """
    condition = (
        (rag_documents.c.id == document_id)
        & (rag_documents.c.rag_id == rag_id)
        & (rag_documents.c.customer_id == customer_id)
    )
    row = connection.execute(select(rag_documents).where(condition)).mappings().one_or_none()
    if row is None:
        raise NotFound("document", str(document_id))
    return document_from_row(row)


def delete_document(connection: Connection, document_id: UUID, rag_id: UUID, customer_id: UUID) -> RagDocument:
    """Delete a document and its passages for good.

    Raises:
        NotFound: There is none in that knowledge base, or it is another customer's.
    """
    document = select_document(connection, document_id, rag_id, customer_id)
    _delete_document(connection, document_id)
    return document


def _delete_document(connection: Connection, document_id: UUID) -> None:
    delete_words(connection, document_id)
    connection.execute(delete(rag_passages).where(rag_passages.c.document_id == document_id))
    connection.execute(delete(rag_documents).where(rag_documents.c.id == document_id))


def find(
    connection: Connection, rag_id: UUID, terms: Sequence[str], vector: tuple[str, Sequence[float]] | None, limit: int
) -> list[Finding]:
    """Return the passages that fit a question, by words and, where there is a vector, by meaning; the best first."""
    rankings = [find_words(connection, rag_id, terms, _CANDIDATES)]
    if vector is not None:
        model, query = vector
        columns = select(rag_passages.c.id, rag_passages.c.vector)
        condition = (rag_passages.c.rag_id == rag_id) & (rag_passages.c.vector_model == model)
        stored = [(row.id, row.vector) for row in connection.execute(columns.where(condition).order_by("id"))]
        rankings.append(nearest(to_blob(query), stored, _CANDIDATES))
    best = fuse(rankings)[:limit]
    joined = select(rag_passages, rag_documents.c.name.label("document_name")).join(rag_documents)
    rows = connection.execute(joined.where(rag_passages.c.id.in_([key for key, _ in best])))
    found = {row.id: row for row in rows}
    return [_finding(found[key], score) for key, score in best]


def _finding(row: Any, score: float) -> Finding:
    source = Source(document_id=row.document_id, document_name=row.document_name, section=row.section, page=row.page)
    return Finding(text=row.text, source=source, score=round(score, 6))


def select_unembedded(connection: Connection, model: str, limit: int) -> list[Unembedded]:
    """Return passages that have no vector of a model, oldest first."""
    columns = select(rag_passages.c.id, rag_passages.c.section, rag_passages.c.text)
    statement = columns.where(rag_passages.c.vector_model != model).order_by(rag_passages.c.id).limit(limit)
    rows = connection.execute(statement)
    return [Unembedded(row.id, f"{row.section}\n{row.text}" if row.section else row.text) for row in rows]


def put_vectors(connection: Connection, model: str, vectors: Sequence[tuple[int, Sequence[float]]]) -> None:
    """Set the vectors of passages."""
    statement = update(rag_passages).where(rag_passages.c.id == bindparam("of_id")).values(vector_model=model)
    for key, vector in vectors:
        connection.execute(statement.values(vector=to_blob(vector)), {"of_id": key})


def rag_conditions(customer_id: UUID) -> Sequence[ColumnElement[bool]]:
    """Return what a listed knowledge base must fulfil."""
    return (rags.c.customer_id == customer_id, rags.c.tm_delete == NOT_YET)


def document_conditions(rag_id: UUID) -> Sequence[ColumnElement[bool]]:
    """Return what a listed document must fulfil."""
    return (rag_documents.c.rag_id == rag_id,)


def _alive(rag_id: UUID, customer_id: UUID | None) -> ColumnElement[bool]:
    alive = (rags.c.id == rag_id) & (rags.c.tm_delete == NOT_YET)
    return alive if customer_id is None else alive & (rags.c.customer_id == customer_id)


def _row(rag: Rag) -> dict[str, Any]:
    return {name: getattr(rag, name) for name in Rag.model_fields}
