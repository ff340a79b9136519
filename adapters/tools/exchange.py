"""One request to a tool of somebody else's: bounded in size, repeated once when the connection was lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from adapters.guard import ForbiddenAddress
from models.errors import ToolFailed

MOST_BYTES = 256_000
"""Largest answer that is read, bytes."""
_MOST_DETAIL_CHARS = 1_000
_CONNECT_TIMEOUT_S = 3.0
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status, 200 to 299.
        content: The parsed JSON; text when it is none; None for an empty body.
    """

    status: int
    content: Any


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
    body: bytes | None = None,
    params: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request and read the answer.

    A request whose connection breaks is sent once more, with the same headers: whoever receives it twice knows it by
    its ``Idempotency-Key``.

    Args:
        client: For the request; follows no redirect.
        method: HTTP method.
        url: Where to.
        headers: All headers that are not the client's own.
        timeout_s: Longest silence of the other side, seconds. The whole is for the caller to bound.
        body: What to send.
        params: Query to add to the URL's.

    Raises:
        ToolFailed: There is no connection, it broke twice, the answer is too large, or its status no success.
    """
    request = client.build_request(
        method,
        httpx.URL(url).copy_merge_params(params) if params else url,
        headers=dict(headers),
        content=body,
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
    )
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            return await _once(client, request)
        except ForbiddenAddress:
            raise ToolFailed("the address of the tool is in a private network") from None
        except httpx.TimeoutException:
            raise ToolFailed("the tool did not answer in time", retryable=True, timed_out=True) from None
        except httpx.HTTPError:
            if last:
                raise ToolFailed("the tool cannot be reached", retryable=True) from None
    raise AssertionError  # the last try returns or raises


async def _once(client: httpx.AsyncClient, request: httpx.Request) -> Answer:
    response = await client.send(request, stream=True)
    try:
        content = bytearray()
        async for part in response.aiter_bytes():
            content += part
            if len(content) > MOST_BYTES:
                raise ToolFailed("the tool's answer is too large")
    finally:
        await response.aclose()
    text = content.decode(response.charset_encoding or "utf-8", errors="replace")
    if not response.is_success:
        raise ToolFailed(
            f"the tool answered with HTTP status {response.status_code}",
            detail=text[:_MOST_DETAIL_CHARS],
            retryable=response.status_code >= 500,
        )
    return Answer(response.status_code, _parsed(text))


def _parsed(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
