"""JSON Schemas of tools that others wrote: made fit for a model, and arguments checked against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry

from models.user_tools import schema_problem

_MOST_PARTS = 2_000
_KEPT = ("type", "properties", "required", "additionalProperties")
_NOWHERE: Registry[Any] = Registry()
"""Knows no schema and fetches none: jsonschema's own default would ask the network for a ``$ref``."""

_Checker: type[Validator] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    # An expression that somebody else wrote can take for ever on text that somebody else chose, and would hold up
    # every call of the process. The tool's own side checks it.
    {"pattern": lambda *_: None, "patternProperties": lambda *_: None},
)


def checker(schema: Mapping[str, Any]) -> Validator:
    """Return what checks a tool's arguments: everything but regular expressions. Touches no network."""
    return _Checker(dict(schema), registry=_NOWHERE)


def argument_problem(check: Validator, arguments: Mapping[str, Any]) -> str:
    """Say what is wrong with a tool's arguments.

    Returns:
        ``where: what``, for the model; '' when nothing is.
    """
    try:
        errors = sorted(check.iter_errors(dict(arguments)), key=lambda error: list(map(str, error.path)))
    except Exception:  # noqa: BLE001 - a schema that is none breaks in many ways
        # Nothing is known of the arguments then: the tool's own side knows better.
        return ""
    if not errors:
        return ""
    where = ".".join(map(str, errors[0].path)) or "arguments"
    return f"{where}: {errors[0].message}"[:500]


def shown_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema as a model can be shown it: an object without references. Not for the event loop.

    Args:
        schema: As an MCP server sent it. What it refers to within itself is put in its place.

    Returns:
        The schema; None when it is none, is too large, or refers to itself or to elsewhere.
    """
    try:
        inlined = _Inliner(schema).inlined()
    except (LookupError, RecursionError):
        return None
    shown = {key: inlined[key] for key in _KEPT if key in inlined}
    shown.setdefault("type", "object")
    shown.setdefault("properties", {})
    text = json.dumps(shown, sort_keys=True)
    return None if schema_problem(text) or meta_problem(shown) else shown


def meta_problem(schema: Mapping[str, Any]) -> str:
    """Say why something is no JSON Schema. Takes up to 20 ms: not for the event loop.

    It is compared with draft 7, in which every keyword that vendors take means what it means today; the present
    draft's own description takes four times as long.

    Returns:
        What is wrong; '' when nothing is.
    """
    try:
        Draft7Validator.check_schema(dict(schema))
    except SchemaError as error:
        where = ".".join(map(str, error.absolute_path)) or "it"
        return f"is no JSON Schema: {where}: {error.message}"[:300]
    return ""


class _Inliner:
    """Puts what a schema refers to in the place of the reference."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._parts = 0

    def inlined(self) -> dict[str, Any]:
        """Return the schema without references.

        Raises:
            LookupError: It refers to itself or to elsewhere, or grows too large.
        """
        result = self._of(
            {key: value for key, value in self._schema.items() if key not in ("$defs", "definitions")}, ()
        )
        if not isinstance(result, dict):
            raise LookupError
        return result

    def _of(self, part: Any, within: tuple[str, ...]) -> Any:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise LookupError
        if isinstance(part, list):
            return [self._of(it, within) for it in part]
        if not isinstance(part, dict):
            return part
        reference = part.get("$ref")
        if not isinstance(reference, str):
            return {key: self._of(value, within) for key, value in part.items()}
        if reference in within:
            raise LookupError
        beside = {key: value for key, value in part.items() if key != "$ref"}
        target = self._of(self._target(reference), (*within, reference))
        return {**target, **self._of(beside, within)} if isinstance(target, dict) else target

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise LookupError
        target: Any = self._schema
        for step in reference.removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return target
