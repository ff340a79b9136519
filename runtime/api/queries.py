"""Query parameters: one that no route knows is refused, so that a misspelt filter never lists everything."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from runtime.api.paths import operations_at


def refuse_unknown_query(request: Request) -> None:
    """Do nothing while every query parameter is one that the OpenAPI document names for this route.

    Raises:
        RequestValidationError: One is not; it names them all.
    """
    if not request.query_params:
        return
    known = _known(request)
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": ("query", name), "msg": "", "input": None} for name in unknown]
        )


def _known(request: Request) -> set[str]:
    method = request.method.lower()
    operation: dict[str, Any] = next((methods[method] for methods in operations_at(request) if method in methods), {})
    return {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
