"""Request bodies: JSON as RFC 8259 has it, and nothing that could not be stored and sent back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.api.problem import problem_response

MAX_BODY_BYTES = 1_048_576
MAX_DOCUMENT_BYTES = 20_971_520
"""Largest document that is uploaded."""
MAX_DEPTH = 64
"""Deepest nesting of a body."""


_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
_DOCUMENTS = re.compile(r"/v1\.0/rags/[^/]+/documents")


class StrictRequest(Request):
    """A request whose JSON has no NaN or Infinity, no lone surrogates and no absurd nesting."""

    async def json(self) -> Any:
        """Return the parsed body.

        Raises:
            json.JSONDecodeError: The body is not such a document. FastAPI makes a validation error of it.
        """
        return parse_json(await self.body())


class StrictRoute(APIRoute):
    """A route that reads its body by `StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, given the stricter request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


class BodyLimit:
    """ASGI middleware that refuses too large bodies with 413, announced or not.

    The limit is `MAX_BODY_BYTES`, for documents `MAX_DOCUMENT_BYTES`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = MAX_DOCUMENT_BYTES if _DOCUMENTS.fullmatch(scope["path"]) else MAX_BODY_BYTES
        message_text = f"the body is larger than {limit} bytes"
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            await problem_response(_TOO_LARGE, message_text, scope["path"])(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(_TOO_LARGE, message_text)
            return message

        await self._app(scope, limited, send)


def parse_json(body: bytes) -> Any:
    """Parse a JSON document.

    Raises:
        json.JSONDecodeError: It is not JSON, not UTF-8, nested deeper than `MAX_DEPTH`, or holds a number or a text
            that JSON has no form for.
    """
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        # The error of the parser carries the whole document, secrets included.
        raise json.JSONDecodeError(error.msg, "", error.pos) from None
    except UnicodeDecodeError:
        _refuse("not UTF-8")
    except RecursionError:
        _refuse("nested too deeply")
    except ValueError:
        _refuse("a number is too long")
    _check(document)
    return document


def _check(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                deeper += value.keys()
                deeper += value.values()
            elif isinstance(value, list):
                deeper += value
            elif isinstance(value, str) and not _is_unicode(value):
                _refuse("a text holds half a surrogate pair")
            elif isinstance(value, float) and value in {float("inf"), float("-inf")}:
                _refuse("a number is out of range")
        if not deeper:
            return
        level = deeper
    _refuse("nested too deeply")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not a JSON number")


def _refuse(reason: str) -> NoReturn:
    raise json.JSONDecodeError(reason, "", 0) from None
