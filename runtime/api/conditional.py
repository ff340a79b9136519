"""Conditional requests (RFC 9110, section 13): ``ETag`` on every JSON answer to a GET, ``If-None-Match``, ``If-Match``.

The tag is a hash of the answer's bytes, so it is a strong one, and no resource has to keep a version of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.timestamps import parse_timestamp
from runtime.api.paths import operations_at
from runtime.api.problem import problem_response

CHANGING = frozenset({"PUT", "PATCH", "DELETE"})
"""Methods that honour ``If-Match``."""

_PREFIXES = ("/v1.0/", "/api/")
_JSON = "application/json"
_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def entity_tag(body: bytes) -> str:
    """Return the strong entity tag of a representation, in its quotes."""
    return '"' + base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:18]).decode("ascii") + '"'


def matches(field: str, tag: str, *, weakly: bool) -> bool:
    """Say whether a list of entity tags names this one.

    Args:
        field: Value of ``If-Match`` or ``If-None-Match``: ``*`` or tags.
        tag: The strong tag of the representation that is there.
        weakly: Whether a weak tag in the list counts too (``If-None-Match``).
    """
    if field.strip() == "*":
        return True
    named = [found.group() for found in _TAG.finditer(field)]
    return tag in ([name.removeprefix("W/") for name in named] if weakly else named)


class ConditionalRequests:
    """ASGI middleware that tags what is read, and refuses to change what is no longer what the client saw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIXES):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] == "GET":
            await self._app(scope, receive, _Tagged(send, headers.get("if-none-match")))
            return
        wanted = headers.get("if-match")
        if wanted is not None and scope["method"] in CHANGING and _is_taken(scope):
            present = await self._present(scope)
            # What is not there, or cannot be read, is for the route itself to refuse.
            if present is not None:
                if not matches(wanted, entity_tag(present), weakly=False):
                    await _refuse(scope, receive, send)
                    return
                scope.setdefault("state", {})["unchanged_since"] = _tm_update(present)
        await self._app(scope, receive, send)

    async def _present(self, scope: Scope) -> bytes | None:
        """Return what a GET would be answered with, or None when that is no JSON."""
        kept = [(name, value) for name, value in scope["headers"] if not name.startswith((b"if-", b"content-"))]
        asked = {
            **scope,
            "method": "GET",
            "query_string": b"",
            "headers": kept,
            "state": dict(scope.get("state", {})),
        }
        answer: list[Message] = []

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def take(message: Message) -> None:
            answer.append(message)

        await self._app(asked, nothing, take)
        if not _is_document(answer[0]):
            return None
        return b"".join(message.get("body", b"") for message in answer[1:])


class _Tagged:
    """A ``send`` that holds a JSON answer back until its tag is known; everything else passes."""

    def __init__(self, send: Send, known: str | None) -> None:
        self._send = send
        self._known = known
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_document(message):
            self._start = message
            return
        if self._start is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body, tag = bytes(self._body), entity_tag(bytes(self._body))
        headers = MutableHeaders(raw=list(self._start["headers"]))
        headers["etag"] = tag
        status = self._start["status"]
        if self._known is not None and matches(self._known, tag, weakly=True):
            status, body = HTTPStatus.NOT_MODIFIED.value, b""
            del headers["content-type"]
            del headers["content-length"]
        await self._send({**self._start, "status": status, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def _is_taken(scope: Scope) -> bool:
    """Say whether the path takes the method; whoever asks for another is told which there are, not a condition."""
    return any(scope["method"].lower() in methods for methods in operations_at(Request(scope)))


def _is_document(start: Message) -> bool:
    kind = Headers(raw=start["headers"]).get("content-type", "")
    return start["status"] == HTTPStatus.OK and kind.partition(";")[0].strip() == _JSON


def _tm_update(document: bytes) -> datetime | None:
    fields = json.loads(document)
    if isinstance(fields, dict) and isinstance(fields.get("data"), dict):
        fields = {"tm_update": fields["data"].get("updated_at")}
    value = fields.get("tm_update") if isinstance(fields, dict) else None
    return None if value is None else parse_timestamp(value)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    detail = "the resource is not the one that If-Match names; read it again"
    await problem_response(HTTPStatus.PRECONDITION_FAILED, detail, scope["path"])(scope, receive, send)


def _unchanged_since(request: Request) -> Callable[[datetime], datetime]:
    since: Any = getattr(request.state, "unchanged_since", None)
    return lambda stored: cast("datetime", since or stored)


UnchangedSince = Annotated[Callable[[datetime], datetime], Depends(_unchanged_since)]
"""A route parameter that takes the ``tm_update`` of what was just read, and returns the one that must still be stored
when it is replaced: that of the representation which ``If-Match`` named, where it named one."""
