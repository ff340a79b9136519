"""Gemini accounts, by the vendor's SDK (https://ai.google.dev/api/models)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google import genai

from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.llm.gemini import http_options
from adapters.requests import Credentials

_PAGE = 1000
_METHOD = "generateContent"


async def check(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> None:
    """Ask whether the key is accepted, by one model of the list.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: The key is refused or the vendor cannot be asked; of the SDK's own kinds.
    """
    del options
    await _models(credentials, clients).list(config={"page_size": 1})


async def list_models(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the models that answer; arguments and errors as `check`."""
    del options
    pages = await _models(credentials, clients).list(config={"page_size": _PAGE})
    return [
        Offer(model.name.removeprefix("models/"), model.display_name or "")
        async for model in pages
        if model.name and _METHOD in (model.supported_actions or [])
    ]


def _models(credentials: Credentials, clients: SharedClients) -> Any:
    key = credentials.key.get_secret_value()
    return genai.Client(api_key=key, http_options=http_options(clients, credentials.base_url, tries=1)).aio.models
