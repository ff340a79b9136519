from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from adapters.store.deliveries.contract import Delivery, Outcome
from models.errors import DeliveryFailed
from models.event import Event
from runtime.delivery.flights import Flights, Target
from runtime.delivery.metrics import DeliveryMetrics
from tests.adapters.events.contract import make_event
from tests.adapters.store.samples import CUSTOMER, at
from tests.runtime.delivery.relays import WEBHOOK_POLICY, PuppetSink, loop_clock, until

pytestmark = pytest.mark.virtual_time


def make_flights(ended: asyncio.Event | None = None, in_all: int = 4) -> Flights:
    return Flights(
        clock=loop_clock,
        random=lambda: 1.0,
        metrics=DeliveryMetrics(),
        ended=(ended or asyncio.Event()).set,
        per_sink=3,
        in_all=in_all,
    )


def target(sink: PuppetSink, sink_id: str = "nats") -> Target:
    return Target(sink_id, "nats", sink, WEBHOOK_POLICY)


def delivery(sequence: int = 1, attempts: int = 0) -> Delivery:
    return Delivery(make_event(sequence), CUSTOMER, attempts, at())


async def test_an_aicall_is_busy_until_it_is_settled() -> None:
    ended = asyncio.Event()
    flights, one = make_flights(ended), delivery()
    assert flights.idle
    flights.start(target(PuppetSink()), one)
    assert flights.busy("nats") == {one.event.aicall_id}
    assert flights.room("nats") == 2
    await ended.wait()
    (settled,) = flights.unsettled
    assert (settled.sink_id, settled.event_id, settled.outcome) == ("nats", one.event.id, Outcome.DELIVERED)
    assert flights.busy("nats")
    assert not flights.idle
    flights.settled([settled])
    assert flights.idle
    assert flights.room("nats") == 3
    await flights.aclose()


async def test_room_ends_with_the_sinks_and_with_that_of_all() -> None:
    async def stall(event: Event) -> None:
        await asyncio.Event().wait()

    flights = make_flights()
    for sequence in range(3):
        flights.start(target(PuppetSink(stall)), delivery(sequence))
    assert (flights.room("nats"), flights.room("other")) == (0, 1)
    flights.start(target(PuppetSink(stall), "other"), delivery())
    assert flights.room("third") == 0
    await flights.aclose()
    assert flights.idle
    assert flights.unsettled == ()


@pytest.mark.parametrize(
    ("failed", "attempts", "outcome", "due_s"),
    [
        (DeliveryFailed("http_500"), 0, Outcome.RETRY, 1.0),
        (DeliveryFailed("http_500"), 2, Outcome.RETRY, 4.0),
        (DeliveryFailed("http_500"), 3, Outcome.DEAD, None),
        (DeliveryFailed("http_429", retry_after_s=9), 0, Outcome.RETRY, 9.0),
        (DeliveryFailed("too_large", retryable=False), 0, Outcome.DEAD, None),
        (DeliveryFailed("gone", gone=True), 0, Outcome.GONE, None),
        (ValueError("a bug"), 0, Outcome.RETRY, 1.0),
    ],
)
async def test_what_becomes_of_a_failure(
    failed: Exception, attempts: int, outcome: Outcome, due_s: float | None
) -> None:
    async def fail(event: Event) -> None:
        raise failed

    flights = make_flights()
    flights.start(target(PuppetSink(fail)), delivery(attempts=attempts))
    await until(lambda: flights.unsettled)
    (settled,) = flights.unsettled
    assert settled.outcome is outcome
    assert settled.tm_due == (None if due_s is None else at(due_s))
    assert settled.error == getattr(failed, "code", "error")
    await flights.aclose()


async def test_a_sink_rests_as_long_as_it_asked() -> None:
    async def busy(event: Event) -> None:
        raise DeliveryFailed("http_503", retry_after_s=5)

    flights = make_flights()
    assert flights.rests_until("nats") is None
    flights.start(target(PuppetSink(busy)), delivery())
    await until(lambda: flights.unsettled)
    assert flights.rests_until("nats") == at(5)
    assert flights.rests_until("other") is None
    await asyncio.sleep(5)
    assert flights.rests_until("nats") is None
    await flights.aclose()


async def test_only_what_was_kept_is_free() -> None:
    flights = make_flights()
    for sequence in (1, 2):
        flights.start(target(PuppetSink()), delivery(sequence))
    await until(lambda: len(flights.unsettled) == 2)
    first = flights.unsettled[:1]
    flights.settled(first)
    assert [one.event_id for one in flights.unsettled] == ["1002"]
    assert len(flights.busy("nats")) == 1
    assert uuid4() not in flights.busy("nats")
    await flights.aclose()
