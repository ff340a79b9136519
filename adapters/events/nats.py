"""NATS JetStream: every event published to the subject of its type, and acknowledged by the stream that keeps it.

https://docs.nats.io/nats-concepts/jetstream. ``Nats-Msg-Id`` is the event's id, by which the stream drops repeats
within its duplicate window.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from loguru import logger

from adapters.events.base import EventSink, envelope
from models.errors import DeliveryFailed, InvalidField
from models.event import Event

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js.client import JetStreamContext

CUSTOMER_HEADER = "Aicall-Customer-Id"
"""Header that says whose AIcall an event is of."""

_PENDING_BYTES = 0
"""What is published while there is no connection is refused at once and not kept: whoever delivers tries again."""

_DUPLICATE_WINDOW_S = 600.0
"""How long a stream that is made here remembers ids, seconds: longer than a takeover by another process."""


@dataclass(frozen=True, slots=True)
class NatsOptions:
    """Where and how to publish.

    Attributes:
        url: ``nats://``, ``tls://`` or ``ws(s)://`` URLs of the servers of one cluster, separated by commas.
        stream: Name of the stream; made if it is missing, and left as it is otherwise.
        subject_prefix: What stands before an event's type in its subject.
        credentials: A credentials file (JWT and seed); None for none, or for a user or token in the URL.
        timeout_s: Longest wait for a connection and for an acknowledgement, seconds.
        reconnect_wait_s: Between two tries to connect again, seconds.
    """

    url: str = field(repr=False)
    stream: str = "AICALL"
    subject_prefix: str = "aicall.events"
    credentials: Path | None = None
    timeout_s: float = 5.0
    reconnect_wait_s: float = 1.0


class NatsSink(EventSink):
    """One stream. It connects at the first delivery, and again whenever the connection is lost.

    Args:
        options: Where and how to publish.

    Raises:
        InvalidField: The package ``nats-py`` is not installed; names ``nats_url``.
    """

    def __init__(self, options: NatsOptions) -> None:
        try:
            self._nats: Any = import_module("nats")
        except ImportError:
            raise InvalidField("nats_url", "needs the package nats-py: pip install 'aicall-runtime[nats]'") from None
        self._options = options
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None
        self._connecting = asyncio.Lock()
        self._closed = False

    async def deliver(self, event: Event, *, customer_id: UUID) -> None:
        """Publish one event and wait for the stream's acknowledgement.

        Raises:
            DeliveryFailed: There is no connection, or no acknowledgement came in time.
        """
        stream = await self._ready()
        headers = {"Nats-Msg-Id": event.id, CUSTOMER_HEADER: str(customer_id)}
        subject = f"{self._options.subject_prefix}.{event.type}"
        timeout_s = self._options.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await stream.publish(
                    subject, envelope(event), timeout=timeout_s, stream=self._options.stream, headers=headers
                )
        except (TimeoutError, self._nats.errors.TimeoutError):
            raise DeliveryFailed("timeout") from None
        except self._nats.js.errors.NoStreamResponseError:
            # Somebody deleted it while we were connected: it is made anew at the next try.
            self._stream = None
            raise DeliveryFailed("no_stream") from None
        except self._nats.errors.MaxPayloadError:
            raise DeliveryFailed("too_large", retryable=False) from None
        except (self._nats.errors.Error, OSError, ValueError) as error:
            raise DeliveryFailed(_code(error)) from None

    async def aclose(self) -> None:
        """Close the connection."""
        self._closed = True
        async with self._connecting:
            client, self._client, self._stream = self._client, None, None
            if client is not None:
                await client.close()

    async def _ready(self) -> JetStreamContext:
        async with self._connecting:
            if self._closed:
                raise DeliveryFailed("closed")
            try:
                async with asyncio.timeout(self._options.timeout_s):
                    return await self._connected()
            except (TimeoutError, self._nats.errors.TimeoutError):
                raise DeliveryFailed("timeout") from None
            except (self._nats.errors.Error, OSError) as error:
                raise DeliveryFailed(_code(error)) from None

    async def _connected(self) -> JetStreamContext:
        if self._client is not None and self._client.is_closed:
            self._client, self._stream = None, None
        if self._client is None:
            self._client = await self._connect()
        if not self._client.is_connected:
            raise DeliveryFailed("unreachable")
        if self._stream is None:
            stream = self._client.jetstream(timeout=self._options.timeout_s)
            await self._ensure_stream(stream)
            self._stream = stream
        return self._stream

    async def _connect(self) -> Client:
        client: Client = self._nats.NATS()
        try:
            await client.connect(
                servers=_servers(self._options.url),
                name="aicall",
                connect_timeout=max(1, round(self._options.timeout_s)),
                reconnect_time_wait=self._options.reconnect_wait_s,  # type: ignore[arg-type]
                max_reconnect_attempts=-1,
                allow_reconnect=True,
                pending_size=_PENDING_BYTES,
                user_credentials=str(self._options.credentials) if self._options.credentials else None,
                error_cb=_on_error,
                disconnected_cb=_on_disconnected,
                reconnected_cb=_on_reconnected,
            )
        except BaseException:
            await client.close()
            raise
        return client

    async def _ensure_stream(self, stream: JetStreamContext) -> None:
        try:
            await stream.stream_info(self._options.stream)
        except self._nats.js.errors.NotFoundError:
            config = self._nats.js.api.StreamConfig(
                name=self._options.stream,
                subjects=[f"{self._options.subject_prefix}.>"],
                duplicate_window=_DUPLICATE_WINDOW_S,
            )
            await stream.add_stream(config)


def _servers(url: str) -> list[str]:
    return [one.strip() for one in url.split(",") if one.strip()]


def _code(error: Exception) -> str:
    return "unreachable" if isinstance(error, OSError) else "refused"


async def _on_error(error: Exception) -> None:
    logger.warning("the connection to NATS: {}", type(error).__name__)


async def _on_disconnected() -> None:
    logger.warning("the connection to NATS is lost")


async def _on_reconnected() -> None:
    logger.info("the connection to NATS is back")
