"""Hume accounts (https://dev.hume.ai/reference/voices/list)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.plain_http import PLAIN_HTTP
from adapters.requests import Credentials

_LIBRARIES = ("CUSTOM_VOICE", "HUME_AI")
_PAGE = 100
_MOST_PAGES = 20


async def check(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> None:
    """Ask whether the key is accepted, by one voice of the account.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: The key is refused or the vendor cannot be asked; of httpx's own kinds.
    """
    del options
    await _page(credentials, clients, _LIBRARIES[0], 0, size=1)


async def list_voices(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the account's own voices and then those of Hume's library, by id; arguments and errors as `check`."""
    del options
    offers = []
    for library in _LIBRARIES:
        for number in range(_MOST_PAGES):
            page = await _page(credentials, clients, library, number)
            offers += [Offer(str(voice["id"]), str(voice["name"])) for voice in page["voices_page"]]
            if number + 1 >= int(page["total_pages"]):
                break
    return offers


async def _page(
    credentials: Credentials, clients: SharedClients, library: str, number: int, size: int = _PAGE
) -> dict[str, Any]:
    response = await clients.http(PLAIN_HTTP).get(
        f"{credentials.base_url}/v0/tts/voices",
        params={"provider": library, "page_number": number, "page_size": size},
        headers={"X-Hume-Api-Key": credentials.key.get_secret_value()},
    )
    response.raise_for_status()
    page: dict[str, Any] = response.json()
    return page
