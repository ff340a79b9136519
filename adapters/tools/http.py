"""Carrying out a tool that a customer declared as an HTTP request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import SecretStr

from adapters.tools.exchange import exchange
from models.user_tools import HttpTool

_IN_QUERY = frozenset({"GET", "DELETE"})


async def call_http_tool(
    client: httpx.AsyncClient,
    tool: HttpTool,
    arguments: Mapping[str, Any],
    *,
    headers: Mapping[str, SecretStr],
    idempotency_key: str,
) -> Any:
    """Send the request.

    Args:
        client: Reaches what the tool may reach.
        tool: The tool.
        arguments: What the model gave; in a query, whatever is no text is written as JSON.
        headers: The tool's secret headers.
        idempotency_key: Goes with the request as ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header).

    Returns:
        The answer: parsed JSON, or text, or None.

    Raises:
        ToolFailed: It did not work.
    """
    sent = {"Accept": "application/json, text/*;q=0.9", "Idempotency-Key": idempotency_key}
    body: bytes | None = None
    params: dict[str, str] | None = None
    if tool.method in _IN_QUERY:
        params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in arguments.items()}
    else:
        body = json.dumps(dict(arguments), ensure_ascii=False).encode()
        sent["Content-Type"] = "application/json"
    given = {name: value.get_secret_value() for name, value in headers.items()}
    # A header of the customer's own takes the place of ours, in whatever case it is written.
    own = {name.lower() for name in given}
    merged = {name: value for name, value in sent.items() if name.lower() not in own} | given
    answer = await exchange(
        client, tool.method, tool.url, headers=merged, timeout_s=tool.timeout_s, body=body, params=params
    )
    return answer.content
