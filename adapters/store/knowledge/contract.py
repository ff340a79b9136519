"""The contract of a store, as far as it keeps knowledge bases and their documents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from models.rag import Finding, Passage, Rag, RagDocument

if TYPE_CHECKING:
    from adapters.store.base import Page


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A passage that has no vector of a model yet.

    Attributes:
        passage_id: Its key in the store.
        text: What it says, with the headings above it.
    """

    passage_id: int
    text: str


class KnowledgeStore(ABC):
    """Keeps knowledge bases, their documents, and the passages that these were split into.

    - A document and its passages are stored together or not at all, and deleted together.
    - Searches see the documents of one knowledge base only.
    """

    @abstractmethod
    async def create_rag(self, rag: Rag) -> None:
        """Insert a knowledge base.

        Raises:
            Conflict: There is one with that id already.
        """

    @abstractmethod
    async def get_rag(self, rag_id: UUID, *, customer_id: UUID | None) -> Rag:
        """Return a knowledge base.

        Raises:
            NotFound: There is none, it is deleted, or it is another customer's.
        """

    @abstractmethod
    async def list_rags(self, *, customer_id: UUID, page_size: int, page_token: str = "") -> Page[Rag]:
        """List knowledge bases, newest first.

        Raises:
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def update_rag(self, rag: Rag, *, unchanged_since: datetime | None = None) -> None:
        """Replace a knowledge base.

        Args:
            rag: What it is to be.
            unchanged_since: Its ``tm_update`` must be this; None for whatever it is.

        Raises:
            NotFound: Its customer has none with that id, or it is deleted.
            Changed: It was changed meanwhile.
        """

    @abstractmethod
    async def delete_rag(self, rag_id: UUID, *, customer_id: UUID, now: datetime) -> Rag:
        """Delete a knowledge base softly, and its documents for good.

        Raises:
            NotFound: There is none, or it is deleted already.
            Conflict: AIs use it; with their ids.
        """

    @abstractmethod
    async def add_document(self, document: RagDocument, passages: Sequence[Passage]) -> None:
        """Insert a document with its passages.

        Raises:
            NotFound: Its customer has no such knowledge base.
            Conflict: There is a document with that id already.
        """

    @abstractmethod
    async def get_document(self, document_id: UUID, *, rag_id: UUID, customer_id: UUID) -> RagDocument:
        """Return a document.

        Raises:
            NotFound: There is none in that knowledge base, or it is another customer's.
        """

    @abstractmethod
    async def list_documents(
        self, rag_id: UUID, *, customer_id: UUID, page_size: int, page_token: str = ""
    ) -> Page[RagDocument]:
        """List the documents of a knowledge base, newest first.

        Raises:
            NotFound: There is no such knowledge base.
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def delete_document(self, document_id: UUID, *, rag_id: UUID, customer_id: UUID) -> RagDocument:
        """Delete a document and its passages for good.

        Raises:
            NotFound: There is none in that knowledge base, or it is another customer's.
        """

    @abstractmethod
    async def find_passages(
        self, rag_id: UUID, terms: Sequence[str], *, vector: tuple[str, Sequence[float]] | None, limit: int
    ) -> list[Finding]:
        """Return the passages that fit a question, the best first.

        Args:
            rag_id: The knowledge base.
            terms: Beginnings of words, letters and digits only (`adapters.store.knowledge.terms`).
            vector: The question's vector and the name of the model that made it; None to go by words alone.
            limit: Most passages.
        """

    @abstractmethod
    async def unembedded_passages(self, model: str, *, limit: int) -> list[Unembedded]:
        """Return passages that have no vector of a model, oldest first."""

    @abstractmethod
    async def put_vectors(self, model: str, vectors: Sequence[tuple[int, Sequence[float]]]) -> None:
        """Set the vectors of passages, in place of those of another model. Passages that are gone are passed over.

        Args:
            model: Which model made them.
            vectors: Keys of passages, each with its vector: finite numbers, not all of them 0.
        """
