"""OpenAI accounts, and those of vendors that have OpenAI's list of models, by the vendor's SDK.

Source: https://platform.openai.com/docs/api-reference/models/list
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.accounts.model_list import models_of
from adapters.accounts.offer import Offer
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
    await models_of(credentials, clients)


async def list_models(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the models of the account; arguments and errors as `check`."""
    del options
    return await models_of(credentials, clients)
