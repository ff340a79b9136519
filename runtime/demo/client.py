"""What the demo asks of the server, over HTTP like any orchestrator."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from models.errors import InvalidField, Unavailable


class Api:
    """The server's HTTP API.

    Args:
        base_url: Where it listens.
        api_key: Its key.
    """

    def __init__(self, base_url: str, api_key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url, headers={"Authorization": f"Bearer {api_key}"}, timeout=30.0, trust_env=False
        )

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create something.

        Raises:
            InvalidField: The server names a field that it does not take.
            Unavailable: It refused otherwise, or does not answer.
        """
        return await self._ask("POST", path, json=body)

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read something; errors as in `post`."""
        return await self._ask("GET", path, params=query)

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yield events as they happen, from the first one on (server-sent events), until the server ends the stream.

        Raises:
            Unavailable: The server refused, or broke off.
        """
        try:
            async with self._http.stream("GET", "/v1.0/events/stream", timeout=None) as stream:
                if stream.is_error:
                    raise Unavailable("the server refused the stream of events")
                async for line in stream.aiter_lines():
                    if line.startswith("data:"):
                        yield json.loads(line.removeprefix("data:"))
        except httpx.HTTPError:
            raise Unavailable("the server broke off the stream of events") from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.HTTPError:
            raise Unavailable("the server does not answer") from None
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Unavailable("the server gave no proper answer")
        if answer.is_error:
            for problem in document.get("errors") or ():
                raise InvalidField(problem["field"], problem["message"])
            raise Unavailable("the server refused a request")
        return document
