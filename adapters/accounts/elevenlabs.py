"""ElevenLabs accounts, by the vendor's SDK (https://elevenlabs.io/docs/api-reference/user/get)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core.api_error import ApiError

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
    async with httpx.AsyncClient(verify=clients.ssl_context) as http:
        client = AsyncElevenLabs(
            api_key=credentials.key.get_secret_value(), base_url=http_url(credentials.base_url), httpx_client=http
        )
        try:
            await client.user.get(request_options={"max_retries": 0})
        except ApiError as error:
            # A key that is restricted to speech is good, though it does not show the account.
            if _status(error.body) != "missing_permissions":
                raise


def _status(body: Any) -> str:
    detail = body.get("detail") if isinstance(body, dict) else None
    return str(detail.get("status", "")) if isinstance(detail, dict) else ""
