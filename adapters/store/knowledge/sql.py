"""Keeps knowledge bases and their documents in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection

from adapters.store.knowledge import statements
from adapters.store.knowledge.contract import KnowledgeStore, Unembedded
from adapters.store.sql_base import SqlBase
from models.rag import Finding, Passage, Rag, RagDocument

if TYPE_CHECKING:
    from adapters.store.base import Page


class SqlKnowledge(SqlBase, KnowledgeStore):
    """The contract on any `Database`."""

    async def create_rag(self, rag: Rag) -> None:
        """Insert a knowledge base.

        Raises:
            Conflict: There is one with that id already.
        """
        await self._database.write(partial(statements.insert_rag, rag=rag))

    async def get_rag(self, rag_id: UUID, *, customer_id: UUID | None) -> Rag:
        """Return a knowledge base.

        Raises:
            NotFound: There is none.
        """
        return await self._database.read(partial(statements.select_rag, rag_id=rag_id, customer_id=customer_id))

    async def list_rags(self, *, customer_id: UUID, page_size: int, page_token: str = "") -> Page[Rag]:
        """List knowledge bases, newest first."""
        return await self._database.read(
            partial(
                statements.RAG_PAGES.run,
                conditions=statements.rag_conditions(customer_id),
                make=statements.rag_from_row,
                page_size=page_size,
                page_token=page_token,
            )
        )

    async def update_rag(self, rag: Rag, *, unchanged_since: datetime | None = None) -> None:
        """Replace a knowledge base of the same customer.

        Raises:
            NotFound: There is none.
            Changed: It has another ``tm_update``.
        """
        await self._database.write(partial(statements.update_rag, rag=rag, unchanged_since=unchanged_since))

    async def delete_rag(self, rag_id: UUID, *, customer_id: UUID, now: datetime) -> Rag:
        """Delete a knowledge base softly, and its documents for good."""
        work = partial(statements.delete_rag, rag_id=rag_id, customer_id=customer_id, now=now)
        return await self._database.write(work)

    async def add_document(self, document: RagDocument, passages: Sequence[Passage]) -> None:
        """Insert a document with its passages.

        Raises:
            NotFound: There is no such knowledge base.
            Conflict: There is a document with that id already.
        """
        await self._database.write(partial(statements.insert_document, document=document, passages=passages))

    async def get_document(self, document_id: UUID, *, rag_id: UUID, customer_id: UUID) -> RagDocument:
        """Return a document.

        Raises:
            NotFound: There is none.
        """
        work = partial(statements.select_document, document_id=document_id, rag_id=rag_id, customer_id=customer_id)
        return await self._database.read(work)

    async def list_documents(
        self, rag_id: UUID, *, customer_id: UUID, page_size: int, page_token: str = ""
    ) -> Page[RagDocument]:
        """List the documents of a knowledge base, newest first.

        Raises:
            NotFound: There is no such knowledge base.
        """

        def work(connection: Connection) -> Page[RagDocument]:
            statements.select_rag(connection, rag_id, customer_id)
            return statements.DOCUMENT_PAGES.run(
                connection,
                statements.document_conditions(rag_id),
                statements.document_from_row,
                page_size=page_size,
                page_token=page_token,
            )

        return await self._database.read(work)

    async def delete_document(self, document_id: UUID, *, rag_id: UUID, customer_id: UUID) -> RagDocument:
        """Delete a document and its passages for good.

        Raises:
            NotFound: There is none.
        """
        work = partial(statements.delete_document, document_id=document_id, rag_id=rag_id, customer_id=customer_id)
        return await self._database.write(work)

    async def find_passages(
        self, rag_id: UUID, terms: Sequence[str], *, vector: tuple[str, Sequence[float]] | None, limit: int
    ) -> list[Finding]:
        """Return the passages that fit a question, the best first."""
        work = partial(statements.find, rag_id=rag_id, terms=terms, vector=vector, limit=limit)
        return await self._database.read(work)

    async def unembedded_passages(self, model: str, *, limit: int) -> list[Unembedded]:
        """Return passages that have no vector of a model, oldest first."""
        return await self._database.read(partial(statements.select_unembedded, model=model, limit=limit))

    async def put_vectors(self, model: str, vectors: Sequence[tuple[int, Sequence[float]]]) -> None:
        """Set the vectors of passages."""
        await self._database.write(partial(statements.put_vectors, model=model, vectors=vectors))
