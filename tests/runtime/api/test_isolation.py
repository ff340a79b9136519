"""Two customers on one server: whatever route there is, neither reaches what the other has."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from runtime.api.auth import CUSTOMERS_PATH
from tests.runtime.api.resources import (
    OWNERLESS,
    REFERENCES,
    SPOKEN,
    STREAMS,
    UNMADE,
    a_team,
    closed_operations,
    document_of,
    make,
    path_parameters,
    query_of,
    request_of,
    tenant,
)
from tests.runtime.serving import Api, an_ai


def texts(value: Any) -> set[str]:
    """Every text in a document."""
    if isinstance(value, dict):
        return set().union(*map(texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(texts, value))
    return {value} if isinstance(value, str) else set()


async def send(api: Api, method: str, path: str, **request: Any) -> httpx.Response:
    return await api.http.request(method, path, **request)


async def test_another_customers_resources_are_not_there(api: Api) -> None:
    document = await document_of(api)
    seen = 0
    async with tenant(api) as owner, tenant(api) as stranger:
        for path, method, operation in closed_operations(document):
            if path.startswith(CUSTOMERS_PATH):
                continue
            made = await make(owner, path, document)
            query = await query_of(owner, operation)
            request = await request_of(owner, operation, document)
            owned = set() if path.startswith(OWNERLESS + UNMADE) else set(made.values())
            owned |= {value for name, value in query.items() if name in REFERENCES} | (
                texts(request.get("json")) & await _ids(owner)
            )
            where = f"{method} {path}"

            answer = await send(stranger, method, path.format(**made), params=query, **request)
            if path in SPOKEN:
                assert "<Hangup" in answer.text, (where, answer.text)
            elif path_parameters(path) and not path.startswith(OWNERLESS):
                assert answer.status_code == 404, (where, answer.text)
            elif answer.is_success:
                # A list without the other's, or a new resource that points to none of them.
                assert not texts(answer.json()) & owned, where
            else:
                assert answer.status_code in {404, 422}, (where, answer.text)

            # And it was there all the time.
            answer = await send(owner, method, path.format(**made), params=query, **request)
            if path_parameters(path) and not path.startswith(OWNERLESS + UNMADE):
                assert answer.status_code not in {401, 403, 404, 405}, (where, answer.text)
            seen += 1
    assert seen >= 20


async def _ids(api: Api) -> set[str]:
    listed = [await api.ok("GET", path) for path in ("/v1.0/ais", "/v1.0/aicalls")]
    return {item["id"] for page in listed for item in page["result"]}


async def test_a_list_holds_ones_own_only(api: Api) -> None:
    document = await document_of(api)
    async with tenant(api) as owner, tenant(api) as stranger:
        for path, method, operation in closed_operations(document):
            required = [it for it in operation.get("parameters", ()) if it["in"] == "query" and it.get("required")]
            if method != "GET" or path_parameters(path) or required or path.startswith(CUSTOMERS_PATH):
                continue
            item = next((it for it, methods in document["paths"].items() if it.startswith(path + "/{")), None)
            if item is None or item.startswith(OWNERLESS):
                continue
            made = await make(owner, item, document)
            assert texts(await owner.ok("GET", path)) & set(made.values()), path
            assert not texts(await stranger.ok("GET", path)) & set(made.values()), path


async def test_a_stream_tells_of_ones_own_only(api: Api) -> None:
    async with tenant(api) as owner, tenant(api) as stranger:
        theirs, (path,) = await owner.new_aicall(), STREAMS
        async with asyncio.timeout(20), stranger.http.stream("GET", path) as stream:
            mine = await stranger.new_aicall()
            lines = stream.aiter_lines()
            # The other's came before, so a stream that told of it would have told of it first.
            first = await anext(line async for line in lines if line.startswith("data: "))
            assert mine["id"] in first
            assert theirs["id"] not in first


async def test_customers_are_the_operators(api: Api) -> None:
    document = await document_of(api)
    operations = [it for it in closed_operations(document) if it[0].startswith(CUSTOMERS_PATH)]
    assert len(operations) >= 9
    async with tenant(api) as stranger:
        for path, method, operation in operations:
            made = await make(api, path, document)
            request = await request_of(api, operation, document)
            problem = await stranger.problem(method, path.format(**made), 403, **request)
            assert problem["detail"] == "the API key lacks the scope admin"


async def test_nobody_refers_to_what_another_has(api: Api) -> None:
    document = await document_of(api)
    async with tenant(api) as owner, tenant(api) as stranger:
        rag, ai = await make(owner, "/v1.0/rags/{id}", document), await make(owner, "/v1.0/ais/{id}", document)
        team = await make(owner, "/v1.0/teams/{id}", document)
        bodies: list[tuple[str, dict[str, Any]]] = [
            ("/v1.0/ais", an_ai(rag_id=rag["id"])),
            ("/v1.0/aicalls", {"assistance_id": ai["id"]}),
            ("/v1.0/aicalls", {"assistance_type": "team", "assistance_id": team["id"]}),
            ("/v1.0/teams", await a_team(owner)),
        ]
        for path, body in bodies:
            await stranger.problem("POST", path, 422, json=body)
            await owner.ok("POST", path, json=body)
