"""Azure OpenAI resources (https://learn.microsoft.com/azure/foundry/openai/latest, ``GET {endpoint}/models``)."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.accounts.model_list import models_of
from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.llm.dialects import DIALECTS
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
    await models_of(credentials, clients, DIALECTS["azure"])


async def list_models(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the models that the resource could deploy; arguments and errors as `check`.

    An AI names a deployment, which has a name of its own, usually the model's.
    """
    del options
    return await models_of(credentials, clients, DIALECTS["azure"])
