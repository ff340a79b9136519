"""Azure Speech resources (https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.plain_http import PLAIN_HTTP
from adapters.requests import Credentials


async def check(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> None:
    """Ask whether the key is accepted in the region, by the list of voices, which costs nothing.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: The key is refused or the vendor cannot be asked; of httpx's own kinds.
    """
    del options
    await _voices(credentials, clients)


async def list_voices(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the voices of the region; arguments and errors as `check`."""
    del options
    return [
        Offer(
            str(voice["ShortName"]),
            str(voice.get("DisplayName", "")),
            (str(voice["Locale"]), *map(str, voice.get("SecondaryLocaleList", ()))),
            str(voice.get("Gender", "")).lower(),
        )
        for voice in await _voices(credentials, clients)
    ]


async def _voices(credentials: Credentials, clients: SharedClients) -> list[dict[str, Any]]:
    response = await clients.http(PLAIN_HTTP).get(
        f"{credentials.base_url}/cognitiveservices/voices/list",
        headers={"Ocp-Apim-Subscription-Key": credentials.key.get_secret_value()},
    )
    response.raise_for_status()
    voices: list[dict[str, Any]] = response.json()
    return voices
