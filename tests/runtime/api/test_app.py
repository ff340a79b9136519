from __future__ import annotations

import json
import re

from tests.runtime.serving import Api

PATHS = {
    "/v1.0/ais": {"get", "post"},
    "/v1.0/ais/{id}": {"get", "put", "delete"},
    "/v1.0/ais/{id}/media_token": {"post"},
    "/v1.0/aicalls": {"get", "post"},
    "/v1.0/aicalls/{id}": {"get", "delete"},
    "/v1.0/aicalls/{id}/terminate": {"post"},
    "/v1.0/aimessages": {"get"},
    "/v1.0/customers": {"get", "post"},
    "/v1.0/customers/{id}": {"get", "put", "delete"},
    "/v1.0/customers/{id}/api_keys": {"get", "post"},
    "/v1.0/customers/{id}/api_keys/{key_id}": {"get", "delete"},
    "/v1.0/events": {"get"},
    "/v1.0/events/stream": {"get"},
    "/v1.0/providers": {"get"},
    "/v1.0/providers/{name}/voices": {"get"},
    "/v1.0/providers/{name}/models": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
}


def references(document: object) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))


async def test_the_openapi_document_names_every_route(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    described = {path: set(methods) for path, methods in document["paths"].items()}
    assert {path: described.get(path, set()) & methods for path, methods in PATHS.items()} == PATHS
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            if path.startswith("/v1.0/"):
                assert operation["security"] == [{"HTTPBearer": []}]
                problems = operation["responses"]["422"]["content"]
                assert list(problems) == ["application/problem+json"]
    assert references(document) <= document["components"]["schemas"].keys()
    assert {"Problem", "FieldProblem"} <= references(document)


async def test_only_the_body_of_an_ai_has_keys(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    schemas = {name: document["components"]["schemas"][name] for name in references(document)}
    assert {name for name, schema in schemas.items() if "engine_key" in schema.get("properties", {})} == {"AiWrite"}


async def test_media_sockets_are_served_on_the_same_port(api: Api) -> None:
    # Without the upgrade there is nothing to see; the socket itself is tested with the calls.
    await api.problem("GET", "/ws/0/0", 404)
