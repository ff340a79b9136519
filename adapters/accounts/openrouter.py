"""OpenRouter accounts (https://openrouter.ai/docs/api/api-reference/api-keys/get-current-api-key).

The list of models is open to everybody, so the key is asked for what it is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.accounts.model_list import models_of
from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.llm.openai_client import make_client
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
    await make_client(credentials, clients).get("/key", cast_to=object)


async def list_models(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the models of the account; arguments and errors as `check`."""
    del options
    return await models_of(credentials, clients)
