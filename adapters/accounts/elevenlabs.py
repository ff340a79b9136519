"""ElevenLabs accounts, by the vendor's SDK.

Sources: https://elevenlabs.io/docs/api-reference/user/get and https://elevenlabs.io/docs/api-reference/voices/search
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.types import Voice

from adapters.accounts.offer import Offer
from adapters.accounts.urls import http_url
from adapters.clients import SharedClients
from adapters.requests import Credentials

_PAGE = 100
_MOST = 2000
_GENDERS = ("female", "male", "neutral")


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
    async with _client(credentials, clients) as client:
        try:
            await client.user.get(request_options={"max_retries": 0})
        except ApiError as error:
            # A key that is restricted to speech is good, though it does not show the account.
            if _status(error.body) != "missing_permissions":
                raise


async def list_voices(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the voices of the account; arguments and errors as `check`."""
    del options
    offers: list[Offer] = []
    token: str | None = None
    async with _client(credentials, clients) as client:
        while len(offers) < _MOST:
            page = await client.voices.search(
                page_size=_PAGE, next_page_token=token, request_options={"max_retries": 0}
            )
            offers += [_offer(voice) for voice in page.voices]
            token = page.next_page_token
            if not (page.has_more and token):
                break
    return offers


def _offer(voice: Voice) -> Offer:
    labels = voice.labels or {}
    verified = [it.locale or it.language for it in voice.verified_languages or ()]
    languages = tuple(dict.fromkeys(verified or [it for it in [labels.get("language", "")] if it]))
    gender = labels.get("gender", "")
    return Offer(voice.voice_id, voice.name or "", languages, gender if gender in _GENDERS else "")


@asynccontextmanager
async def _client(credentials: Credentials, clients: SharedClients) -> AsyncIterator[AsyncElevenLabs]:
    async with httpx.AsyncClient(verify=clients.ssl_context) as http:
        yield AsyncElevenLabs(
            api_key=credentials.key.get_secret_value(), base_url=http_url(credentials.base_url), httpx_client=http
        )


def _status(body: Any) -> str:
    detail = body.get("detail") if isinstance(body, dict) else None
    return str(detail.get("status", "")) if isinstance(detail, dict) else ""
