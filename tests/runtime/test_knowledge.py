from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.knowledge.embeddings import Embedder
from adapters.store.base import Store
from adapters.store.factory import create_store
from models.errors import ToolFailed, Unavailable
from models.ids import NIL_ID
from models.rag import Passage
from runtime.knowledge import KnowledgeDesk, RagKnowledge, knowledge_of, open_knowledge, search
from runtime.settings import Settings
from tests.adapters.store.knowledge.contract import TEXTS, make_document, stored_rag
from tests.adapters.store.samples import CUSTOMER, KEY, STRANGER, at, make_ai
from tests.standins.base import DEFAULT_KEY
from tests.standins.embeddings import EmbeddingsStandIn
from tests.standins.faults import Faults


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = create_store(":memory:", secret_key=KEY)
    await store.open()
    yield store
    await store.close()


def settings_for(vendor: EmbeddingsStandIn, folder: Path) -> Settings:
    values: dict[str, Any] = {"embeddings_base_url": vendor.base_url, "embeddings_api_key": DEFAULT_KEY}
    return Settings(data_dir=folder, embeddings_model="m", **values)


async def embedded(store: Store) -> None:
    async with asyncio.timeout(20):
        while await store.unembedded_passages("m", limit=1):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_vectors_are_made_in_the_background_and_find_what_words_do_not(store: Store, tmp_path: Path) -> None:
    rag = await stored_rag(store, *TEXTS)
    async with EmbeddingsStandIn() as vendor:
        async with open_knowledge(settings_for(vendor, tmp_path), store) as desk:
            await embedded(store)
            first, *_ = await search(store, desk, rag.id, "Will you reimburse me?", 3)
            assert first.text == TEXTS[1]
            # Whatever is added later is embedded as well.
            await store.add_document(make_document(rag), [Passage(text="The garage costs nothing.")])
            desk.added()
            await embedded(store)
        await vendor.all_closed()
    assert await search(store, KnowledgeDesk(), rag.id, "Will you reimburse me?", 3) == []


async def test_an_endpoint_that_is_down_costs_only_the_meaning(store: Store, tmp_path: Path) -> None:
    rag = await stored_rag(store, *TEXTS)
    async with (
        EmbeddingsStandIn(faults=Faults(status=500)) as vendor,
        open_knowledge(settings_for(vendor, tmp_path), store) as desk,
    ):
        await vendor.until(lambda: bool(vendor.requests), 20)
        found = await search(store, desk, rag.id, "When is the refund paid?", 3)
        assert found[0].text == TEXTS[1]
        vendor.faults = Faults()
        desk.added()
        await embedded(store)


async def test_many_passages_are_embedded_in_batches(store: Store) -> None:
    await stored_rag(store, *(f"passage {number}" for number in range(150)))
    async with EmbeddingsStandIn() as vendor:
        desk = KnowledgeDesk(Embedder(vendor.base_url, SecretStr(DEFAULT_KEY), "m"))
        assert await desk.embed_new(store) == 150
        assert await desk.embed_new(store) == 0
        assert [len(request.body["input"]) for request in vendor.requests] == [64, 64, 22]
        await desk.aclose()


async def test_what_was_embedded_before_an_outage_stays(store: Store) -> None:
    await stored_rag(store, *(f"passage {number}" for number in range(100)))
    async with EmbeddingsStandIn() as vendor:
        desk = KnowledgeDesk(Embedder(vendor.base_url, SecretStr(DEFAULT_KEY), "m"))
        vendor.faults = Faults(status=503, first=1)
        with pytest.raises(Unavailable):
            await desk.embed_new(store)
        assert await desk.embed_new(store) == 100
        await desk.aclose()


async def test_the_tool_finds_or_says_why_not(store: Store) -> None:
    rag = await stored_rag(store, *TEXTS)
    knowledge = knowledge_of(store, KnowledgeDesk(), make_ai(rag_id=rag.id))
    assert knowledge is not None
    found = await knowledge.search_knowledge("is breakfast served early", 2)
    assert found[0]["text"] == TEXTS[3]
    assert found[0]["source"]["document_name"] == "guide.md"
    assert knowledge_of(store, KnowledgeDesk(), make_ai(rag_id=NIL_ID)) is None
    with pytest.raises(ToolFailed):
        await RagKnowledge(store, KnowledgeDesk(), rag.id, STRANGER).search_knowledge("breakfast", 2)
    await store.delete_rag(rag.id, customer_id=CUSTOMER, now=at(5))
    with pytest.raises(ToolFailed):
        await knowledge.search_knowledge("breakfast", 2)
    await store.close()
    with pytest.raises(ToolFailed):
        await knowledge.search_knowledge("breakfast", 2)
