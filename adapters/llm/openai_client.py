"""Clients of OpenAI's SDK for every vendor that speaks OpenAI's protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import openai

from adapters.clients import SharedClients
from adapters.llm.dialects import COMPATIBLE, OpenAiDialect
from adapters.requests import Credentials

_NO_KEY = "none"


def make_client(
    credentials: Credentials, clients: SharedClients, dialect: OpenAiDialect = COMPATIBLE, *, retries: int = 0
) -> openai.AsyncOpenAI:
    """Make the SDK's client on the process's HTTP pool; it owns no socket and need not be closed.

    Args:
        credentials: Key and endpoint.
        clients: The process's shared clients.
        dialect: The vendor's.
        retries: How often a request that failed for a passing reason is repeated.
    """
    headers: dict[str, Any] = dict(dialect.headers)
    if not dialect.organization:
        # Else the SDK would show the operator's OpenAI organisation to other vendors.
        headers |= {"OpenAI-Organization": openai.omit, "OpenAI-Project": openai.omit}
    key = credentials.key.get_secret_value()
    if dialect.key_header and key:
        headers[dialect.key_header] = key
    return openai.AsyncOpenAI(
        # Without any, the SDK would take OPENAI_API_KEY, which is not for this vendor.
        api_key=key or _NO_KEY,
        base_url=dialect.endpoint(credentials.base_url),
        default_headers=headers,
        http_client=clients.http(openai),
        max_retries=retries,
    )


def request_headers(credentials: Credentials, dialect: OpenAiDialect = COMPATIBLE) -> Mapping[str, str]:
    """Return the headers that every request needs besides, as the SDK's ``extra_headers``.

    The SDK leaves ``Authorization`` out only where the request says so, and not where the client does.

    Args:
        credentials: Key and endpoint.
        dialect: The vendor's.
    """
    if credentials.key.get_secret_value() and not dialect.key_header:
        return {}
    return cast("Mapping[str, str]", {"Authorization": openai.omit})
