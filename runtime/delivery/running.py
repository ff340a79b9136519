"""The relay of a server process: made of its services, begun, and ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from loguru import logger

from adapters.events.table import SinkOptions, open_sinks
from adapters.events.webhook import WebhookSink
from adapters.guard import AddressGuard, allows_private, guarded_client
from runtime.delivery.metrics import DeliveryMetrics
from runtime.delivery.relay import Relay, RelayLimits
from runtime.delivery.retry import RetryPolicy
from runtime.services import Services
from runtime.settings import Settings

STOP_TIMEOUT_S = 3.0
"""How long the last events may take to be delivered when the server stops, seconds; what is left is delivered later."""

_SINK_POLICY = RetryPolicy(longest_s=10.0)
"""For systems of the operator's own: they come back, and their events wait until then."""


def sink_options(settings: Settings) -> SinkOptions:
    """Return what the settings say of the sinks that are told of everything."""
    return SinkOptions(
        nats_url=settings.nats_url.get_secret_value(),
        nats_stream=settings.nats_stream,
        nats_subject_prefix=settings.nats_subject_prefix,
        nats_credentials=settings.nats_credentials,
    )


@asynccontextmanager
async def delivering(services: Services, *, limits: RelayLimits | None = None) -> AsyncIterator[None]:
    """Deliver events while the context lasts, and then what can be delivered at once.

    Args:
        services: What the process is made of.
        limits: How the relay works.

    Raises:
        InvalidField: A setting of a sink is wrong, or a package that it needs is not installed.
    """
    settings = services.settings
    limits = limits or RelayLimits()
    metrics = DeliveryMetrics()
    async with AsyncExitStack() as opened:
        sinks = open_sinks(sink_options(settings))
        for sink in sinks.values():
            opened.push_async_callback(sink.aclose)
        http = await opened.enter_async_context(
            guarded_client(
                AddressGuard(allow_private=allows_private(services.environ)),
                services.clients.ssl_context,
                timeout_s=settings.webhook_timeout_s,
                connect_timeout_s=settings.webhook_timeout_s,
                most_connections=limits.in_all,
            )
        )
        services.metrics.watch_engine(metrics)
        relay = Relay(
            services.store,
            sinks=sinks,
            webhook_sink=partial(WebhookSink, http=http, timeout_s=settings.webhook_timeout_s, clock=services.clock),
            clock=services.clock,
            webhook_policy=RetryPolicy(
                max_attempts=settings.webhook_max_attempts, max_age_s=settings.webhook_max_age_s
            ),
            sink_policy=_SINK_POLICY,
            nudged=services.webhooks_changed,
            metrics=metrics,
            limits=limits,
        )
        running = asyncio.create_task(relay.run(), name="event relay")
        try:
            yield
        finally:
            relay.stop()
            _, late = await asyncio.wait((running,), timeout=STOP_TIMEOUT_S)
            if late:
                logger.warning("some events are delivered later: a sink was slow when the server stopped")
                running.cancel()
            await asyncio.wait((running,))
