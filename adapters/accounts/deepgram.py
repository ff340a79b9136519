"""Deepgram accounts, by the vendor's SDK.

Sources: https://developers.deepgram.com/reference/manage/projects/list and
https://developers.deepgram.com/reference/manage/models/list
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from deepgram import AsyncDeepgramClient, DeepgramClientEnvironment

from adapters.accounts.offer import Offer
from adapters.accounts.urls import http_url
from adapters.clients import SharedClients
from adapters.requests import Credentials

_GENDERS = {"feminine": "female", "masculine": "male"}


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
        await client.manage.v1.projects.list(request_options={"max_retries": 0})


async def list_models(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the models that transcribe live; arguments and errors as `check`."""
    del options
    async with _client(credentials, clients) as client:
        found = await client.manage.v1.models.list(request_options={"max_retries": 0})
    offers: dict[str, Offer] = {}
    for model in found.stt or ():
        if model.streaming and model.canonical_name:
            # One model has several versions.
            known = offers.get(model.canonical_name, Offer(model.canonical_name, model.name or "")).languages
            languages = tuple(dict.fromkeys([*known, *(model.languages or ())]))
            offers[model.canonical_name] = Offer(model.canonical_name, model.name or "", languages)
    return list(offers.values())


async def list_voices(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the voices; arguments and errors as `check`."""
    del options
    async with _client(credentials, clients) as client:
        found = await client.manage.v1.models.list(request_options={"max_retries": 0})
    return [
        Offer(voice.canonical_name, voice.name or "", tuple(voice.languages or ()), _gender(voice.metadata))
        for voice in found.tts or ()
        if voice.canonical_name
    ]


def _gender(metadata: Any) -> str:
    tags = {str(tag).lower() for tag in (getattr(metadata, "tags", None) or ())}
    return next((_GENDERS[tag] for tag in _GENDERS if tag in tags), "")


@asynccontextmanager
async def _client(credentials: Credentials, clients: SharedClients) -> AsyncIterator[AsyncDeepgramClient]:
    rest_url = http_url(credentials.base_url)
    urls = {"base": rest_url, "production": credentials.base_url, "agent": credentials.base_url}
    # Required from deepgram-sdk 7.2 on, unknown before.
    if "agent_rest" in inspect.signature(DeepgramClientEnvironment).parameters:
        urls["agent_rest"] = rest_url
    async with httpx.AsyncClient(verify=clients.ssl_context) as http:
        yield AsyncDeepgramClient(
            api_key=credentials.key.get_secret_value(),
            environment=DeepgramClientEnvironment(**urls),
            httpx_client=http,
        )
