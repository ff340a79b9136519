"""A relay for tests: on a real store, with sinks that a test controls or real ones."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from adapters.events.base import EventSink
from adapters.store.base import Store
from models.aicall import Aicall
from models.event import Event, NewEvent
from models.webhook import Webhook
from runtime.delivery.metrics import DeliveryMetrics
from runtime.delivery.relay import Relay, RelayLimits
from runtime.delivery.retry import RetryPolicy
from tests.adapters.store.samples import at

LIMITS = RelayLimits(lease_s=9.0, scan_s=1.0, trouble_s=0.5, page=7, per_sink=3, in_all=5)
WEBHOOK_POLICY = RetryPolicy(first_s=1.0, longest_s=8.0, longest_rest_s=60.0, max_attempts=4, max_age_s=600.0)
SINK_POLICY = RetryPolicy(first_s=1.0, longest_s=4.0)


def loop_clock() -> datetime:
    """The time of the running loop, virtual or not, as a moment."""
    return at(asyncio.get_running_loop().time())


class PuppetSink(EventSink):
    """A sink whose every delivery does what a test says.

    Args:
        behave: Called for each attempt, before the event counts as delivered; raises what the attempt fails with.
    """

    def __init__(self, behave: Callable[[Event], Awaitable[None]] | None = None) -> None:
        self._behave = behave
        self.attempts: list[tuple[float, Event]] = []
        self.delivered: list[Event] = []
        self.running: defaultdict[UUID, int] = defaultdict(int)
        self.most_running = 0

    async def deliver(self, event: Event, *, customer_id: UUID) -> None:
        assert not self.running[event.aicall_id], "two events of one AIcall are on their way at the same time"
        self.running[event.aicall_id] += 1
        self.most_running = max(self.most_running, sum(self.running.values()))
        try:
            self.attempts.append((asyncio.get_running_loop().time(), event))
            if self._behave is not None:
                await self._behave(event)
            self.delivered.append(event)
        finally:
            self.running[event.aicall_id] -= 1

    async def aclose(self) -> None: ...

    def sequences(self, aicall: Aicall) -> list[int]:
        """The sequences of an AIcall's delivered events, repeats included."""
        return [event.sequence for event in self.delivered if event.aicall_id == aicall.id]

    def tried_at(self, event_id: str) -> list[float]:
        """When an event was tried, seconds of the loop."""
        return [moment for moment, event in self.attempts if event.id == event_id]


def make_relay(
    store: Store,
    *,
    sinks: Mapping[str, EventSink] | None = None,
    webhook_sinks: Mapping[UUID, EventSink] | None = None,
    **changes: Any,
) -> Relay:
    """Make a relay on the running loop's time."""

    def webhook_sink(webhook: Webhook) -> EventSink:
        return (webhook_sinks or {})[webhook.id]

    return Relay(
        store,
        **{
            "sinks": sinks or {},
            "webhook_sink": webhook_sink,
            "clock": loop_clock,
            "webhook_policy": WEBHOOK_POLICY,
            "sink_policy": SINK_POLICY,
            "nudged": asyncio.Event(),
            "metrics": DeliveryMetrics(),
            "limits": LIMITS,
            "random": lambda: 1.0,
            **changes,
        },
    )


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    """Run a relay while the context lasts, then stop it in good order."""
    running = asyncio.create_task(relay.run())
    try:
        yield running
    finally:
        relay.stop()
        await asyncio.wait((running,), timeout=30)
        running.cancel()
        await asyncio.wait((running,))


async def add_event(store: Store, aicall: Aicall, event_type: str = "aicall_variables_set") -> Event:
    new = NewEvent(type=event_type, aicall_id=aicall.id, tm_create=loop_clock(), data={})
    return await store.add_event(new)


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Let the loop run until a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
