"""What every event sink must do. A module derives its class from `SinkContract` and says how its system is made."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.events.base import EventSink, envelope
from models.errors import DeliveryFailed
from models.event import Event
from tests.adapters.store.samples import CUSTOMER, at

TIMEOUT_S = 2.0
"""What the sinks under test are given for a delivery, seconds."""

PATIENCE_S = 20.0
"""For what must come on a busy machine, seconds."""


def make_event(sequence: int = 1, aicall_id: UUID | None = None, **fields: Any) -> Event:
    return Event(
        **{
            "id": str(1000 + sequence),
            "type": "aicall_variables_set",
            "aicall_id": aicall_id or uuid4(),
            "sequence": sequence,
            "tm_create": at(0.5),
            "data": {"text": "Grüße 👋", "nested": [1, {"two": None}]},
            **fields,
        }
    )


@dataclass(frozen=True)
class Arrived:
    """What the other side keeps of an event.

    Attributes:
        id: By which it tells repeats.
        body: The exact bytes.
    """

    id: str
    body: bytes


class Peer(ABC):
    """The other side of a sink, under a test's control."""

    sink: EventSink

    @abstractmethod
    async def arrived(self) -> Sequence[Arrived]:
        """What was acknowledged, in order."""

    @abstractmethod
    async def go_away(self) -> None:
        """Refuse connections, and break those that there are."""

    @abstractmethod
    async def come_back(self) -> None:
        """Work again."""

    @abstractmethod
    async def stall(self) -> None:
        """Take what comes and answer nothing, until `come_back`."""


class SinkContract:
    """The suite. `peer` is the other side, up, with a sink that was just made for it."""

    def running(self, request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Peer]:
        """Run the other side while the context lasts."""
        raise NotImplementedError

    @pytest.fixture
    async def peer(self, request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
        async with self.running(request) as peer:
            yield peer
            await peer.sink.aclose()

    async def delivered(self, peer: Peer, event: Event) -> None:
        """Deliver, as often as it takes."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await peer.sink.deliver(event, customer_id=CUSTOMER)
                except DeliveryFailed:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def test_the_envelope_arrives_as_it_is(self, peer: Peer) -> None:
        event = make_event()
        await peer.sink.deliver(event, customer_id=CUSTOMER)
        (arrived,) = await peer.arrived()
        assert arrived == Arrived(event.id, envelope(event))
        assert json.loads(arrived.body) == event.public()

    async def test_what_was_acknowledged_stays_in_order(self, peer: Peer) -> None:
        aicall_id = uuid4()
        events = [make_event(sequence, aicall_id) for sequence in range(1, 8)]
        for event in events:
            await peer.sink.deliver(event, customer_id=CUSTOMER)
        assert [one.id for one in await peer.arrived()] == [event.id for event in events]

    async def test_many_at_the_same_time(self, peer: Peer) -> None:
        events = [make_event(sequence) for sequence in range(1, 30)]
        await asyncio.gather(*(peer.sink.deliver(event, customer_id=CUSTOMER) for event in events))
        assert {one.id for one in await peer.arrived()} == {event.id for event in events}

    async def test_a_large_event(self, peer: Peer) -> None:
        event = make_event(data={"text": "é" * 100_000})
        await peer.sink.deliver(event, customer_id=CUSTOMER)
        (arrived,) = await peer.arrived()
        assert json.loads(arrived.body) == event.public()

    async def test_nobody_there_is_a_failure_and_passes(self, peer: Peer) -> None:
        await peer.go_away()
        for _ in range(2):
            with pytest.raises(DeliveryFailed) as failed:
                await peer.sink.deliver(make_event(), customer_id=CUSTOMER)
            assert failed.value.retryable
            assert not failed.value.gone
        await peer.come_back()
        await self.delivered(peer, make_event(2))
        assert [one.id for one in await peer.arrived()] == ["1002"]

    async def test_a_connection_that_breaks_is_made_again(self, peer: Peer) -> None:
        await self.delivered(peer, make_event(1))
        await peer.go_away()
        with pytest.raises(DeliveryFailed):
            await peer.sink.deliver(make_event(2), customer_id=CUSTOMER)
        await peer.come_back()
        await self.delivered(peer, make_event(2))
        assert [one.id for one in await peer.arrived()] == ["1001", "1002"]

    async def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(self, peer: Peer) -> None:
        await self.delivered(peer, make_event(1))
        await peer.stall()
        with pytest.raises(DeliveryFailed) as failed:
            async with asyncio.timeout(PATIENCE_S):
                await peer.sink.deliver(make_event(2), customer_id=CUSTOMER)
        assert failed.value.code == "timeout"
        await peer.come_back()
        await self.delivered(peer, make_event(3))
        assert (await peer.arrived())[-1].id == "1003"

    async def test_a_cancelled_delivery_leaves_the_sink_usable(self, peer: Peer) -> None:
        await peer.stall()
        going = asyncio.create_task(peer.sink.deliver(make_event(1), customer_id=CUSTOMER))
        await asyncio.sleep(0.1)
        going.cancel()
        await asyncio.wait((going,))
        await peer.come_back()
        await self.delivered(peer, make_event(2))
        assert (await peer.arrived())[-1].id == "1002"

    async def test_it_closes_twice_and_unused(self, peer: Peer) -> None:
        await peer.sink.aclose()
        await peer.sink.aclose()
        assert await peer.arrived() == []
