"""The bearer key in front of every HTTP route that is not on the short open list, and what each route asks of it."""

from __future__ import annotations

import re
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.callcontrol.documents import PATH as DOCUMENTS_PATH
from models.customer import Scope as KeyScope
from models.errors import AicallError, Forbidden, Unauthorized
from runtime.api.key_ring import Holder, KeyRing
from runtime.api.problem import problem_of
from runtime.services import Services

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})
"""Answered without a key. ``/metrics`` holds numbers only; a proxy keeps it inside (``deploy/nginx.conf``)."""

OPEN_FOLDERS = (f"{DOCUMENTS_PATH}/",)
"""Beginnings of further paths that are answered without a key: what follows is the permission."""

CUSTOMERS_PATH = "/v1.0/customers"

CALLS_PATHS = ("/v1.0/aicalls", "/v1.0/aimessages", "/v1.0/events")
"""What the scope ``calls`` opens."""

ANSWER_PATH = "/v1.0/answer"
"""Asked by carriers, which have no key: the route itself checks what they have instead. A key opens it too."""

CXML_PATH = re.compile(r"/api/v1/ai-assistants/[^/]+/cxml")
"""Asked by phone systems, which may show their key in ``X-Cx-Apikey``. It begins calls and holds their secrets."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

declared_bearer = HTTPBearer(auto_error=False, description="An API key: the server's own, or one of a customer.")
"""Names the scheme in the OpenAPI document; `BearerAuth` is what checks it."""


def scopes_for(method: str, path: str) -> tuple[KeyScope, ...]:
    """Return the scopes of which a key must have one, the usual one first."""
    if _within(path, CUSTOMERS_PATH):
        return (KeyScope.ADMIN,)
    if _within(path, ANSWER_PATH) or CXML_PATH.fullmatch(path):
        return (KeyScope.CALLS, KeyScope.ADMIN)
    of_calls = any(_within(path, prefix) for prefix in CALLS_PATHS)
    if method in _READING:
        return (KeyScope.READ, KeyScope.CALLS, KeyScope.ADMIN) if of_calls else (KeyScope.READ, KeyScope.ADMIN)
    return (KeyScope.CALLS if of_calls else KeyScope.WRITE, KeyScope.ADMIN)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


class BearerAuth:
    """ASGI middleware that lets in what carries a key, and sets ``request.state.customer_id``.

    It stands in front of routing, so that a route cannot be added unprotected and nobody without the key learns which
    routes or resources exist. WebSockets pass: media sockets authenticate by their own token.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._keys = KeyRing(services.api_key.get_secret_value(), services.store, now=services.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and not _is_open(scope["path"]):
            try:
                holder = await self._holder(scope)
                _check_scopes(holder, scope["method"], scope["path"])
            except AicallError as error:
                if isinstance(error, Unauthorized) and _within(scope["path"], ANSWER_PATH):
                    await self._app(scope, receive, send)
                else:
                    await problem_of(error, scope["path"])(scope, receive, send)
                return
            scope.setdefault("state", {}).update(customer_id=holder.customer_id, api_key_id=holder.key_id)
        await self._app(scope, receive, send)

    async def _holder(self, scope: Scope) -> Holder:
        headers = Headers(scope=scope)
        credentials = headers.get("authorization", "")
        if not credentials and CXML_PATH.fullmatch(scope["path"]):
            credentials = f"Bearer {headers.get('x-cx-apikey', '')}"
        scheme, _, key = credentials.partition(" ")
        holder = await self._keys.holder(key.strip()) if scheme.lower() == "bearer" else None
        if holder is None:
            raise Unauthorized("the API key is missing or wrong")
        return holder


def _check_scopes(holder: Holder, method: str, path: str) -> None:
    needed = scopes_for(method, path)
    if not holder.scopes.intersection(needed):
        raise Forbidden(f"the API key lacks the scope {needed[0]}")


def _customer_of(request: Request) -> UUID:
    return cast("UUID", request.state.customer_id)


CustomerId = Annotated[UUID, Depends(_customer_of)]
"""A route parameter that receives whose key was shown."""


def _key_of(request: Request) -> UUID | None:
    return cast("UUID | None", request.state.api_key_id)


ApiKeyId = Annotated[UUID | None, Depends(_key_of)]
"""A route parameter that receives which key was shown; None for the operator's."""
