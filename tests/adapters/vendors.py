"""What the contract suites of the seats share: impatient clients, and ways to wait for what they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from loguru import logger
from pipecat.frames.frames import ErrorFrame
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients, VendorLimits
from adapters.seats import KeyKind, ProviderRow
from tests.standins.aws import ACCESS_KEY
from tests.standins.base import DEFAULT_KEY
from tests.standins.google_accounts import service_account
from tests.standins.pipeline import Pipe
from tests.standins.playht import USER

KEY = SecretStr(DEFAULT_KEY)
IMPATIENT = VendorLimits(connect_s=1.0, quiet_s=1.0, voice_quiet_s=1.0, retries=1, reconnects=3, reconnect_wait_s=0.05)
"""For vendors that fail. A busy machine delays a healthy stand-in by tenths of a second, so no less than this."""
BOUND_S = 20.0
"""Longest anything may take to show, seconds; failures take less than 3 with `IMPATIENT` clients."""


@asynccontextmanager
async def clients_with(limits: VendorLimits) -> AsyncIterator[SharedClients]:
    clients = SharedClients(limits)
    try:
        yield clients
    finally:
        await clients.aclose()


def impatient_clients() -> AbstractAsyncContextManager[SharedClients]:
    """Clients for vendors that fail."""
    return clients_with(IMPATIENT)


def patient_clients() -> AbstractAsyncContextManager[SharedClients]:
    """Clients as a server has them, for vendors that answer."""
    return clients_with(VendorLimits())


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that no frame announces, such as a socket that closes.

    Raises:
        TimeoutError: It did not come true in time.
    """
    async with asyncio.timeout(BOUND_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@asynccontextmanager
async def captured_log() -> AsyncIterator[list[str]]:
    """Everything that is logged meanwhile, at every level."""
    lines: list[str] = []
    sink = logger.add(lines.append, level=0)
    try:
        yield lines
    finally:
        logger.remove(sink)


async def first_error(pipe: Pipe, category: ErrorCategory) -> ErrorFrame:
    """Wait for an error frame of a category.

    Raises:
        AssertionError: None came in time; with those that did.
    """
    try:
        await pipe.up.until(lambda: any(e.category is category for e in pipe.up.of(ErrorFrame)), BOUND_S)
    except TimeoutError:
        raise AssertionError(f"no {category}, but {[(e, e.exception) for e in pipe.up.of(ErrorFrame)]}") from None
    return next(e for e in pipe.up.of(ErrorFrame) if e.category is category)


def key_of(row: ProviderRow) -> str:
    """A key of the form that a vendor gives out, good at its stand-in."""
    match row.key_kind:
        case KeyKind.AWS:
            return f"{ACCESS_KEY}:{DEFAULT_KEY}"
        case KeyKind.GOOGLE:
            return str(service_account())
        case KeyKind.PAIR:
            return f"{USER}:{DEFAULT_KEY}"
        case _:
            return DEFAULT_KEY
