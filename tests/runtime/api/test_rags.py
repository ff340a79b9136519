from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.knowledge.documents import a_pdf
from tests.runtime.serving import Api, an_ai

MARKDOWN = "# Opening hours\n\nWe open at nine.\n\n# Refunds\n\nA refund takes two weeks."
GONE = "00000000-0000-4000-8000-000000000000"


async def a_rag(api: Api) -> dict[str, Any]:
    rag: dict[str, Any] = (await api.http.post("/v1.0/rags", json={"name": "hotel"})).json()
    return rag


async def upload(api: Api, rag: dict[str, Any], content: bytes, content_type: str, name: str = "guide") -> Any:
    return await api.http.post(
        f"/v1.0/rags/{rag['id']}/documents",
        params={"name": name},
        content=content,
        headers={"Content-Type": content_type},
    )


async def test_a_knowledge_base_lives_and_dies(api: Api) -> None:
    created = await api.http.post("/v1.0/rags", json={"name": "hotel", "detail": "what guests ask"})
    assert created.status_code == 201
    rag = created.json()
    assert rag.keys() == {"id", "customer_id", "name", "detail", "tm_create", "tm_update", "tm_delete"}
    assert await api.ok("GET", f"/v1.0/rags/{rag['id']}") == rag
    replaced = await api.ok("PUT", f"/v1.0/rags/{rag['id']}", json={**rag, "name": "inn"})
    assert replaced["name"] == "inn"
    assert (await api.ok("GET", "/v1.0/rags"))["result"] == [replaced]
    assert (await api.ok("DELETE", f"/v1.0/rags/{rag['id']}"))["tm_delete"] < "9999"
    await api.problem("GET", f"/v1.0/rags/{rag['id']}", 404)
    assert await api.wrong_field("POST", "/v1.0/rags", json={"name": ""}) == "name"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (MARKDOWN.encode(), "text/markdown; charset=utf-8"),
        (MARKDOWN.encode(), "text/plain"),
        (b"<h1>Opening hours</h1>We open at nine.<h1>Refunds</h1><p>A refund takes two weeks.", "text/html"),
        (a_pdf("We open at nine.", "A refund takes two weeks."), "application/pdf"),
    ],
)
async def test_a_document_is_found_once_it_is_there(api: Api, content: bytes, content_type: str) -> None:
    rag = await a_rag(api)
    answer = await upload(api, rag, content, content_type, "guide.x")
    assert answer.status_code == 201
    document = answer.json()
    assert (document["name"], document["content_type"]) == ("guide.x", content_type.partition(";")[0])
    found = await api.ok("POST", f"/v1.0/rags/{rag['id']}/search", json={"query": "How long does a refund take?"})
    assert "two weeks" in found["result"][0]["text"]
    assert found["result"][0]["source"]["document_id"] == document["id"]
    path = f"/v1.0/rags/{rag['id']}/documents"
    assert (await api.ok("GET", path))["result"] == [document]
    assert await api.ok("GET", f"{path}/{document['id']}") == document
    assert await api.ok("DELETE", f"{path}/{document['id']}") == document
    await api.problem("GET", f"{path}/{document['id']}", 404)
    assert (await api.ok("POST", f"/v1.0/rags/{rag['id']}/search", json={"query": "refund"}))["result"] == []


async def test_a_wrong_document_is_refused_and_nothing_is_kept(api: Api) -> None:
    rag = await a_rag(api)
    for content, content_type, field in (
        (b"%PDF-1.4 broken", "application/pdf", "content"),
        (b"", "text/plain", "content"),
        (b"\xff", "text/markdown", "content"),
        (b"x", "image/png", "content_type"),
    ):
        answer = await upload(api, rag, content, content_type)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field
    assert (await upload(api, {"id": GONE}, b"x", "text/plain")).status_code == 404
    assert (await api.ok("GET", f"/v1.0/rags/{rag['id']}/documents"))["result"] == []


async def test_a_document_may_be_larger_than_other_bodies_and_not_endless(api: Api) -> None:
    rag = await a_rag(api)
    assert (await upload(api, rag, b"A line of text.\n\n" * 100_000, "text/plain")).status_code == 201
    assert (await upload(api, rag, b"x" * 20_971_521, "text/plain")).status_code == 413


async def test_an_ai_names_a_knowledge_base_that_is_there(api: Api) -> None:
    rag = await a_rag(api)
    assert await api.wrong_field("POST", "/v1.0/ais", json=an_ai(rag_id=GONE)) == "rag_id"
    ai = await api.new_ai(rag_id=rag["id"])
    problem = await api.problem("DELETE", f"/v1.0/rags/{rag['id']}", 409)
    assert ai["id"] in problem["detail"]
    assert await api.wrong_field("PUT", f"/v1.0/ais/{ai['id']}", json=an_ai(rag_id=GONE)) == "rag_id"


async def test_a_wrong_question_is_named(api: Api) -> None:
    rag = await a_rag(api)
    for body, field in (({"query": ""}, "query"), ({"query": "x", "limit": 0}, "limit"), ({}, "query")):
        assert await api.wrong_field("POST", f"/v1.0/rags/{rag['id']}/search", json=body) == field
    await api.problem("POST", f"/v1.0/rags/{GONE}/search", 404, json={"query": "x"})
