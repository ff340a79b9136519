"""A stand-in's server: lifecycle, request log, authentication and fault lookup, common to all vendors."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Self

from aiohttp import web

from tests.standins.faults import Faults, reset

DEFAULT_KEY = "stand-in-key"
"""The API key that every stand-in accepts unless told otherwise."""


@dataclass
class LoggedRequest:
    """One HTTP request or WebSocket session, as it was received.

    Attributes:
        endpoint: The stand-in's name of the endpoint, the one that ``endpoint_faults`` is keyed by.
        method: HTTP method (GET for a WebSocket).
        path: Path without the query.
        query: Query parameters; of a repeated name, the last value.
        headers: All headers with names in lower case, credentials included.
        body: The parsed JSON body, or None.
        messages: Text messages received on a WebSocket, parsed.
        audio: Binary messages received on a WebSocket, joined; stays empty without ``keep_audio``.
        audio_bytes: How many bytes of audio were received.
        open: Whether the response or session is still going on.
    """

    endpoint: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: Any = None
    messages: list[Any] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray, repr=False)
    audio_bytes: int = 0
    open: bool = True


class HttpError(Exception):
    """An error to be answered in the vendor's own format.

    Attributes:
        status: HTTP status.
        message: The vendor's message; None for its standard one.
        detail: Further fields that the vendor's format knows.
    """

    def __init__(self, status: int, message: str | None = None, **detail: Any) -> None:
        super().__init__(status)
        self.status = status
        self.message = message
        self.detail = detail


class _Server(web.Server):
    """aiohttp's low-level server, counting connections by their sockets.

    aiohttp's own `connections` keeps one until its handler has returned, some time after the socket is gone.
    """

    def __init__(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], changed: Callable[[], None]
    ) -> None:
        super().__init__(handler, handler_cancellation=True, access_log=None)
        self._changed = changed
        self.transports: dict[int, asyncio.Transport] = {}
        self.made = 0

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.transports[id(handler)] = transport
        self.made += 1
        self._changed()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.transports.pop(id(handler), None)
        self._changed()


class StandIn(ABC):
    """A vendor's API on a loopback port.

    Use it as ``async with OpenAIStandIn() as s:``.

    Args:
        keys: API keys that are accepted; None accepts any that is present.
        faults: Faults of all endpoints without an entry in `endpoint_faults`.
        endpoint_faults: Faults of single endpoints, by the names in `ENDPOINTS`.
        port: TCP port; 0 takes a free one.
        keep_log: Whether `requests` is kept (a benchmark of hours does without).
        keep_audio: Whether received audio is kept in the log.
        tls: Certificate to serve with (`tests.standins.certificate`); None serves in plain text.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        *,
        keys: Collection[str] | None = (DEFAULT_KEY,),
        faults: Faults | None = None,
        endpoint_faults: Mapping[str, Faults] | None = None,
        port: int = 0,
        keep_log: bool = True,
        keep_audio: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.keys = None if keys is None else set(keys)
        self.faults = faults or Faults()
        self.endpoint_faults: dict[str, Faults] = dict(endpoint_faults or {})
        self.requests: list[LoggedRequest] = []
        self.open_streams = 0
        self.keep_audio = keep_audio
        self.keep_log = keep_log
        self._port = port
        self._tls = tls
        self._http: _Server | None = None
        self._listener: asyncio.Server | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._logged = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start to listen on 127.0.0.1."""
        self._http = _Server(self._serve, self._note_change)
        await self.accept()

    async def stop(self) -> None:
        """Close the listener and every connection."""
        await self.refuse()
        if self._http is not None:
            # To aiohttp, 0 would mean to wait for ever.
            await self._http.shutdown(timeout=0.01)

    async def refuse(self) -> None:
        """Close the listening socket: new connections are refused, open ones go on."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    async def accept(self) -> None:
        """Listen (again) on the same port. Does nothing while already listening."""
        if self._listener is not None or self._http is None:
            return
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", self._port))
        self._port = sock.getsockname()[1]
        self._listener = await asyncio.get_running_loop().create_server(
            self._http, sock=sock, backlog=512, ssl=self._tls
        )

    def drop_connections(self) -> None:
        """Reset every open TCP connection, as a crash of the vendor would."""
        if self._http is not None:
            for transport in list(self._http.transports.values()):
                reset(transport)

    @property
    def port(self) -> int:
        """TCP port; 0 before the first start when none was given."""
        return self._port

    @property
    def http_url(self) -> str:
        """``http://127.0.0.1:PORT``, or ``https`` with TLS."""
        return f"http{self._secure}://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """``ws://127.0.0.1:PORT``, or ``wss`` with TLS."""
        return f"ws{self._secure}://127.0.0.1:{self._port}"

    @property
    def _secure(self) -> str:
        return "" if self._tls is None else "s"

    @property
    @abstractmethod
    def base_url(self) -> str:
        """The URL that ``AICALL_BASE_URL_<PROVIDER>`` takes."""

    @property
    def open_connections(self) -> int:
        """Open TCP connections, idle keep-alive ones included."""
        return len(self._http.transports) if self._http is not None else 0

    @property
    def connections_made(self) -> int:
        """TCP connections since the start, open and closed."""
        return self._http.made if self._http is not None else 0

    async def all_closed(self, timeout_s: float = 5.0) -> None:
        """Wait until no connection is open and no handler runs.

        Raises:
            TimeoutError: Somebody holds on to one.
        """
        async with asyncio.timeout(timeout_s):
            await self._quiet.wait()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Wait until a condition on `requests` holds; it is looked at whenever a request or a message came in.

        Raises:
            TimeoutError: It did not in time.
        """
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._logged.clear()
                await self._logged.wait()

    def note_received(self) -> None:
        """Wake everybody who waits in `until`."""
        self._logged.set()

    def requests_to(self, endpoint: str) -> list[LoggedRequest]:
        """The logged requests of one endpoint, oldest first."""
        return [r for r in self.requests if r.endpoint == endpoint]

    def faults_of(self, endpoint: str) -> Faults:
        """The faults in force at an endpoint."""
        faults = self.endpoint_faults.get(endpoint, self.faults)
        spent = faults.first is not None and len(self.requests_to(endpoint)) > faults.first
        return Faults() if spent else faults

    @abstractmethod
    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request, one of `ENDPOINTS`.

        Raises:
            HttpError: There is none.
        """

    @abstractmethod
    def key_of(self, request: web.BaseRequest) -> str | None:
        """The API key in a request, or None."""

    @abstractmethod
    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """An error in the vendor's documented format."""

    @abstractmethod
    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve a request that is authenticated, parsed and free of faults so far."""

    def parse_body(self, request: web.BaseRequest, body: bytes) -> Any:
        """Read the body of a request, for the log: JSON, unless a vendor takes something else.

        Raises:
            HttpError: It is malformed.
        """
        del request
        try:
            return json.loads(body)
        except ValueError as bad:
            raise HttpError(400, "could not parse the JSON body of the request") from bad

    def check_key(self, request: web.BaseRequest) -> None:
        """Refuse a request without an accepted key.

        Raises:
            HttpError: With status 401.
        """
        if not self.key_is_good(request):
            raise HttpError(401)

    def key_is_good(self, request: web.BaseRequest) -> bool:
        """Whether the request carries an accepted key."""
        key = self.key_of(request)
        return bool(key) if self.keys is None else key in self.keys

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.open_streams += 1
        self._note_change()
        log: LoggedRequest | None = None
        try:
            endpoint = self.route(request)
            log = await self._log(endpoint, request)
            faults = self.faults_of(endpoint)
            if faults.delay_s > 0:
                await asyncio.sleep(faults.delay_s)
            if faults.answer is not None:
                content_type, body = faults.answer
                return web.Response(status=faults.status or 200, body=body, content_type=content_type)
            if faults.status is not None:
                raise HttpError(faults.status, retry_after_s=faults.retry_after_s)
            self.check_key(request)
            return await self.answer(request, log)
        except HttpError as error:
            response = self.error(error.status, error.message, error.detail)
            retry_after_s = error.detail.get("retry_after_s")
            if retry_after_s is not None:
                response.headers["Retry-After"] = str(retry_after_s)
            return response
        except ConnectionResetError:
            # Nobody is left to read this; aiohttp drops it without the traceback that the exception would log.
            return web.Response(status=499)
        finally:
            self.open_streams -= 1
            self._note_change()
            if log is not None:
                log.open = False

    def _note_change(self) -> None:
        if self.open_connections or self.open_streams:
            self._quiet.clear()
        else:
            self._quiet.set()

    async def _log(self, endpoint: str, request: web.BaseRequest) -> LoggedRequest:
        log = LoggedRequest(
            endpoint=endpoint,
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        if self.keep_log:
            self.requests.append(log)
        if request.body_exists:
            log.body = self.parse_body(request, await request.read())
        self.note_received()
        return log
