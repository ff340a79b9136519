from __future__ import annotations

from typing import Any

import pytest

from adapters.tools.schemas import argument_problem, checker, meta_problem, shown_schema
from models.user_tools import MOST_SCHEMA_CHARS, schema_problem


def problem(schema: dict[str, Any], arguments: dict[str, Any]) -> str:
    return argument_problem(checker(schema), arguments)


SEATS = {"type": "object", "properties": {"seats": {"type": "integer", "minimum": 1}}, "required": ["seats"]}


@pytest.mark.parametrize(
    ("arguments", "where"),
    [({"seats": 2}, ""), ({}, "arguments: "), ({"seats": 0}, "seats: "), ({"seats": "2"}, "seats: ")],
)
def test_what_is_wrong_is_named(arguments: dict[str, Any], where: str) -> None:
    found = problem(SEATS, arguments)
    assert found.startswith(where)
    assert bool(found) is bool(where)


def test_what_is_wrong_is_told_briefly() -> None:
    assert len(problem(SEATS, {"seats": "x" * 10_000})) == 500


def test_an_expression_that_takes_for_ever_is_not_tried() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    assert problem(schema, {"a": "a" * 40 + "b"}) == ""
    nested = {"type": "object", "patternProperties": {"^(a+)+$": {"type": "integer"}}}
    assert problem(nested, {"a" * 40 + "b": "x"}) == ""


def test_no_reference_is_fetched() -> None:
    # jsonschema's own default would ask for it.
    assert problem({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/s.json"}}}, {"a": 1}) == ""


def test_references_are_put_in_place() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Arguments",
        "type": "object",
        "properties": {
            "place": {"$ref": "#/$defs/Place", "description": "Where."},
            "places": {"type": "array", "items": {"$ref": "#/$defs/Place"}},
        },
        "required": ["place"],
        "$defs": {
            "Place": {"type": "object", "properties": {"town": {"$ref": "#/$defs/a~1b"}}},
            "a/b": {"type": "string"},
        },
    }
    place = {"type": "object", "properties": {"town": {"type": "string"}}}
    shown = shown_schema(schema)
    assert shown == {
        "type": "object",
        "properties": {"place": {**place, "description": "Where."}, "places": {"type": "array", "items": place}},
        "required": ["place"],
    }


def test_a_tool_without_arguments() -> None:
    assert shown_schema({}) == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}},
        {"type": "object", "properties": {"a": {"$ref": "https://example.com/s.json"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
        {"type": "object", "properties": {"a": {"type": "sausage"}}},
        {"type": "object", "properties": {"a": {"description": "x" * MOST_SCHEMA_CHARS}}},
        {"type": "object", "properties": {"a": {"patternProperties": {}}}},
    ],
)
def test_what_no_model_can_be_shown(schema: dict[str, Any]) -> None:
    assert shown_schema(schema) is None


def test_a_schema_that_grows_without_end() -> None:
    definitions: dict[str, Any] = {"L0": {"type": "string"}}
    for level in range(1, 20):
        part = {"$ref": f"#/$defs/L{level - 1}"}
        definitions[f"L{level}"] = {"type": "object", "properties": {"a": part, "b": part}}
    assert shown_schema({"properties": {"a": {"$ref": "#/$defs/L19"}}, "$defs": definitions}) is None


def test_what_is_shown_passes_as_a_tool_of_ones_own() -> None:
    assert schema_problem('{"type": "object", "properties": {"$ref": {"type": "string"}}}') == ""


@pytest.mark.parametrize("part", [{"type": "sausage"}, {"minimum": "1"}, {"enum": 7}, {"required": "a"}])
def test_what_is_no_schema(part: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": part}}
    assert meta_problem(schema).startswith("is no JSON Schema: properties.a.")
    assert meta_problem(SEATS) == ""
    # Arguments are not lost by it.
    assert isinstance(problem(schema, {"a": {}}), str)
