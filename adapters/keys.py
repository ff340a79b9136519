"""Asking a vendor whether it accepts a key, by its own SDK: what ``aicall check`` and ``?verify=true`` do."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from adapters.clients import SharedClients
from adapters.seats import Credentials, ProviderRow
from adapters.vendor_errors import classify, provider_error
from models.errors import ProviderError

_Check = Callable[[Credentials, SharedClients], Awaitable[None]]


async def check_key(
    row: ProviderRow, credentials: Credentials, clients: SharedClients, *, timeout_s: float = 5.0
) -> None:
    """Ask the vendor whether it accepts the key. Nothing is generated and nothing costs credit.

    Args:
        row: The vendor.
        credentials: Key and endpoint.
        clients: The process's shared clients.
        timeout_s: Longest the answer may take, seconds.

    Raises:
        ProviderError: The vendor refused the key, cannot be reached, or its SDK is not installed. Not retryable when
            only another key or an installation helps.
    """
    ask = _CHECKS.get(row.name)
    if ask is None:
        return
    # What an SDK raises may quote the key, so it is never chained to what is raised here.
    try:
        async with asyncio.timeout(timeout_s):
            await ask(credentials, clients)
    except ModuleNotFoundError:
        message = f"checking the key needs an extra: pip install 'aicall-runtime[{row.name}]'"
        failure = ProviderError(message, provider=row.name, seat=row.seat)
    except Exception as error:  # noqa: BLE001
        failure = provider_error(row, classify(error))
    else:
        return
    raise failure


async def _ask_openai(credentials: Credentials, clients: SharedClients) -> None:
    import openai  # noqa: PLC0415

    await openai.AsyncOpenAI(
        api_key=credentials.key.get_secret_value(),
        base_url=credentials.base_url,
        http_client=clients.http(openai),
        max_retries=0,
    ).models.list()


async def _ask_anthropic(credentials: Credentials, clients: SharedClients) -> None:
    import anthropic  # noqa: PLC0415

    await anthropic.AsyncAnthropic(
        api_key=credentials.key.get_secret_value(),
        base_url=credentials.base_url,
        http_client=clients.http(anthropic),
        max_retries=0,
    ).models.list(limit=1)


async def _ask_deepgram(credentials: Credentials, clients: SharedClients) -> None:
    import httpx  # noqa: PLC0415
    from deepgram import AsyncDeepgramClient, DeepgramClientEnvironment  # noqa: PLC0415

    http_url = _http_url(credentials.base_url)
    urls = {"base": http_url, "production": credentials.base_url, "agent": credentials.base_url}
    # Required from deepgram-sdk 7.2 on, unknown before.
    if "agent_rest" in inspect.signature(DeepgramClientEnvironment).parameters:
        urls["agent_rest"] = http_url
    async with httpx.AsyncClient(verify=clients.ssl_context) as http:
        client = AsyncDeepgramClient(
            api_key=credentials.key.get_secret_value(),
            environment=DeepgramClientEnvironment(**urls),
            httpx_client=http,
        )
        await client.manage.v1.projects.list(request_options={"max_retries": 0})


async def _ask_elevenlabs(credentials: Credentials, clients: SharedClients) -> None:
    import httpx  # noqa: PLC0415
    from elevenlabs.client import AsyncElevenLabs  # noqa: PLC0415
    from elevenlabs.core.api_error import ApiError  # noqa: PLC0415

    async with httpx.AsyncClient(verify=clients.ssl_context) as http:
        client = AsyncElevenLabs(
            api_key=credentials.key.get_secret_value(), base_url=_http_url(credentials.base_url), httpx_client=http
        )
        try:
            await client.user.get(request_options={"max_retries": 0})
        except ApiError as error:
            # A key that is restricted to speech is good, though it does not show the account.
            if _status(error.body) != "missing_permissions":
                raise


def _status(body: Any) -> str:
    detail = body.get("detail") if isinstance(body, dict) else None
    return str(detail.get("status", "")) if isinstance(detail, dict) else ""


def _http_url(url: str) -> str:
    return "http" + url.removeprefix("ws") if url.startswith("ws") else url


_CHECKS: dict[str, _Check] = {
    "openai": _ask_openai,
    "anthropic": _ask_anthropic,
    "deepgram": _ask_deepgram,
    "elevenlabs": _ask_elevenlabs,
}
