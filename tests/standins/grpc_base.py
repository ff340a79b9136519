"""A gRPC stand-in's server: the same life cycle, request log and faults as `tests.standins.base.StandIn`.

A vendor's stand-in is a subclass that says which methods there are and what each answers::

    class SpeechStandIn(GrpcStandIn):
        METHODS = {
            "/google.cloud.texttospeech.v1.TextToSpeech/SynthesizeSpeech": Method(
                "speech", SynthesizeSpeechRequest, SynthesizeSpeechResponse
            ),
        }

        def check_key(self, call): ...          # raises GrpcError(401) for a bad ``authorization``
        async def answer(self, call):
            request = await call.read()         # a message of the method's request type, None at the client's end
            if not request.input.text:
                raise GrpcError(400, "Either `input.text` or `input.ssml` must be set.")
            await call.send(SynthesizeSpeechResponse(audio_content=...))

Requests and responses are messages of ``proto-plus``, as Google's clients have them. On the wire a unary call is a
stream of one message each way, so `answer` is the same for all kinds; the faults count the messages of one call.

Errors are given by the HTTP status to which Google maps the gRPC code (https://cloud.google.com/apis/design/errors),
so that ``Faults(status=429)`` means the same for all stand-ins: 400 ``INVALID_ARGUMENT``, 401 ``UNAUTHENTICATED``, 403
``PERMISSION_DENIED``, 404 ``NOT_FOUND``, 429 ``RESOURCE_EXHAUSTED`` (with ``RetryInfo``), 500 ``INTERNAL``, 503
``UNAVAILABLE``. Each carries a ``google.rpc.Status`` in ``grpc-status-details-bin``, as Google's do.

The gRPC library shows no sockets, so a front passes bytes between the public port and the server's own. It counts the
connections, ends TLS, and resets the connection of the call that a fault drops.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.standins.base import DEFAULT_KEY, LoggedRequest
from tests.standins.faults import Faults, Gate, Verdict, reset

GARBAGE = b"\xff\xff\xff\xff\x0f<html>bad gateway</html>"
"""A message that is no protocol buffer: its first tag has wire type 7, which does not exist."""

_PIECE_BYTES = 65_536

_CODES = {
    400: (grpc.StatusCode.INVALID_ARGUMENT, "Request contains an invalid argument."),
    401: (grpc.StatusCode.UNAUTHENTICATED, "Request had invalid authentication credentials."),
    402: (grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded."),
    403: (grpc.StatusCode.PERMISSION_DENIED, "The caller does not have permission"),
    404: (grpc.StatusCode.NOT_FOUND, "Requested entity was not found."),
    429: (grpc.StatusCode.RESOURCE_EXHAUSTED, "Resource has been exhausted (e.g. check quota)."),
    500: (grpc.StatusCode.INTERNAL, "Internal error encountered."),
    501: (grpc.StatusCode.UNIMPLEMENTED, "Operation is not implemented, or supported, or enabled."),
    503: (grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable."),
    504: (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline expired before operation could complete."),
}


@dataclass(frozen=True)
class Method:
    """One method of a service.

    Attributes:
        endpoint: The stand-in's name of it, by which the log and ``endpoint_faults`` know it.
        request: Class of its requests, of ``proto-plus``.
        response: Class of its responses.
    """

    endpoint: str
    request: Any
    response: Any


class GrpcError(Exception):
    """A call's error status.

    Attributes:
        status: The HTTP status that stands for the code.
        message: The vendor's message; None for its standard one.
        reason: ``reason`` of the ``ErrorInfo``, for example ``API_KEY_INVALID``; '' for no ``ErrorInfo``.
        retry_after_s: ``retry_delay`` of the ``RetryInfo``, seconds; None for no ``RetryInfo``.
    """

    def __init__(
        self, status: int, message: str | None = None, *, reason: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(status)
        self.status = status
        self.message = message
        self.reason = reason
        self.retry_after_s = retry_after_s


class GrpcCall:
    """The server's end of one call.

    Attributes:
        endpoint: The stand-in's name of the method.
        method: The method.
        headers: Metadata that the client sent, names in lower case; of a repeated name, the last value.
        log: The call in the stand-in's log; each message read is in ``messages`` as a dictionary, the first in
            ``body``.
    """

    def __init__(self, stand_in: GrpcStandIn, method: Method, context: Any, log: LoggedRequest) -> None:
        self.endpoint = method.endpoint
        self.method = method
        self.headers = log.headers
        self.log = log
        self._context = context
        self._stand_in = stand_in
        self._gate = Gate(lambda: stand_in.faults_of(method.endpoint), stand_in.transport_of(context.peer()))

    async def read(self) -> Any:
        """The next request; None when the client sends no more.

        Raises:
            GrpcError: It is no message of the method's request type.
        """
        data = await self._context.read()
        if data is grpc.aio.EOF:
            return None
        try:
            message = self.method.request.deserialize(data)
        except Exception as bad:
            raise GrpcError(500, "Error parsing request") from bad
        if self._stand_in.keep_log:
            parsed = self.method.request.to_dict(
                message, use_integers_for_enums=False, always_print_fields_with_no_presence=False
            )
            self.log.messages.append(parsed)
            if self.log.body is None:
                self.log.body = parsed
        self._stand_in.note_received()
        return message

    async def send(self, message: Any) -> None:
        """Send one response, or what the faults make of it."""
        try:
            verdict = await self._gate.next()
        except ConnectionResetError:
            # The connection is gone, for which gRPC cancels this call.
            await asyncio.Event().wait()
            raise
        if verdict is Verdict.SWALLOW:
            await asyncio.Event().wait()
        await self._context.write(GARBAGE if verdict is Verdict.GARBAGE else self.method.response.serialize(message))


WRITES_S = 0.1
"""How long the client of a call that is refused has to finish its messages, seconds; over a real network it has."""


class _Front:
    """Passes bytes between clients and the gRPC server, connection by connection."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()
        self.inner_port = 0
        self.refusing = False
        self.transports: dict[int, asyncio.BaseTransport] = {}
        self.made = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either end closes it."""
        if self.refusing:
            # The system had taken the connection before the listening socket was closed.
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        key = id(writer)
        self.transports[key] = writer.transport
        self.made += 1
        self._changed()
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.inner_port)
                # gRPC names the peer of a call by the port from which its connection came.
                del self.transports[key]
                key = inner_writer.get_extra_info("sockname")[1]
                self.transports[key] = writer.transport
                try:
                    await self._pass_both_ways(reader, writer, inner_reader, inner_writer)
                finally:
                    inner_writer.transport.abort()
        finally:
            writer.transport.abort()
            self.transports.pop(key, None)
            self._tasks.discard(task)
            self._changed()

    @staticmethod
    async def _pass_both_ways(
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inner_reader: asyncio.StreamReader,
        inner_writer: asyncio.StreamWriter,
    ) -> None:
        ways = [asyncio.create_task(_pass(reader, inner_writer)), asyncio.create_task(_pass(inner_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def stop(self) -> None:
        """End every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_PIECE_BYTES):
            writer.write(data)
            await writer.drain()


class _Router(grpc.GenericRpcHandler):
    """Serves every method as a stream of bytes."""

    def __init__(self, stand_in: GrpcStandIn) -> None:
        self._stand_in = stand_in

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method; None for one that does not exist, which gRPC answers with ``UNIMPLEMENTED``."""
        method = self._stand_in.METHODS.get(handler_call_details.method)
        if method is None:
            return None

        async def serve(_requests: Any, context: Any) -> None:
            await self._stand_in.serve(handler_call_details.method, method, context)

        return grpc.stream_stream_rpc_method_handler(serve)


class GrpcStandIn(ABC):
    """A vendor's gRPC API on a loopback port.

    Use it as ``async with GoogleTtsStandIn() as s:``.

    Args:
        keys: What `check_key` accepts; None accepts any that is present.
        faults: Faults of all endpoints without an entry in `endpoint_faults`.
        endpoint_faults: Faults of single endpoints, by the names in `METHODS`.
        port: TCP port; 0 takes a free one.
        keep_log: Whether `requests` is kept.
        keep_audio: As for `StandIn`; no gRPC stand-in logs audio.
        tls: Certificate to serve with; None serves in plain text.
    """

    METHODS: ClassVar[Mapping[str, Method]]
    """Every method, by its path, for example ``/google.cloud.texttospeech.v1.TextToSpeech/SynthesizeSpeech``."""

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
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
        self._server: Any = None
        self._front = _Front(self._note_change)
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
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_Router(self),))
        self._front.inner_port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        await self.accept()

    async def stop(self) -> None:
        """Close the listener and every connection."""
        await self.refuse()
        await self._front.stop()
        server, self._server = self._server, None
        if server is not None:
            await server.stop(None)

    async def refuse(self) -> None:
        """Close the listening socket: new connections are refused, open ones go on."""
        self._front.refusing = True
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    async def accept(self) -> None:
        """Listen (again) on the same port. Does nothing while already listening."""
        if self._listener is not None or self._server is None:
            return
        self._front.refusing = False
        self._listener = await asyncio.start_server(self._front.serve, "127.0.0.1", self._port, ssl=self._tls)
        self._port = self._listener.sockets[0].getsockname()[1]

    def drop_connections(self) -> None:
        """Reset every open TCP connection, as a crash of the vendor would."""
        for transport in list(self._front.transports.values()):
            reset(transport)

    @property
    def port(self) -> int:
        """TCP port; 0 before the first start when none was given."""
        return self._port

    @property
    def base_url(self) -> str:
        """The URL that ``AICALL_BASE_URL_<PROVIDER>`` takes: ``http://127.0.0.1:PORT``, with TLS ``https://…``."""
        return f"http{'' if self._tls is None else 's'}://127.0.0.1:{self._port}"

    @property
    def open_connections(self) -> int:
        """Open TCP connections, idle ones included."""
        return len(self._front.transports)

    @property
    def connections_made(self) -> int:
        """TCP connections since the start, open and closed."""
        return self._front.made

    def transport_of(self, peer: str) -> asyncio.BaseTransport | None:
        """The client's connection that a call came on, by what gRPC calls its peer (``ipv4:127.0.0.1:PORT``)."""
        return self._front.transports.get(int(peer.rpartition(":")[2]))

    async def all_closed(self, timeout_s: float = 5.0) -> None:
        """Wait until no connection is open and no call runs.

        Raises:
            TimeoutError: Somebody holds on to one.
        """
        async with asyncio.timeout(timeout_s):
            await self._quiet.wait()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Wait until a condition on `requests` holds; it is looked at whenever a call or a message came in.

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
        """The logged calls of one endpoint, oldest first."""
        return [r for r in self.requests if r.endpoint == endpoint]

    def faults_of(self, endpoint: str) -> Faults:
        """The faults in force at an endpoint. ``Faults.answer`` has no meaning here: no gateway answers HTTP/2 so."""
        faults = self.endpoint_faults.get(endpoint, self.faults)
        spent = faults.first is not None and len(self.requests_to(endpoint)) > faults.first
        return Faults() if spent else faults

    @abstractmethod
    def check_key(self, call: GrpcCall) -> None:
        """Refuse a call whose metadata carry no accepted key.

        Raises:
            GrpcError: With status 401.
        """

    @abstractmethod
    async def answer(self, call: GrpcCall) -> None:
        """Serve a call that is authenticated and free of faults so far.

        Raises:
            GrpcError: The call is refused.
        """

    async def serve(self, path: str, method: Method, context: Any) -> None:
        """Serve one call."""
        self.open_streams += 1
        self._note_change()
        headers = {name.lower(): str(value) for name, value in context.invocation_metadata()}
        log = LoggedRequest(method.endpoint, "POST", path, {}, headers)
        if self.keep_log:
            self.requests.append(log)
        self.note_received()
        failure: GrpcError | None = None
        try:
            faults = self.faults_of(method.endpoint)
            if faults.delay_s > 0:
                await asyncio.sleep(faults.delay_s)
            if faults.status is not None:
                raise GrpcError(faults.status, retry_after_s=faults.retry_after_s)
            call = GrpcCall(self, method, context, log)
            self.check_key(call)
            await self.answer(call)
        except GrpcError as error:
            failure = error
        finally:
            self.open_streams -= 1
            self._note_change()
            log.open = False
        if failure is not None:
            # To gRPC's client a refusal that comes while it still writes is an error of its own.
            await asyncio.sleep(WRITES_S)
            await _abort(context, failure)

    def _note_change(self) -> None:
        if self.open_connections or self.open_streams:
            self._quiet.clear()
        else:
            self._quiet.set()


async def _abort(context: Any, error: GrpcError) -> None:
    code, default = _CODES.get(error.status, _CODES[500 if error.status >= 500 else 400])
    message = error.message or default
    status = status_pb2.Status(code=code.value[0], message=message)
    details: list[Any] = []
    if error.reason:
        details.append(error_details_pb2.ErrorInfo(reason=error.reason, domain="googleapis.com"))
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration(seconds=int(error.retry_after_s))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    await context.abort(code, message, (("grpc-status-details-bin", status.SerializeToString()),))
