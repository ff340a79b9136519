"""What every store must do with knowledge bases."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.store.base import Store
from adapters.store.knowledge.terms import terms
from models.errors import Changed, Conflict, InvalidField, NotFound
from models.rag import Passage, Rag, RagDocument, RagWrite
from tests.adapters.store.samples import CUSTOMER, STRANGER, at, make_ai

TEXTS = (
    "We open at nine in the morning and close at five.",
    "A refund is paid within two weeks of the return of the goods.",
    "The car park behind the house is free for our guests.",
    "Breakfast is served from seven to ten on the terrace.",
    "Dogs are welcome in the garden, and cats in the house.",
)


def make_rag(**fields: Any) -> Rag:
    body = RagWrite(name="hotel", detail="what guests ask")
    return Rag.create(body, id=uuid4(), customer_id=CUSTOMER, now=at()).model_copy(update=fields)


def make_document(rag: Rag, **fields: Any) -> RagDocument:
    return RagDocument(
        **{
            "id": uuid4(),
            "customer_id": rag.customer_id,
            "rag_id": rag.id,
            "name": "guide.md",
            "content_type": "text/markdown",
            "characters": 7,
            "passages": 1,
            "tm_create": at(),
            **fields,
        }
    )


async def stored_rag(store: Store, *texts: str) -> Rag:
    rag = make_rag()
    await store.create_rag(rag)
    if texts:
        await store.add_document(make_document(rag), [Passage(text=text) for text in texts])
    return rag


async def found(store: Store, rag_id: UUID, query: str, limit: int = 5) -> list[str]:
    return [it.text for it in await store.find_passages(rag_id, terms(query), vector=None, limit=limit)]


ODD = st.sampled_from("\"'()*:&|!-<> \\%_;\0a\u00df\u00e4\u6f22NOT")
"""What query languages give a meaning to, and letters."""


class RagContract:
    async def test_a_knowledge_base_lives_and_dies(self, store: Store) -> None:
        rag = make_rag()
        await store.create_rag(rag)
        with pytest.raises(Conflict):
            await store.create_rag(rag)
        assert await store.get_rag(rag.id, customer_id=CUSTOMER) == rag
        changed = rag.replaced(RagWrite(name="inn"), now=at(1))
        await store.update_rag(changed, unchanged_since=rag.tm_update)
        with pytest.raises(Changed):
            await store.update_rag(changed, unchanged_since=rag.tm_update)
        assert await store.get_rag(rag.id, customer_id=None) == changed
        deleted = await store.delete_rag(rag.id, customer_id=CUSTOMER, now=at(2))
        assert deleted.tm_delete == at(2)
        for attempt in (
            store.get_rag(rag.id, customer_id=None),
            store.update_rag(changed),
            store.delete_rag(rag.id, customer_id=CUSTOMER, now=at(3)),
            store.add_document(make_document(rag), []),
            store.list_documents(rag.id, customer_id=CUSTOMER, page_size=5),
        ):
            with pytest.raises(NotFound):
                await attempt

    async def test_another_customers_is_not_found(self, store: Store) -> None:
        rag = await stored_rag(store, *TEXTS)
        for attempt in (
            store.get_rag(rag.id, customer_id=STRANGER),
            store.update_rag(rag.model_copy(update={"customer_id": STRANGER})),
            store.delete_rag(rag.id, customer_id=STRANGER, now=at(3)),
            store.add_document(make_document(rag, customer_id=STRANGER), []),
            store.list_documents(rag.id, customer_id=STRANGER, page_size=5),
        ):
            with pytest.raises(NotFound):
                await attempt
        assert (await store.list_rags(customer_id=STRANGER, page_size=5)).items == []

    async def test_pages_hold_every_one_once(self, store: Store) -> None:
        rags = [make_rag(tm_create=at(number // 2)) for number in range(5)]
        for rag in rags:
            await store.create_rag(rag)
        seen, token = [], ""
        while True:
            page = await store.list_rags(customer_id=CUSTOMER, page_size=2, page_token=token)
            seen += list(page.items)
            if not (token := page.next_page_token):
                break
        assert sorted(seen, key=lambda rag: rag.id) == sorted(rags, key=lambda rag: rag.id)
        with pytest.raises(InvalidField):
            await store.list_rags(customer_id=CUSTOMER, page_size=2, page_token="nonsense")

    async def test_one_that_an_ai_uses_stays(self, store: Store) -> None:
        rag = await stored_rag(store, *TEXTS)
        ai = make_ai(rag_id=rag.id)
        await store.create_ai(ai)
        with pytest.raises(Conflict, match=str(ai.id)):
            await store.delete_rag(rag.id, customer_id=CUSTOMER, now=at(1))
        assert await found(store, rag.id, "refund")
        await store.delete_ai(ai.id, customer_id=CUSTOMER, now=at(2))
        await store.delete_rag(rag.id, customer_id=CUSTOMER, now=at(3))
        assert await found(store, rag.id, "refund") == []


class DocumentContract:
    async def test_a_document_lives_and_dies(self, store: Store) -> None:
        rag = await stored_rag(store)
        document = make_document(rag)
        await store.add_document(document, [Passage(text=TEXTS[0]), Passage(text=TEXTS[1])])
        with pytest.raises(Conflict):
            await store.add_document(document, [Passage(text="twice")])
        assert await found(store, rag.id, "twice") == []
        assert await store.get_document(document.id, rag_id=rag.id, customer_id=CUSTOMER) == document
        assert (await store.list_documents(rag.id, customer_id=CUSTOMER, page_size=5)).items == [document]
        other = await stored_rag(store)
        for rag_id, customer_id in ((other.id, CUSTOMER), (rag.id, STRANGER)):
            with pytest.raises(NotFound):
                await store.get_document(document.id, rag_id=rag_id, customer_id=customer_id)
            with pytest.raises(NotFound):
                await store.delete_document(document.id, rag_id=rag_id, customer_id=customer_id)
        assert await found(store, rag.id, "refund")
        assert await store.delete_document(document.id, rag_id=rag.id, customer_id=CUSTOMER) == document
        assert await found(store, rag.id, "refund") == []
        assert (await store.list_documents(rag.id, customer_id=CUSTOMER, page_size=5)).items == []


class SearchContract:
    @pytest.mark.parametrize(
        ("query", "best"),
        [
            ("When do you open?", 0),
            ("How long does the refund take?", 1),
            ("REFUNDS", 1),
            ("is there a place for my car", 2),
            ("at what time is the breakfast", 3),
            ("can I bring my dog", 4),
        ],
    )
    async def test_the_right_passage_comes_first(self, store: Store, query: str, best: int) -> None:
        rag = await stored_rag(store, *TEXTS)
        assert (await found(store, rag.id, query))[0] == TEXTS[best]

    async def test_only_the_knowledge_base_that_is_asked(self, store: Store) -> None:
        rag, other = await stored_rag(store, TEXTS[0]), await stored_rag(store, TEXTS[1])
        assert await found(store, rag.id, "refund open") == [TEXTS[0]]
        assert await found(store, other.id, "refund open") == [TEXTS[1]]
        assert await found(store, uuid4(), "refund open") == []
        assert await found(store, rag.id, "") == []
        assert await found(store, rag.id, "zebra") == []

    async def test_a_finding_names_its_source(self, store: Store) -> None:
        rag = await stored_rag(store)
        document = make_document(rag, name="Preise.pdf")
        await store.add_document(document, [Passage(text="Ein Frühstück kostet 12 €.", section="Küche", page=3)])
        (finding,) = await store.find_passages(rag.id, terms("fruhstuck"), vector=None, limit=5)
        assert finding.source.document_id == document.id
        assert (finding.source.document_name, finding.source.section, finding.source.page) == ("Preise.pdf", "Küche", 3)
        assert await found(store, rag.id, "KÜCHE") == [finding.text]
        assert finding.score > 0

    async def test_no_more_than_asked(self, store: Store) -> None:
        rag = await stored_rag(store, *(f"the same words, number {number}" for number in range(9)))
        assert len(await found(store, rag.id, "same words", limit=3)) == 3

    async def test_vectors_find_what_words_do_not(self, store: Store) -> None:
        rag = await stored_rag(store, *TEXTS)
        passages = await store.unembedded_passages("m", limit=10)
        assert [passage.text for passage in passages] == list(TEXTS)
        vectors = [[0.0] * place + [1.0] + [0.0] * (5 - place) for place in range(len(TEXTS))]
        await store.put_vectors("m", [(p.passage_id, v) for p, v in zip(passages, vectors, strict=True)])
        assert await store.unembedded_passages("m", limit=10) == []
        near = await store.find_passages(rag.id, terms("zebra"), vector=("m", [0, 0, 0, 9, 1, 0]), limit=2)
        assert [finding.text for finding in near] == [TEXTS[3], TEXTS[4]]
        # Of another model, none fits.
        assert await store.find_passages(rag.id, terms("zebra"), vector=("n", [1, 0, 0, 0, 0, 0]), limit=2) == []
        assert len(await store.unembedded_passages("n", limit=3)) == 3

    async def test_vectors_of_what_is_gone_are_passed_over(self, store: Store) -> None:
        rag = await stored_rag(store)
        document = make_document(rag)
        await store.add_document(document, [Passage(text=TEXTS[0], section="Hours")])
        (passage,) = await store.unembedded_passages("m", limit=10)
        assert passage.text == f"Hours\n{TEXTS[0]}"
        await store.delete_document(document.id, rag_id=rag.id, customer_id=CUSTOMER)
        await store.put_vectors("m", [(passage.passage_id, [1.0])])
        assert await store.find_passages(rag.id, [], vector=("m", [1.0]), limit=5) == []

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(query=st.text(ODD, max_size=40), text=st.text(ODD, max_size=40))
    async def test_no_question_and_no_text_breaks_the_search(self, store: Store, query: str, text: str) -> None:
        rag = await stored_rag(store, text or "empty")
        await found(store, rag.id, query)
        await found(store, rag.id, f'" OR * {query} NEAR( zebra -:& | !')
