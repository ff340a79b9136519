"""OpenAI accounts, by the vendor's SDK (https://platform.openai.com/docs/api-reference/models/list)."""

from __future__ import annotations

from collections.abc import Mapping

import openai

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
    await openai.AsyncOpenAI(
        api_key=credentials.key.get_secret_value(),
        base_url=credentials.base_url,
        http_client=clients.http(openai),
        max_retries=0,
    ).models.list()
