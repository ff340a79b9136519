"""Keeping requests that customers cause out of the server's own network (OWASP: server-side request forgery).

Whoever may name a URL could otherwise reach the machine's own services, its neighbours and the cloud's metadata. What
counts is the address that is dialled, not how it is written: a name is resolved once, every address that it has is
looked at, and exactly these addresses are dialled, so that a second answer of the name server cannot change anything
(DNS rebinding). Redirects are not followed, and no proxy is used: it would do its own resolution.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from adapters.credentials import ALLOW_PRIVATE_ENDPOINTS
from models.errors import InvalidField

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Returns the addresses of a host name, as text."""

_PRIVATE = "is in a private network"
_NEVER = (
    # Azure's host agent: answers only from inside, at a public address.
    ipaddress.ip_network("168.63.129.16/32"),
    # What some versions of Python take for global: RFC 6890 with Oracle's metadata, RFC 8215.
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("64:ff9b:1::/48"),
)
"""Networks that `ipaddress` does not tell from the public ones."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Carries an IPv4 address in its last 32 bits (RFC 6052)."""
_MOST_CONNECTIONS = 200
_MOST_IDLE_CONNECTIONS = 20
_IDLE_CONNECTION_S = 30.0
_RESOLVERS = ThreadPoolExecutor(8, thread_name_prefix="aicall-resolver")
"""Threads of their own: a name server that does not answer must not hold up what else the process does on threads."""


class ForbiddenAddress(httpx.ConnectError):
    """A host has an address that must not be dialled. Repeating the request does not help."""


def allows_private(environ: Mapping[str, str]) -> bool:
    """Return whether the operator lets customers name endpoints in the server's own network."""
    return environ.get(ALLOW_PRIVATE_ENDPOINTS, "").lower() == "true"


def is_public(address: Address) -> bool:
    """Return whether an address is one of the public Internet's hosts.

    An IPv6 address that carries an IPv4 address (RFC 4291 2.5.5.2, RFC 6052, RFC 3056) is as public as that one.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        carried = address.ipv4_mapped or address.sixtofour
        if carried is None and address in _NAT64:
            carried = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if carried is not None:
            return is_public(carried)
        if address.is_site_local:
            return False
    if address.is_multicast or address.is_reserved or any(address in network for network in _NEVER):
        return False
    return address.is_global


async def resolve(host: str, port: int) -> list[str]:
    """Return a host's addresses. The name server is asked on a thread.

    Raises:
        OSError: There is no such host, or no name server answered.
    """
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, ask)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class AddressGuard:
    """Says which addresses a host may be dialled at.

    Args:
        allow_private: Whether every address may be dialled.
        resolve: Looks names up.
    """

    def __init__(self, *, allow_private: bool = False, resolve: Resolve = resolve) -> None:
        self.allow_private = allow_private
        self._resolve = resolve

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses to dial, in order.

        Raises:
            ForbiddenAddress: One of the host's addresses is no public one.
            httpx.ConnectError: There is no such host.
        """
        literal = _literal(host)
        try:
            found = [host] if literal is not None else await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise httpx.ConnectError("there is no such host") from None
        if not found:
            raise httpx.ConnectError("there is no such host")
        # One forbidden address is enough: whoever runs the name server could otherwise have it dialled by chance.
        if not self.allow_private and not all(is_public(ipaddress.ip_address(it)) for it in found):
            raise ForbiddenAddress(f"the host {_PRIVATE}")
        return found

    def check_url(self, field: str, url: str) -> str:
        """Check a URL when it is saved, as far as that goes without asking a name server.

        Args:
            field: The URL's field, for the error.
            url: An ``https://`` URL; ``http://`` too where private addresses are allowed.

        Returns:
            The URL.

        Raises:
            InvalidField: It is no such URL, carries a user or a fragment, or its host is a private address.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
            # httpx is stricter than urlsplit: what it refuses could not be asked.
            httpx.URL(url)
        except (ValueError, httpx.InvalidURL):
            raise InvalidField(field, "must be a URL such as https://host/path") from None
        usable = parts.scheme in ("http", "https") and host and url.isprintable() and " " not in url
        if not usable or "@" in parts.netloc or parts.fragment:
            raise InvalidField(field, "must be a URL such as https://host/path")
        if self.allow_private:
            return url
        if parts.scheme != "https":
            raise InvalidField(field, "must be https://")
        literal = _literal(host)
        if host.rstrip(".").endswith("localhost") or (literal is not None and not is_public(literal)):
            raise InvalidField(field, f"{_PRIVATE}; the operator can allow it: {ALLOW_PRIVATE_ENDPOINTS}")
        return url


def guarded_client(
    guard: AddressGuard,
    ssl_context: ssl.SSLContext,
    *,
    timeout_s: float = 10.0,
    connect_timeout_s: float = 3.0,
    most_connections: int = _MOST_CONNECTIONS,
) -> httpx.AsyncClient:
    """Make a client that dials only what the guard allows and follows no redirect. Close it in the end.

    A forbidden address is a `ForbiddenAddress`, a kind of ``httpx.ConnectError``.

    Args:
        guard: Says what may be dialled.
        ssl_context: For ``https://``.
        timeout_s: Longest the other side may be silent, seconds.
        connect_timeout_s: Longest that looking the name up and connecting may take together, seconds.
        most_connections: Most connections at the same time; a request beyond them waits.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(guard, ssl_context, most_connections=most_connections),
        timeout=httpx.Timeout(timeout_s, connect=connect_timeout_s),
        follow_redirects=False,
        trust_env=False,
    )


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport on a pool of httpcore's whose connections the guard opens.

    Args:
        guard: Says what may be dialled.
        ssl_context: For ``https://``.
        most_connections: Most connections at the same time; a request beyond them waits.
    """

    def __init__(
        self, guard: AddressGuard, ssl_context: ssl.SSLContext, *, most_connections: int = _MOST_CONNECTIONS
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=most_connections,
            max_keepalive_connections=_MOST_IDLE_CONNECTIONS,
            keepalive_expiry=_IDLE_CONNECTION_S,
            network_backend=_GuardedBackend(guard),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of the answer is still to be read.

        Raises:
            httpx.TransportError: As httpx's own transport; `ForbiddenAddress` for an address that is not allowed.
        """
        url = request.url
        try:
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        except Exception as error:
            raise _as_httpx(error, request) from error
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response, request),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to addresses that the guard has looked at."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                failed: Exception | None = None
                for address in await self._guard.addresses(host, port):
                    try:
                        return await self._inner.connect_tcp(
                            address, port, local_address=local_address, socket_options=socket_options
                        )
                    except (httpcore.ConnectError, OSError) as error:
                        failed = error
                raise httpcore.ConnectError("no address of the host can be reached") from failed
        except TimeoutError:
            raise httpcore.ConnectTimeout("the connection did not open in time") from None

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        del path, timeout, socket_options
        raise httpcore.ConnectError("only hosts can be reached")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as httpx reads it."""

    def __init__(self, response: httpcore.Response, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.aiter_stream():
                yield part
        except Exception as error:
            raise _as_httpx(error, self._request) from error

    async def aclose(self) -> None:
        await self._response.aclose()


_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (httpcore.NetworkError, httpx.NetworkError),
    (httpcore.TimeoutException, httpx.TimeoutException),
    (httpcore.ProtocolError, httpx.ProtocolError),
)
"""What httpcore raises, and what httpx raises for it; the more special ones first."""


def _as_httpx(error: Exception, request: httpx.Request) -> Exception:
    if isinstance(error, httpx.TransportError):
        error.request = request
        return error
    for theirs, ours in _ERRORS:
        if isinstance(error, theirs):
            return ours(str(error), request=request)
    return error


def _literal(host: str) -> Address | None:
    """Return the address that a host is written as; None for a name, and for forms that only a resolver reads."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
