"""The attempts that run: which AIcalls of which sinks are on their way, and what became of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from loguru import logger

from adapters.events.base import EventSink
from adapters.store.deliveries.contract import Delivery, Outcome, Settlement
from models.errors import DeliveryFailed
from runtime.delivery.metrics import DeliveryMetrics
from runtime.delivery.retry import RetryPolicy

_UNEXPECTED = "error"
"""Code of a failure that the sink itself did not foresee."""


@dataclass(frozen=True, slots=True)
class Target:
    """A sink, and how to treat it.

    Attributes:
        sink_id: Its name in queues.
        kind: Its name in metrics.
        sink: The sink.
        policy: When what failed is tried again.
    """

    sink_id: str
    kind: str
    sink: EventSink
    policy: RetryPolicy


class Flights:
    """Runs attempts, each in a task of its own. An AIcall stays busy until what became of it is settled.

    Args:
        clock: Returns the present moment, in UTC.
        random: Returns a number from 0 up to 1.
        metrics: Where to count.
        ended: Called whenever an attempt has ended.
        per_sink: Most attempts of one sink at the same time.
        in_all: Most attempts at the same time.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        random: Callable[[], float],
        metrics: DeliveryMetrics,
        ended: Callable[[], None],
        per_sink: int,
        in_all: int,
    ) -> None:
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._ended = ended
        self._per_sink = per_sink
        self._in_all = in_all
        self._busy: defaultdict[str, set[UUID]] = defaultdict(set)
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsettled: list[Settlement] = []
        self._resting: dict[str, datetime] = {}

    @property
    def unsettled(self) -> Sequence[Settlement]:
        """What became of attempts and is not yet kept, in the order in which they ended."""
        return tuple(self._unsettled)

    @property
    def idle(self) -> bool:
        """Whether nothing runs and everything is settled."""
        return not self._busy

    def room(self, sink_id: str) -> int:
        """Return how many more attempts of a sink may run now."""
        busy_in_all = sum(map(len, self._busy.values()))
        return max(0, min(self._per_sink - len(self.busy(sink_id)), self._in_all - busy_in_all))

    def busy(self, sink_id: str) -> Collection[UUID]:
        """Return the AIcalls of a sink that are on their way or not yet settled."""
        return frozenset(self._busy.get(sink_id, ()))

    def rests_until(self, sink_id: str) -> datetime | None:
        """Return until when a sink asked to be left alone; None when it may be told."""
        until = self._resting.get(sink_id)
        if until is not None and until <= self._clock():
            del self._resting[sink_id]
            return None
        return until

    def start(self, target: Target, delivery: Delivery) -> None:
        """Begin an attempt. The AIcall must not be busy."""
        self._busy[target.sink_id].add(delivery.event.aicall_id)
        task = asyncio.create_task(self._attempt(target, delivery), name="event delivery")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._metrics.flying(len(self._tasks))

    def settled(self, kept: Sequence[Settlement]) -> None:
        """Note that the first of `unsettled` are kept: their AIcalls are free."""
        del self._unsettled[: len(kept)]
        for one in kept:
            self._busy[one.sink_id].discard(one.aicall_id)
            if not self._busy[one.sink_id]:
                del self._busy[one.sink_id]

    async def aclose(self) -> None:
        """Break off every attempt and forget what became of the others."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._busy.clear()
        self._unsettled.clear()
        self._resting.clear()
        self._metrics.flying(0)

    async def _attempt(self, target: Target, delivery: Delivery) -> None:
        event = delivery.event
        try:
            await target.sink.deliver(event, customer_id=delivery.customer_id)
            failed = None
        except DeliveryFailed as error:
            failed = error
        except Exception:  # noqa: BLE001
            # Whatever it was, the event is not lost, and the next attempt may succeed.
            logger.exception("a delivery to {} failed", target.kind)
            failed = DeliveryFailed(_UNEXPECTED)
        now = self._clock()
        settlement = self._judge(target, delivery, failed, now)
        self._metrics.attempted(target.kind, settlement.outcome, lag_s=(now - event.tm_create).total_seconds())
        self._unsettled.append(settlement)
        self._metrics.flying(len(self._tasks) - 1)
        self._ended()

    def _judge(self, target: Target, delivery: Delivery, failed: DeliveryFailed | None, now: datetime) -> Settlement:
        event, policy, attempts = delivery.event, target.policy, delivery.attempts + 1
        if failed is None:
            return Settlement(target.sink_id, event.id, event.aicall_id, Outcome.DELIVERED)
        if failed.retry_after_s is not None:
            rest_s = min(failed.retry_after_s, policy.longest_rest_s)
            self._resting[target.sink_id] = now + timedelta(seconds=rest_s)
        tm_due = None
        if failed.gone:
            outcome = Outcome.GONE
        elif not failed.retryable or policy.gives_up(attempts, (now - delivery.tm_create).total_seconds()):
            outcome = Outcome.DEAD
        else:
            outcome = Outcome.RETRY
            tm_due = now + timedelta(seconds=policy.wait_s(attempts, self._random, failed.retry_after_s))
        if outcome is not Outcome.RETRY:
            logger.warning("event {} was given up for {} {}: {}", event.id, target.kind, target.sink_id, failed.code)
        return Settlement(target.sink_id, event.id, event.aicall_id, outcome, tm_due, failed.code)
