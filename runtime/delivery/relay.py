"""The relay: takes events from the outbox to the sinks, in order per AIcall and at least once.

Of all processes that share the database, one leads at a time, by a lease in the store. It puts each new event into the
queues of those who want it, and works on the queues: of each AIcall one event at a time, of each sink several AIcalls
at the same time, of all sinks together no more than a process can bear. Whatever it has in memory may be lost: what
was not settled in the store is delivered again, under the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from loguru import logger

from adapters.events.base import EventSink
from adapters.events.table import WEBHOOK
from adapters.store.base import Store
from adapters.store.deliveries.contract import webhook_of
from models.errors import AicallError, Conflict, Unavailable
from models.webhook import Webhook
from runtime.delivery.flights import Flights, Target
from runtime.delivery.metrics import DeliveryMetrics
from runtime.delivery.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """How the relay works.

    Attributes:
        lease_s: Time after which another process takes over from one that died, seconds.
        scan_s: How late is noticed what another process did with webhooks and dead letters, seconds.
        trouble_s: Pause after the store did not answer, seconds.
        page: Most events that are read from the outbox at once.
        per_sink: Most attempts of one sink at the same time.
        in_all: Most attempts at the same time.
    """

    lease_s: float = 10.0
    scan_s: float = 1.0
    trouble_s: float = 1.0
    page: int = 500
    per_sink: int = 8
    in_all: int = 512


_AT_ONCE = 8
"""Sinks whose queues are asked for at the same time."""

_WATCH_S = 30.0
"""Longest wait for an event before it is waited for anew, seconds."""


@dataclass(slots=True)
class _Work:
    """What the leader knows. All of it can be found in the store again.

    Attributes:
        cursor: Id of the last event that was put into queues.
        unread: Whether there may be events after it.
        listening: Whether anybody wants events.
        due: The sinks with something in their queues, and when to look next.
        next_lease_s: When the lease is renewed, seconds of the loop.
        next_scan_s: When everything is looked at again, seconds of the loop.
    """

    cursor: str = ""
    unread: bool = True
    listening: bool = True
    due: dict[str, datetime] = field(default_factory=dict)
    next_lease_s: float = 0.0
    next_scan_s: float = 0.0

    def look(self, sink_id: str, moment: datetime) -> None:
        """See to it that a sink's queue is looked at by then."""
        self.due[sink_id] = min(moment, self.due.get(sink_id, moment))


class Relay:
    """Delivers while it leads, and waits for its turn otherwise.

    Args:
        store: Holds the outbox, the queues and the lease.
        sinks: Those that are told of everything, by name.
        webhook_sink: Makes the sink of a webhook.
        clock: Returns the present moment, in UTC.
        webhook_policy: When a webhook is tried again.
        sink_policy: When the others are.
        nudged: Set by whoever changed webhooks or dead letters in this process.
        metrics: Where to count.
        limits: How it works.
        random: Returns a number from 0 up to 1.
    """

    def __init__(
        self,
        store: Store,
        *,
        sinks: Mapping[str, EventSink],
        webhook_sink: Callable[[Webhook], EventSink],
        clock: Callable[[], datetime],
        webhook_policy: RetryPolicy,
        sink_policy: RetryPolicy,
        nudged: asyncio.Event,
        metrics: DeliveryMetrics,
        limits: RelayLimits | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._sinks = sinks
        self._webhook_sink = webhook_sink
        self._clock = clock
        self._webhook_policy = webhook_policy
        self._sink_policy = sink_policy
        self._nudged = nudged
        self._metrics = metrics
        self._limits = limits or RelayLimits()
        self._holder = uuid4().hex
        self._wake = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._stopping = asyncio.Event()
        self._work = _Work()
        self._flights = Flights(
            clock=clock,
            random=random,
            metrics=metrics,
            ended=self._wake.set,
            per_sink=self._limits.per_sink,
            in_all=self._limits.in_all,
        )

    def stop(self) -> None:
        """Let `run` return once it has delivered what it can deliver now; what is to be tried again later stays."""
        self._stopping.set()
        self._work.unread = True
        self._wake.set()

    async def run(self) -> None:
        """Deliver until `stop`. A cancelled run breaks off what is on its way, which is delivered again later."""
        while not self._stopping.is_set():
            try:
                if await self._take_lease():
                    await self._lead()
                    continue
            except Conflict:
                logger.warning("another process delivers the events now")
            except Unavailable:
                logger.warning("the store does not answer; events wait")
            except Exception:  # noqa: BLE001
                # Whatever it was, events must not wait for ever.
                logger.exception("delivering events failed")
            await self._pause(self._limits.lease_s / 3)

    async def _take_lease(self) -> bool:
        now = self._clock()
        tm_expire = now + timedelta(seconds=self._limits.lease_s)
        led = await self._store.lead_relay(self._holder, now=now, tm_expire=tm_expire)
        self._work.next_lease_s = _loop_s() + self._limits.lease_s / 3
        return led

    async def _lead(self) -> None:
        """Work until told to stop.

        Raises:
            Conflict: Another process leads.
        """
        self._metrics.leads(True)
        self._work = _Work(next_lease_s=self._work.next_lease_s)
        self._caught_up.clear()
        helpers = [
            asyncio.create_task(self._watch(), name="outbox watch"),
            asyncio.create_task(self._hear_nudges(), name="webhook changes"),
        ]
        try:
            await self._work_on()
        finally:
            self._metrics.leads(False)
            for task in helpers:
                task.cancel()
            await asyncio.wait(helpers)
            await self._flights.aclose()
            with contextlib.suppress(Unavailable):
                await self._store.leave_relay(self._holder)

    async def _work_on(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._step()
            except Unavailable:
                logger.warning("the store does not answer; events wait")
                if self._stopping.is_set():
                    return
                await self._pause(self._limits.trouble_s)
                continue
            if self._stopping.is_set() and self._quiet():
                return
            await self._rest()

    async def _step(self) -> None:
        """Do everything that can be done now.

        Raises:
            Conflict: Another process leads.
            Unavailable: The store does not answer.
        """
        work = self._work
        renewed = _loop_s() >= work.next_lease_s
        if renewed and not await self._take_lease():
            raise Conflict("another process relays the events")
        await self._settle()
        if _loop_s() >= work.next_scan_s:
            await self._scan()
            work.next_scan_s = _loop_s() + self._limits.scan_s
        # Where nobody listens, the cursor follows at leisure.
        if work.unread and (work.listening or renewed):
            await self._read()
        await self._dispatch()

    async def _settle(self) -> None:
        settled = self._flights.unsettled
        if settled:
            await self._store.settle_deliveries(self._holder, settled, now=self._clock())
            self._flights.settled(settled)
            for one in settled:
                self._work.look(one.sink_id, self._clock())

    async def _scan(self) -> None:
        pending = await self._store.pending_deliveries()
        self._work.listening = pending.listening or bool(self._sinks)
        self._work.unread = self._work.unread or pending.unread
        for sink_id, moment in pending.due.items():
            # What is left of a system that the operator has unset stays where it is.
            if sink_id in self._sinks or webhook_of(sink_id) is not None:
                self._work.look(sink_id, moment)

    async def _read(self) -> None:
        # Before the store is asked: an event that comes meanwhile counts as unread.
        self._work.unread = False
        try:
            queued = await self._store.queue_deliveries(
                self._holder, now=self._clock(), limit=self._limits.page, sinks=list(self._sinks)
            )
        except BaseException:
            self._work.unread = True
            raise
        self._work.cursor, self._work.listening = queued.cursor, queued.listening
        for sink_id in queued.sinks:
            self._work.look(sink_id, self._clock())
        if queued.more:
            self._work.unread = True
            self._wake.set()
        elif queued.listening:
            self._caught_up.set()

    async def _dispatch(self) -> None:
        now = self._clock()
        due = [sink_id for sink_id, moment in self._work.due.items() if moment <= now]
        for first in range(0, len(due), _AT_ONCE):
            served = await asyncio.gather(*map(self._serve, due[first : first + _AT_ONCE]), return_exceptions=True)
            for failed in filter(None, served):
                raise failed

    async def _serve(self, sink_id: str) -> None:
        """Begin attempts of a sink, as many as there is room for."""
        room = self._flights.room(sink_id)
        resting = self._flights.rests_until(sink_id)
        if resting is not None:
            self._work.due[sink_id] = resting
        if not room or resting is not None:
            return
        # Taken out before the store is asked, so that a look that is due meanwhile is not forgotten.
        del self._work.due[sink_id]
        now = self._clock()
        try:
            found = await self._store.due_deliveries(sink_id, now=now, limit=room, without=self._flights.busy(sink_id))
        except BaseException as error:
            wait_s = self._limits.trouble_s
            self._work.look(sink_id, now + timedelta(seconds=wait_s))
            if not isinstance(error, AicallError) or isinstance(error, Unavailable):
                raise
            # A secret that cannot be read, say: the other sinks have nothing to do with it.
            logger.error("the queue of {} cannot be read: {}", sink_id, error.message)
            return
        target = self._target(sink_id, found.webhook)
        if target is None:
            return
        # Others took their share of the room meanwhile.
        room = self._flights.room(sink_id)
        for delivery in found.items[:room]:
            self._flights.start(target, delivery)
        if len(found.items) >= room:
            self._work.look(sink_id, now)
        elif found.tm_next is not None:
            self._work.look(sink_id, found.tm_next)

    def _target(self, sink_id: str, webhook: Webhook | None) -> Target | None:
        if webhook is not None:
            return Target(sink_id, WEBHOOK, self._webhook_sink(webhook), self._webhook_policy)
        sink = self._sinks.get(sink_id)
        return None if sink is None else Target(sink_id, sink_id, sink, self._sink_policy)

    def _quiet(self) -> bool:
        work, now = self._work, self._clock()
        to_do = any(moment <= now for moment in work.due.values())
        return self._flights.idle and not to_do and not (work.unread and work.listening)

    async def _rest(self) -> None:
        """Wait until there is something to do."""
        now, now_s = self._clock(), _loop_s()
        waits_s = [(moment - now).total_seconds() for moment in self._work.due.values() if moment > now]
        wait_s = min(*waits_s, self._work.next_lease_s - now_s, self._work.next_scan_s - now_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wait_s)):
                await self._wake.wait()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _watch(self) -> None:
        """Wake the leader when there are events after the cursor."""
        while True:
            await self._caught_up.wait()
            self._caught_up.clear()
            try:
                if await self._store.wait_events(after=self._work.cursor, timeout_s=_WATCH_S):
                    self._work.unread = True
                    self._wake.set()
                else:
                    self._caught_up.set()
            except Unavailable:
                await asyncio.sleep(self._limits.trouble_s)
                self._caught_up.set()

    async def _hear_nudges(self) -> None:
        while True:
            await self._nudged.wait()
            self._nudged.clear()
            self._work.next_scan_s = 0.0
            self._wake.set()


def _loop_s() -> float:
    return asyncio.get_running_loop().time()
