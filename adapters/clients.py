"""The HTTP pools and the TLS context that all calls of a process share.

Making a TLS context reads the whole certificate store: 18 ms during which no other call's audio moves. A vendor's HTTP
client makes one, and so does every ``wss://`` connection that is not given one. A process therefore has one TLS
context and one HTTP pool per SDK, and connections stay open between the turns of a call and between calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from adapters.rehearsal import rehearse

_IDLE_CONNECTION_S = 60.0
"""How long an idle connection is kept, seconds: longer than the pause between two turns of a call."""

_LONGEST_RETRY_WAIT_S = 1.0
"""Longest wait that a vendor may ask for before a retry, seconds; a caller on the phone does not wait longer."""


@dataclass(frozen=True, slots=True)
class VendorLimits:
    """How long a caller on the phone waits for a vendor.

    Attributes:
        connect_s: Longest a connection may take to open, seconds.
        quiet_s: Longest a vendor may stay silent within an answer, before its first byte too, seconds.
        voice_quiet_s: Longest a voice may stay silent within a sentence, seconds.
        retries: How often a request that failed for a passing reason is repeated before the first byte of the answer.
        reconnects: How many connections in a row may fail before a vendor's WebSocket is given up.
        reconnect_wait_s: Wait between two of them, seconds.
        stable_s: How long a connection must have lasted not to count as failed, seconds.
    """

    connect_s: float = 3.0
    quiet_s: float = 8.0
    voice_quiet_s: float = 3.0
    retries: int = 1
    reconnects: int = 3
    reconnect_wait_s: float = 0.5
    stable_s: float = 5.0


class Closing(Protocol):
    """What `SharedClients.shared` keeps."""

    async def aclose(self) -> None:
        """Close every connection."""


Kept = TypeVar("Kept", bound=Closing)


class Sdk(Protocol):
    """What the ``openai`` and ``anthropic`` packages have in common."""

    __name__: str
    DefaultAsyncHttpxClient: Any
    Timeout: Any


class SharedClients:
    """The clients of one process; create one per event loop and close it last.

    Args:
        limits: How long vendors may take.
    """

    def __init__(self, limits: VendorLimits | None = None) -> None:
        self.limits = limits or VendorLimits()
        self._ssl: ssl.SSLContext | None = None
        self._http: dict[str, Any] = {}
        self._kept: dict[Hashable, Any] = {}
        self._preconnected_s: dict[Hashable, float] = {}
        self._preconnecting: set[asyncio.Task[None]] = set()

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """The TLS context of all connections. The first use takes 18 ms; `warm` does it before the first call."""
        if self._ssl is None:
            self._ssl = _make_ssl_context()
        return self._ssl

    def warm(self) -> None:
        """Do what takes long before the first call does. Blocks for a second of CPU; touches no running event loop."""
        self.warm_transport()
        rehearse()

    def warm_transport(self) -> None:
        """Do what takes long before the first connection does. Blocks for up to 0.2 s of CPU."""
        self.ssl_context  # noqa: B018 - reads the certificates
        import_module("pipecat.utils.http")

    def for_another_loop(self) -> SharedClients:
        """Make clients for another event loop, with the same limits and TLS context. Close them there."""
        other = SharedClients(self.limits)
        other._ssl = self.ssl_context
        return other

    def ssl_for(self, url: str) -> ssl.SSLContext | None:
        """The TLS context for a WebSocket URL: None for ``ws://``."""
        return self.ssl_context if url.startswith("wss:") else None

    def http(self, sdk: Sdk) -> Any:
        """The HTTP pool of an SDK.

        Args:
            sdk: The package, for example ``openai``: it says which HTTP library it wants and how it must be set up.

        Returns:
            An ``httpx`` or ``httpx2`` ``AsyncClient``, never to be closed by its users.
        """
        client = self._http.get(sdk.__name__)
        if client is None:
            client = self._http[sdk.__name__] = self.private_http(sdk)
        return client

    def private_http(self, sdk: Sdk) -> Any:
        """Make a client like the one of `http` that its user closes."""
        # It imports both HTTP libraries, 15 MB each.
        from pipecat.utils.http import connection_limits  # noqa: PLC0415

        limits = self.limits
        return sdk.DefaultAsyncHttpxClient(
            verify=self.ssl_context,
            timeout=sdk.Timeout(limits.quiet_s, connect=limits.connect_s),
            limits=connection_limits(
                max_connections=1000, max_keepalive_connections=100, keepalive_expiry=_IDLE_CONNECTION_S
            ),
            event_hooks={"response": [_forbid_long_retry]},
        )

    def shared(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Keep what all calls of a process can use, for clients that have no pool of `http`.

        Args:
            key: What it is, for example the name of an SDK and an endpoint; nothing of which there is one per call.
            make: Makes it the first time.

        Returns:
            It, never to be closed by its users.
        """
        if key not in self._kept:
            self._kept[key] = make()
        kept: Kept = self._kept[key]
        return kept

    def preconnect(self, sdk: Sdk, base_url: str, purpose: str) -> asyncio.Task[None] | None:
        """Begin to open a connection to a vendor, so that the first request of a call finds it open.

        Nothing that a vendor bills or counts for an account: a ``HEAD`` on the endpoint itself, without a key. Whatever
        is answered, the connection is in the pool afterwards. Nobody waits for it, and its failure is not told; it is
        given up after `VendorLimits.connect_s`. At most one per endpoint and purpose within the time for which an idle
        connection is kept, however many calls begin.

        Args:
            sdk: The package whose pool will be used.
            base_url: The vendor's endpoint.
            purpose: What the connection is for; uses that run at the same time need one each.

        Returns:
            The task that opens it, which never fails; None when there is nothing to do.
        """
        use = (sdk.__name__, base_url, purpose)
        return self.preconnect_by(partial(_knock, self.http(sdk), base_url), use, purpose)

    def preconnect_by(
        self, knock: Callable[[], Awaitable[object]], use: Hashable, purpose: str
    ) -> asyncio.Task[None] | None:
        """Do what `preconnect` does with another client than one of `http`.

        Args:
            knock: Opens the connection and leaves it open.
            use: The client, the endpoint and the purpose.
            purpose: What the connection is for.

        Returns:
            As `preconnect`.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s - self._preconnected_s.get(use, float("-inf")) < _IDLE_CONNECTION_S:
            return None
        self._preconnected_s[use] = now_s
        task = asyncio.create_task(_try(knock, self.limits.connect_s), name=f"preconnect {purpose}")
        self._preconnecting.add(task)
        task.add_done_callback(self._preconnecting.discard)
        return task

    async def aclose(self) -> None:
        """Close every pool. What is used afterwards makes new ones."""
        knocking = list(self._preconnecting)
        for task in knocking:
            task.cancel()
        await asyncio.gather(*knocking, return_exceptions=True)
        self._preconnected_s.clear()
        clients = [*self._http.values(), *self._kept.values()]
        self._http.clear()
        self._kept.clear()
        for client in clients:
            await client.aclose()


async def _knock(client: Any, base_url: str) -> None:
    await client.request("HEAD", base_url, follow_redirects=False)


async def _try(knock: Callable[[], Awaitable[object]], limit_s: float) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(limit_s):
            await knock()


async def _forbid_long_retry(response: Any) -> None:
    """Tell the SDK not to wait as long as the vendor asks: both SDKs obey ``x-should-retry``."""
    if retry_after_s(cast("Mapping[str, str]", response.headers)) > _LONGEST_RETRY_WAIT_S:
        response.headers["x-should-retry"] = "false"


def retry_after_s(headers: Mapping[str, str]) -> float:
    """How long a vendor asks to wait, seconds (RFC 9110 10.2.3); a date counts as long, and none as 0.

    Args:
        headers: Of the vendor's answer, whose names are found in any case.
    """
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if value:
            try:
                return float(value) / scale
            except ValueError:
                return float("inf")
    return 0.0


def _make_ssl_context() -> ssl.SSLContext:
    # OpenSSL takes its files from these variables; what was read once is good for as long as they stay.
    return _ssl_context(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


@cache
def _ssl_context(_file: str, _folder: str) -> ssl.SSLContext:
    """Read the system's certificates, which takes 45 ms."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and any(Path(paths.capath).iterdir())):
        # A slim container has no certificate store of its own.
        import certifi  # noqa: PLC0415

        context.load_verify_locations(certifi.where())
    return context
