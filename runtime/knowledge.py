"""Knowledge bases at run time: searching them for calls, and making the vectors of what was uploaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from loguru import logger

from adapters.knowledge.embeddings import BATCH, Embedder
from adapters.store.base import Store
from adapters.store.knowledge.terms import terms
from models.ai import Ai
from models.errors import AicallError, NotFound, ToolFailed, Unavailable
from models.ids import NIL_ID
from models.rag import Finding
from runtime.settings import Settings

_QUERY_TIMEOUT_S = 1.5
"""How long a caller's question may wait for its vector, seconds; it is searched by words alone then."""
_LOOK_EVERY_S = 60.0
"""How often passages without a vector are looked for when nobody says that there are some, seconds."""


class KnowledgeDesk:
    """The process's way to vectors, if it has one.

    Args:
        embedder: Makes vectors; None where knowledge bases are searched by words alone.
    """

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder
        self._wake = asyncio.Event()

    def added(self) -> None:
        """Say that there are passages without a vector."""
        self._wake.set()

    async def vector(self, query: str) -> tuple[str, Sequence[float]] | None:
        """Return a question's vector with the name of the model that made it; None when there is none in time."""
        if self._embedder is None:
            return None
        try:
            return self._embedder.model, (await self._embedder.embed([query], timeout_s=_QUERY_TIMEOUT_S))[0]
        except Unavailable as error:
            logger.warning("a knowledge base is searched by words alone: {}", error.message)
            return None

    async def embed_new(self, store: Store) -> int:
        """Make the vectors that are missing.

        Returns:
            How many were made.

        Raises:
            Unavailable: The endpoint or the store does not answer; what was made before stays.
        """
        made = 0
        if self._embedder is None:
            return made
        while passages := await store.unembedded_passages(self._embedder.model, limit=BATCH):
            vectors = await self._embedder.embed([passage.text for passage in passages])
            keys = [passage.passage_id for passage in passages]
            await store.put_vectors(self._embedder.model, list(zip(keys, vectors, strict=True)))
            made += len(passages)
        return made

    async def keep_embedding(self, store: Store) -> None:
        """Make missing vectors for ever: at once when `added` says so, and after an endpoint's outage."""
        if self._embedder is None:
            return
        while True:
            self._wake.clear()
            try:
                await self.embed_new(store)
            except Unavailable as error:
                logger.warning("vectors of a knowledge base are not made: {}", error.message)
            except AicallError:
                logger.exception("vectors of a knowledge base could not be made")
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def aclose(self) -> None:
        """Close its connections."""
        if self._embedder is not None:
            await self._embedder.aclose()


@asynccontextmanager
async def open_knowledge(settings: Settings, store: Store) -> AsyncIterator[KnowledgeDesk]:
    """Open the way to vectors, and make missing ones while the context lasts."""
    if not settings.embeddings_base_url:
        yield KnowledgeDesk()
        return
    desk = KnowledgeDesk(Embedder(settings.embeddings_base_url, settings.embeddings_api_key, settings.embeddings_model))
    embedding = asyncio.create_task(desk.keep_embedding(store), name="embedding")
    try:
        yield desk
    finally:
        embedding.cancel()
        await asyncio.wait((embedding,))
        await desk.aclose()


async def search(store: Store, desk: KnowledgeDesk, rag_id: UUID, query: str, limit: int) -> list[Finding]:
    """Return the passages of a knowledge base that fit a question, the best first.

    Args:
        store: The store.
        desk: Makes the question's vector.
        rag_id: The knowledge base; whose it is must have been checked.
        query: The question.
        limit: Most passages.

    Raises:
        Unavailable: The store does not answer.
    """
    return await store.find_passages(rag_id, terms(query), vector=await desk.vector(query), limit=limit)


class RagKnowledge:
    """The knowledge base of one AI, for its tools (`pipelines.tools.host.KnowledgeSearch`).

    Args:
        store: The store.
        desk: Makes vectors.
        rag_id: The knowledge base.
        customer_id: Whose it must be.
    """

    def __init__(self, store: Store, desk: KnowledgeDesk, rag_id: UUID, customer_id: UUID) -> None:
        self._store = store
        self._desk = desk
        self._rag_id = rag_id
        self._customer_id = customer_id

    async def search_knowledge(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Return what fits a question best, the best first.

        Raises:
            ToolFailed: The knowledge base is gone, or the store does not answer.
        """
        try:
            await self._store.get_rag(self._rag_id, customer_id=self._customer_id)
            found = await search(self._store, self._desk, self._rag_id, query, limit)
        except NotFound:
            raise ToolFailed("there is no knowledge base any more") from None
        except Unavailable as error:
            raise ToolFailed("the knowledge base cannot be searched now", retryable=True) from error
        return [finding.model_dump(mode="json") for finding in found]


def knowledge_of(store: Store, desk: KnowledgeDesk, ai: Ai) -> RagKnowledge | None:
    """Return the knowledge base of an AI; None when it has none."""
    return None if ai.rag_id == NIL_ID else RagKnowledge(store, desk, ai.rag_id, ai.customer_id)
