"""Cartesia accounts, by the vendor's SDK (https://docs.cartesia.ai/api-reference/voices/list)."""

from __future__ import annotations

from collections.abc import Mapping

import cartesia

from adapters.accounts.offer import Offer
from adapters.accounts.urls import http_url
from adapters.clients import SharedClients
from adapters.requests import Credentials

_PAGE = 100
_MOST = 2000
_GENDERS = {"feminine": "female", "masculine": "male", "gender_neutral": "neutral"}


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
    await _client(credentials, clients).voices.list(limit=1)


async def list_voices(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the voices of the account; arguments and errors as `check`."""
    del options
    offers: list[Offer] = []
    async for voice in _client(credentials, clients).voices.list(limit=_PAGE):
        languages = tuple(it.locale for it in voice.locales or ()) or (voice.language,)
        offers.append(Offer(voice.id, voice.name, languages, _GENDERS.get(voice.gender or "", "")))
        if len(offers) >= _MOST:
            break
    return offers


def _client(credentials: Credentials, clients: SharedClients) -> cartesia.AsyncCartesia:
    return cartesia.AsyncCartesia(
        api_key=credentials.key.get_secret_value(),
        base_url=http_url(credentials.base_url),
        http_client=clients.http(cartesia),
        max_retries=0,
    )
