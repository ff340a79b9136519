"""The bearer key in front of every HTTP route that is not on the short open list."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import Unauthorized
from models.ids import DEFAULT_CUSTOMER_ID
from runtime.api.problem import problem_of
from runtime.services import Services

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})
"""Answered without a key. ``/metrics`` holds numbers only; a proxy keeps it inside (``deploy/nginx.conf``)."""

declared_bearer = HTTPBearer(auto_error=False, description="The API key of this server.")
"""Names the scheme in the OpenAPI document; `BearerAuth` is what checks it."""


class BearerAuth:
    """ASGI middleware that lets in what carries the key, and sets ``request.state.customer_id``.

    It stands in front of routing, so that a route cannot be added unprotected and nobody without the key learns which
    routes or resources exist. WebSockets pass: media sockets authenticate by their own token.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._key_sha256 = _digest(services.api_key.get_secret_value())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(_digest(key.strip()), self._key_sha256):
                refusal = problem_of(Unauthorized("the API key is missing or wrong"), scope["path"])
                await refusal(scope, receive, send)
                return
            scope.setdefault("state", {})["customer_id"] = DEFAULT_CUSTOMER_ID
        await self._app(scope, receive, send)


def _digest(key: str) -> bytes:
    # Digests are of one length, so that comparing them shows nothing of the key's.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _customer_of(request: Request) -> UUID:
    return cast("UUID", request.state.customer_id)


CustomerId = Annotated[UUID, Depends(_customer_of)]
"""A route parameter that receives whose key was shown."""
