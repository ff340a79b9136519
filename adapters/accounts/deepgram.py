"""Deepgram accounts, by the vendor's SDK (https://developers.deepgram.com/reference/manage/projects/list)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import httpx
from deepgram import AsyncDeepgramClient, DeepgramClientEnvironment

from adapters.accounts.urls import http_url
from adapters.clients import SharedClients
from adapters.requests import Credentials


async def check(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> None:
    """Ask whether the key is accepted.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: The key is refused or the vendor cannot be asked; of the SDK's own kinds.
    """
    del options
    rest_url = http_url(credentials.base_url)
    urls = {"base": rest_url, "production": credentials.base_url, "agent": credentials.base_url}
    # Required from deepgram-sdk 7.2 on, unknown before.
    if "agent_rest" in inspect.signature(DeepgramClientEnvironment).parameters:
        urls["agent_rest"] = rest_url
    async with httpx.AsyncClient(verify=clients.ssl_context) as http:
        client = AsyncDeepgramClient(
            api_key=credentials.key.get_secret_value(),
            environment=DeepgramClientEnvironment(**urls),
            httpx_client=http,
        )
        await client.manage.v1.projects.list(request_options={"max_retries": 0})
