from __future__ import annotations

from typing import Any

import pytest

from runtime.api.examples import BY_FIELD, BY_SCHEMA, example_of

SCHEMAS: dict[str, Any] = {
    "Colour": {"type": "string", "enum": ["red", "blue"]},
    "Node": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}},
    "Problem": {"type": "object", "properties": {}},
}


@pytest.mark.parametrize(
    ("schema", "name", "example"),
    [
        ({"type": "string"}, "", "text"),
        ({"type": "string"}, "name", BY_FIELD["name"]),
        ({"type": "integer"}, "name", 1),
        ({"type": "integer", "minimum": 7}, "", 7),
        ({"type": "number", "default": 0.5}, "", 0.5),
        ({"type": "integer", "maximum": 20}, "limit", 1),
        ({"type": "integer", "maximum": 200}, "limit", BY_FIELD["limit"]),
        ({"type": "boolean"}, "", False),
        ({"type": "null"}, "", None),
        ({"type": "string", "format": "uuid"}, "", BY_FIELD["id"]),
        ({"type": "string", "enum": ["a", "b"]}, "status", "a"),
        ({"type": "string", "enum": ["a", "progressing"]}, "status", "progressing"),
        ({"const": "x"}, "", "x"),
        ({"type": "string", "examples": ["given"]}, "name", "given"),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, "", 1),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "name", BY_FIELD["name"]),
        ({"type": "array", "items": {"type": "boolean"}}, "", [False]),
        ({"type": "array"}, "", []),
        ({"type": "object"}, "", {}),
        ({"type": "object", "properties": {"detail": {"type": "string"}}}, "", {"detail": BY_FIELD["detail"]}),
        ({"$ref": "#/components/schemas/Colour"}, "", "red"),
        ({"$ref": "#/components/schemas/Problem"}, "", BY_SCHEMA["Problem"]),
        ({}, "", {}),
    ],
)
def test_an_example_fits_its_schema(schema: dict[str, Any], name: str, example: Any) -> None:
    assert example_of(schema, SCHEMAS, name) == example


def test_a_schema_that_holds_itself_has_an_end() -> None:
    example, depth = example_of(SCHEMAS["Node"], SCHEMAS), 0
    while example:
        example, depth = example["next"], depth + 1
    assert 1 <= depth < 20
