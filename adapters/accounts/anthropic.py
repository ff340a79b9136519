"""Anthropic accounts, by the vendor's SDK (https://docs.anthropic.com/en/api/models-list)."""

from __future__ import annotations

from collections.abc import Mapping

import anthropic

from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.requests import Credentials

_PAGE = 1000


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
    await _client(credentials, clients).models.list(limit=1)


async def list_models(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the models of the account; arguments and errors as `check`."""
    del options
    page = await _client(credentials, clients).models.list(limit=_PAGE)
    return [Offer(model.id, model.display_name) for model in page.data]


def _client(credentials: Credentials, clients: SharedClients) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(
        api_key=credentials.key.get_secret_value(),
        base_url=credentials.base_url,
        http_client=clients.http(anthropic),
        max_retries=0,
    )
