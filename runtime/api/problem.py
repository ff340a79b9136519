"""Errors as problem details (RFC 9457), naming the field that is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from models.errors import (
    AicallError,
    Changed,
    Conflict,
    Forbidden,
    InUse,
    InvalidField,
    InvalidFields,
    LimitReached,
    MediaProtocolError,
    NotFound,
    ProviderError,
    Unauthorized,
    Unavailable,
)
from runtime.api.error_bag import as_bag, is_bagged
from runtime.api.paths import operations_at
from runtime.logs import redact

MEDIA_TYPE = "application/problem+json"

_STATUS: Sequence[tuple[type[AicallError], HTTPStatus]] = (
    (InvalidField, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (Unauthorized, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (LimitReached, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (MediaProtocolError, HTTPStatus.BAD_REQUEST),
    (ProviderError, HTTPStatus.BAD_GATEWAY),
)

_MESSAGES = {"missing": "is required", "extra_forbidden": "is not a known field"}
"""Clearer words for pydantic's error types."""

_PLACES = frozenset({"body", "query", "path", "header", "cookie"})


class FieldProblem(BaseModel):
    """One thing that is wrong with one field.

    Attributes:
        field: Dotted path of the field; ``body`` for the document as a whole.
        message: What is wrong with it.
    """

    field: str
    message: str


class Problem(BaseModel):
    """A problem details document (RFC 9457).

    Attributes:
        type: Stable name of the kind of problem, ``urn:aicall:problem:<name>``.
        title: The kind of problem, for people.
        status: The HTTP status.
        detail: What went wrong this time.
        instance: Path of the request.
        errors: The fields that are wrong, if any are.
        provider_error: Which vendor failed, how, and what to do, if one did (`models.errors.ProviderError.public`).
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldProblem] = Field(default_factory=list)
    provider_error: dict[str, Any] | None = None


def problem_response(
    status: int,
    detail: str,
    instance: str,
    *,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
    provider_error: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """Make a problem response.

    Args:
        status: HTTP status, 400 to 599.
        detail: What went wrong. Must hold no secret.
        instance: Path of the request; tokens in it are blotted out.
        errors: The fields that are wrong.
        headers: Further response headers.
        provider_error: Which vendor failed, how, and what to do.
        extra: Further members of the document.
    """
    phrase = HTTPStatus(status).phrase
    problem = Problem(
        type=f"urn:aicall:problem:{phrase.lower().replace(' ', '-')}",
        title=phrase,
        status=status,
        detail=detail,
        instance=redact(instance),
        errors=list(errors),
        provider_error=dict(provider_error) if provider_error else None,
    )
    empty = {name for name, value in (("errors", errors), ("provider_error", provider_error)) if not value}
    document = {**problem.model_dump(mode="json", exclude=empty), **(extra or {})}
    if is_bagged(instance):
        document = as_bag(document)
    return JSONResponse(document, status, headers=headers, media_type=MEDIA_TYPE)


def problem_of(error: AicallError, instance: str) -> JSONResponse:
    """Return the response that an error of the runtime's own tree becomes."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    headers, errors, extra = {}, [], None
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="aicall"'
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if isinstance(error, InvalidField):
        found = error.problems if isinstance(error, InvalidFields) else [(error.field, error.message)]
        errors += [FieldProblem(field=field, message=message) for field, message in found]
    if isinstance(error, InUse):
        extra = {"error": f"Cannot delete {error.kind}", "references": error.references}
    detail = "; ".join(f"{it.field}: {it.message}" for it in errors) or error.message
    provider = error.public() if isinstance(error, ProviderError) else None
    return problem_response(
        status, detail, instance, errors=errors, headers=headers, provider_error=provider, extra=extra
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_exception_handler(AicallError, _on_aicall_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_unexpected_error)


async def _on_aicall_error(request: Request, error: Exception) -> Response:
    if isinstance(error, Changed) and "if-match" in request.headers:
        return problem_response(HTTPStatus.PRECONDITION_FAILED, error.message, request.url.path)
    return problem_of(cast("AicallError", error), request.url.path)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if any(one["type"] == "json_invalid" for one in found):
        status = HTTPStatus.BAD_REQUEST
    errors = [FieldProblem(field=_field(one), message=_message(one)) for one in found]
    detail = "; ".join(f"{one.field}: {one.message}" for one in errors)
    return problem_response(status, detail, request.url.path, errors=errors)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    raised = cast("HTTPException", error)
    headers = dict(raised.headers or {})
    if raised.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    return problem_response(raised.status_code, str(raised.detail), request.url.path, headers=headers)


def _methods(request: Request) -> list[str]:
    """Return every method that the path takes; a route of its own knows but one (RFC 9110 wants all in ``Allow``)."""
    return sorted({method.upper() for methods in operations_at(request) for method in methods})


async def _on_unexpected_error(request: Request, error: Exception) -> Response:
    # The server logs the error itself; its text may quote anything and stays inside.
    del error
    return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "an internal error", request.url.path)


def _field(error: Mapping[str, Any]) -> str:
    named = error.get("ctx", {}).get("field")
    if isinstance(named, str):
        return named
    place, *path = error["loc"]
    if error["type"] == "json_invalid" or not path:
        return str(place)
    return ".".join(map(str, path if place in _PLACES else error["loc"]))


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"is not JSON: {error['ctx']['error']}"
    if error["loc"] == ("body",) and error["type"] not in {"missing", "invalid_field"}:
        return "must be a JSON object, sent as application/json"
    return _MESSAGES.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
