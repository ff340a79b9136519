"""Vendors whose list of models is OpenAI's in form and open to everybody, so that it says nothing about a key.

Sources: https://docs.api.nvidia.com/nim/reference, https://docs.perplexity.ai/api-reference/models-get,
https://docs.sambanova.ai/docs/api-reference/endpoints/models
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.accounts.model_list import models_of
from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.requests import Credentials


async def list_models(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the vendor's models.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: The vendor cannot be asked; of the SDK's own kinds.
    """
    del options
    return await models_of(credentials, clients)
