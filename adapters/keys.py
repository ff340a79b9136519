"""Asking a vendor about an account: what ``aicall check``, ``?verify=true`` and the lists of voices and models do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any, cast

from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.requests import Credentials
from adapters.seats import ProviderRow
from adapters.vendor_errors import classify, provider_error
from models.errors import ProviderError

_NOT_ASKED = object()
"""Stands for the answer of a vendor that has no such question."""

_BOUND_TO_THE_LOOP = frozenset({"google", "dialogflow"})
"""Accounts that are asked by gRPC, which shares one poller among all event loops of a process."""

_Ask = Callable[[Credentials, Mapping[str, str], SharedClients], Awaitable[Any]]


async def check_key(
    row: ProviderRow,
    credentials: Credentials,
    clients: SharedClients,
    *,
    options: Mapping[str, str] | None = None,
    timeout_s: float = 5.0,
) -> bool:
    """Ask the vendor whether it accepts the key. Nothing is generated and nothing costs credit.

    Args:
        row: The vendor; one without an account module is not asked.
        credentials: Key and endpoint.
        clients: The process's shared clients.
        options: The row's options.
        timeout_s: Longest the answer may take, seconds.

    Returns:
        Whether the vendor was asked; False when there is nothing that a key is needed for and that costs nothing.

    Raises:
        ProviderError: The vendor refused the key, cannot be reached, or its SDK is not installed. Not retryable when
            only another key or an installation helps.
    """
    if not row.account:
        return False
    return await _ask(row, "check", credentials, options or {}, clients, timeout_s=timeout_s) is not _NOT_ASKED


async def list_offers(
    row: ProviderRow,
    what: str,
    credentials: Credentials,
    clients: SharedClients,
    *,
    options: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
) -> list[Offer] | None:
    """Ask the vendor for the voices or the models of an account.

    Args:
        row: The vendor.
        what: ``voices`` or ``models``.
        credentials: Key and endpoint.
        clients: The process's shared clients.
        options: The row's options.
        timeout_s: Longest the answer may take, seconds.

    Returns:
        Them; None when the vendor cannot be asked.

    Raises:
        ProviderError: As `check_key`.
    """
    if not row.account:
        return None
    offers = await _ask(row, f"list_{what}", credentials, options or {}, clients, timeout_s=timeout_s)
    return None if offers is _NOT_ASKED else cast("list[Offer]", offers)


async def _ask(
    row: ProviderRow,
    function: str,
    credentials: Credentials,
    options: Mapping[str, str],
    clients: SharedClients,
    *,
    timeout_s: float,
) -> Any:
    # What an SDK raises may quote the key, so it is never chained to what is raised here.
    try:
        module = await asyncio.to_thread(import_module, f"adapters.accounts.{row.account}")
        ask: _Ask | None = getattr(module, function, None)
        if ask is None:
            return _NOT_ASKED
        if row.account in _BOUND_TO_THE_LOOP:
            return await _within(timeout_s, ask(credentials, options, clients))
        return await asyncio.to_thread(_elsewhere, ask, credentials, options, clients, timeout_s)
    except ModuleNotFoundError:
        message = f"asking about the key needs an extra: pip install 'aicall-runtime[{row.extra or row.name}]'"
        failure = ProviderError(message, provider=row.name, seat=row.seat)
    except Exception as error:  # noqa: BLE001
        failure = provider_error(row, classify(error))
    raise failure


async def _within(timeout_s: float, asking: Awaitable[Any]) -> Any:
    async with asyncio.timeout(timeout_s):
        return await asking


def _elsewhere(
    ask: _Ask, credentials: Credentials, options: Mapping[str, str], clients: SharedClients, timeout_s: float
) -> Any:
    """Ask in an event loop of this thread's own: an SDK's first use takes up to half a second, and calls go on."""

    async def run() -> Any:
        own = clients.for_another_loop()
        try:
            return await _within(timeout_s, ask(credentials, options, own))
        finally:
            await own.aclose()

    return asyncio.run(run())
