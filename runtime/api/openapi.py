"""What every operation of the OpenAPI document says beside its own: problems, scopes, conditions, examples.

FastAPI describes each route; what middleware does to all of them is added here, so that a new route cannot lack it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.api.auth import OPEN_PATHS, scopes_for
from runtime.api.conditional import CHANGING
from runtime.api.error_bag import ErrorBag, is_bagged
from runtime.api.examples import BY_SCHEMA, example_of
from runtime.api.problem import MEDIA_TYPE, Problem

_CLOSED = ("/v1.0/", "/api/")


def problem(description: str) -> dict[str, Any]:
    """Describe a response that is a problem document."""
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: problem("The API key is missing or wrong."),
    403: problem("The API key lacks a scope; `detail` names it."),
    404: problem("There is no such resource."),
    409: problem("The resource is in a state that forbids this."),
    422: problem("A field is wrong; `errors` names it."),
    429: problem("The customer has as many calls as it may have; try again."),
    502: problem("A vendor that was asked refused or did not answer."),
    503: problem("Draining, or the store does not answer; try again."),
}
"""What any route may answer."""

_BODY_PROBLEMS = {
    "400": problem("The body is not JSON."),
    "413": problem("The body is too large."),
}


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method (in capitals) and operation of everything that the document describes."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to the document what holds for every operation, and examples. Changes and returns it."""
    schemas = document["components"]["schemas"]
    told = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update({**told.pop("$defs", {}), "Problem": told, "ErrorBag": ErrorBag.model_json_schema()})
    for path, method, operation in operations(document):
        if path.startswith(_CLOSED):
            _add_scope(path, method, operation)
            _add_conditions(method, operation, readable="get" in document["paths"][path])
        elif path in OPEN_PATHS:
            operation["responses"].setdefault("405", problem("No other method; `Allow` names those that there are."))
        if "requestBody" in operation:
            operation["responses"].update({**_BODY_PROBLEMS, **operation["responses"]})
        if is_bagged(path):
            _tell_bags(operation)
        _add_examples(operation, schemas)
    for name, schema in schemas.items():
        if "enum" not in schema:
            schema.setdefault("examples", [BY_SCHEMA.get(name) or example_of(schema, schemas)])
    return document


def _tell_bags(operation: dict[str, Any]) -> None:
    """Name the other schema of problems. The responses are shared with other operations, so they are copied."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ErrorBag"}}}
    operation["responses"] = {
        status: {**response, "content": content} if MEDIA_TYPE in response.get("content", {}) else response
        for status, response in operation["responses"].items()
    }


def _add_scope(path: str, method: str, operation: dict[str, Any]) -> None:
    scopes = " or ".join(f"`{scope}`" for scope in scopes_for(method, path))
    operation["description"] = f"{operation.get('description', '')}\n\nScope: {scopes}.".strip()


def _add_conditions(method: str, operation: dict[str, Any], *, readable: bool) -> None:
    success = operation["responses"].get("200", {})
    if method == "GET" and "application/json" in success.get("content", {}):
        success["headers"] = {
            **success.get("headers", {}),
            "ETag": {"description": "Strong entity tag of this answer.", "schema": {"type": "string"}},
        }
        operation["responses"]["304"] = {"description": "It is still the one that `If-None-Match` names."}
        _add_header(operation, "If-None-Match", "Entity tags of the answers that the client has.")
    elif method in CHANGING and readable:
        operation["responses"]["412"] = problem("The resource is not the one that `If-Match` names; read it again.")
        _add_header(operation, "If-Match", "Entity tag of the representation to change; another one is left alone.")


def _add_header(operation: dict[str, Any], name: str, description: str) -> None:
    schema = {"type": "string", "examples": ['"rL0Y20zC-Fzt72VPzMSk2A8kcHo1"']}
    parameter = {"name": name, "in": "header", "required": False, "description": description, "schema": schema}
    operation.setdefault("parameters", []).append(parameter)


def _add_examples(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        if not {"example", "examples"} & parameter.keys():
            parameter["example"] = example_of(parameter["schema"], schemas, parameter["name"])
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        for media_type, content in body.get("content", {}).items():
            if "json" in media_type and not {"example", "examples"} & content.keys():
                content["example"] = example_of(content.get("schema", {}), schemas)
