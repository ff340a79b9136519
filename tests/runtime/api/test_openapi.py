"""The OpenAPI document says of every route what it takes, answers, wants and refuses, with examples that are right."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from models.ai import Ai
from models.aicall import Aicall
from models.assistant import AiAssistant
from models.customer import ApiKey, Customer
from models.message import Message
from runtime.api.auth import OPEN_PATHS
from runtime.api.conditional import CHANGING
from runtime.api.openapi import operations
from tests.models.seeds import AI_FIELDS, AICALL_001
from tests.runtime.api.resources import CLOSED, SPOKEN, STREAMS, document_of
from tests.runtime.serving import Api


def contents(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every body of an operation, request and responses, with its media type."""
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    return [content for body in bodies for content in body.get("content", {}).items()]


async def test_every_schema_and_body_has_an_example_that_fits(api: Api) -> None:
    document = await document_of(api)

    def check(schema: dict[str, Any], example: Any, where: str) -> None:
        validator = Draft202012Validator({**schema, "components": document["components"]})
        assert [error.message for error in validator.iter_errors(example)] == [], where

    schemas = document["components"]["schemas"]
    assert len(schemas) >= 15
    for name, schema in schemas.items():
        if "enum" in schema:
            continue
        Draft202012Validator.check_schema(schema)
        for example in schema["examples"]:
            check({"$ref": f"#/components/schemas/{name}"}, example, name)
    for path, method, operation in operations(document):
        for media_type, content in contents(operation):
            if "json" in media_type:
                assert content.get("schema"), f"{method} {path} says nothing of its body"
                check(content["schema"], content["example"], f"{method} {path}")
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (path, parameter["name"])
            example = parameter.get("example", parameter["schema"].get("examples", [None])[0])
            check(parameter["schema"], example, f"{method} {path} {parameter['name']}")


async def test_every_route_says_what_middleware_does(api: Api) -> None:
    document = await document_of(api)
    for path, method, operation in operations(document):
        responses, where = operation["responses"], (method, path)
        if not path.startswith(CLOSED):
            assert path in OPEN_PATHS, where
            continue
        assert operation["security"] == [{"HTTPBearer": []}], where
        assert "Scope: `" in operation["description"], where
        assert {"401", "403", "404", "422", "503"} <= responses.keys(), where
        assert ("requestBody" in operation) is ({"400", "413"} <= responses.keys()), where
        headers = {it["name"] for it in operation.get("parameters", ()) if it["in"] == "header"}
        tagged = method == "GET" and path not in (*STREAMS, *SPOKEN)
        assert ("304" in responses, "If-None-Match" in headers) == (tagged, tagged), where
        guarded = method in CHANGING and "get" in document["paths"][path]
        assert ("412" in responses, "If-Match" in headers) == (guarded, guarded), where
        if tagged:
            assert "ETag" in responses["200"]["headers"], where


async def test_documents_have_the_seeds_fields(api: Api) -> None:
    schemas = (await document_of(api))["components"]["schemas"]
    fields = {name: set(schema.get("properties", {})) for name, schema in schemas.items()}
    assert fields["Ai"] == set(Ai.model_fields) - {"secrets"}
    assert fields["Ai"] >= set(AI_FIELDS) - {"engine_key"}
    assert fields["AiWrite"] >= set(AI_FIELDS) - {"id", "customer_id", "tm_create", "tm_update", "tm_delete"}
    assert fields["Aicall"] == set(Aicall.model_fields) >= set(AICALL_001)
    assert fields["CreatedAicall"] == fields["Aicall"] | {"media_url", "audiosocket_uuid"}
    assert fields["AiAssistant"] == set(AiAssistant.model_fields) - {"secrets", "media_id"} | {"configuration_secrets"}
    for model in (Message, Customer, ApiKey):
        assert fields[model.__name__] == set(model.model_fields)
