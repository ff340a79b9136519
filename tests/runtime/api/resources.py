"""Resources of every kind, for tests that walk through all routes of the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx

from runtime.api.openapi import operations
from tests.runtime.serving import Api, an_ai

ALL_SCOPES = ("read", "write", "calls")

CLOSED = ("/v1.0/", "/api/")
STREAMS = frozenset({"/v1.0/events/stream"})
"""Paths that are answered for ever."""
ANSWERS = "/v1.0/answer/"
"""Beginning of the paths that carriers ask: they have no key, and their queries are their own (test_answers.py)."""

Made = dict[str, str]
"""Path parameters of one resource."""


@asynccontextmanager
async def tenant(api: Api, *scopes: str, **fields: Any) -> AsyncIterator[Api]:
    """A new customer of the server, with a client that carries a key of its own."""
    customer = await api.ok("POST", "/v1.0/customers", json={"name": "tenant", **fields})
    body = {"scopes": list(scopes or ALL_SCOPES)}
    key = (await api.ok("POST", f"/v1.0/customers/{customer['id']}/api_keys", json=body))["key"]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=20, trust_env=False) as http:
        yield replace(api, http=http)


async def document_of(api: Api) -> dict[str, Any]:
    document: dict[str, Any] = (await api.http.get("/openapi.json")).json()
    return document


def closed_operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation that wants a key and answers once."""
    closed = [it for it in operations(document) if it[0].startswith(CLOSED) and not it[0].startswith(ANSWERS)]
    return [it for it in closed if it[0] not in STREAMS]


def path_parameters(path: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", path)


async def _ai(api: Api) -> Made:
    return {"id": (await api.new_ai())["id"]}


async def _aicall(api: Api) -> Made:
    return {"id": (await api.new_aicall())["id"]}


async def a_team(api: Api) -> dict[str, Any]:
    """A body for ``POST /v1.0/teams`` that names AIs which are there."""
    member = {"id": "11111111-1111-4111-8111-111111111111", "name": "desk", "ai_id": (await api.new_ai())["id"]}
    return {"name": "team", "start_member_id": member["id"], "members": [member]}


async def _team(api: Api) -> Made:
    return {"id": (await api.ok("POST", "/v1.0/teams", json=await a_team(api)))["id"]}


async def _provider(api: Api) -> Made:
    return {"name": "espeak"}


async def _assistant(api: Api) -> Made:
    # Its id is a small number, which stands in many documents; its name is in none but its own.
    name = str(uuid4())
    body = {"name": name, "provider": "retell", "configuration": {"phone_number": "+14155551234"}}
    return {"id": str((await api.ok("POST", "/api/v1/ai-assistants", json=body))["data"]["id"]), "name": name}


async def _assistant_provider(api: Api) -> Made:
    return {"key": "retell"}


async def _assistant_protocol(api: Api) -> Made:
    return {"protocol": "sip"}


async def _no_dead_letter(api: Api) -> Made:
    return {"event_id": "1"}


MAKERS: dict[str, Callable[[Api], Awaitable[Made]]] = {
    "/v1.0/ais/{id}": _ai,
    "/v1.0/aicalls/{id}": _aicall,
    "/v1.0/teams/{id}": _team,
    "/v1.0/ai-teams/{id}": _team,
    "/v1.0/providers/{name}": _provider,
    "/api/v1/ai-assistants/{id}": _assistant,
    "/api/v1/ai-assistant/providers/{key}": _assistant_provider,
    "/api/v1/ai-assistant/providers/protocol/{protocol}": _assistant_protocol,
    "/v1.0/webhooks/{id}/dead_letters/{event_id}": _no_dead_letter,
}
"""How a resource is made, by the beginning of its paths. Any other one is made by posting its own example."""

UNMADE = ("/v1.0/webhooks/{id}/dead_letters/{event_id}",)
"""Paths whose last parameter names what no request can make; what it stands in is made."""

SPOKEN = ("/api/v1/ai-assistants/{id}/cxml",)
"""Paths that tell a phone system in words, with status 200, that there is no such resource."""

OWNERLESS = ("/v1.0/providers/{name}", "/api/v1/ai-assistant/providers/")
"""Paths whose parameters name nothing of a customer's."""


async def make(api: Api, path: str, document: dict[str, Any]) -> Made:
    """Make the resources that a path's parameters name, as the customer of `api`."""
    made: Made = {}
    prefix = ""
    for part in re.split(r"(?<=\})", path):
        names = path_parameters(part)
        if not names:
            break
        collection, prefix = (prefix + part).rpartition("/")[0], prefix + part
        if prefix in MAKERS:
            made |= await MAKERS[prefix](api)
            continue
        posting = document["paths"].get(collection, {}).get("post")
        assert posting, f"say in MAKERS how {prefix} is made"
        request = await request_of(api, posting, document)
        created = await api.ok("POST", collection.format(**made), params=await query_of(api, posting), **request)
        made[names[0]] = str(created.get("data", created)["id"])
    return made


async def request_of(api: Api, operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The example of an operation's body, its references pointing to resources of the customer of `api`."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        return {"json": await _pointing(api, content["application/json"]["example"])}
    if content:
        media_type, body = next(iter(content.items()))
        return {"content": str(body.get("example", "text")), "headers": {"Content-Type": media_type}}
    return {}


REFERENCES = {"assistance_id": "/v1.0/ais/{id}", "ai_id": "/v1.0/ais/{id}", "aicall_id": "/v1.0/aicalls/{id}"}
"""Fields and query parameters that name another resource, and the paths of those."""


async def _pointing(api: Api, body: Any) -> Any:
    if isinstance(body, dict) and {"members", "start_member_id"} <= body.keys():
        return await a_team(api)
    if isinstance(body, dict) and {"engine_model", "init_prompt"} <= body.keys():
        return an_ai()
    if not isinstance(body, dict):
        return body
    pointing = {**body}
    for field in REFERENCES.keys() & body.keys():
        pointing[field] = (await MAKERS[REFERENCES[field]](api))["id"]
    return pointing


async def query_of(api: Api, operation: dict[str, Any]) -> dict[str, str]:
    """What an operation's query must have, and what in it names a resource: one of the customer of `api`."""
    parameters = [it for it in operation.get("parameters", ()) if it["in"] == "query"]
    query = {it["name"]: str(it["example"]) for it in parameters if it.get("required")}
    names = [it["name"] for it in parameters if it["name"] in REFERENCES]
    return query | {name: (await MAKERS[REFERENCES[name]](api))["id"] for name in names}
