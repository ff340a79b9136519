"""The relay under any interleaving of events, failures, outages, deaths and takeovers (on virtual time)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from adapters.store.base import Store
from adapters.store.factory import create_store
from adapters.store.sqlite import MEMORY
from models.aicall import Aicall
from models.errors import DeliveryFailed, Unavailable
from models.event import Event
from runtime.delivery.retry import RetryPolicy
from tests.adapters.store.deliveries.contract import make_webhook, new_aicall
from tests.adapters.store.samples import KEY
from tests.runtime.delivery.relays import LIMITS, PuppetSink, add_event, make_relay
from tests.support.virtual_time import VirtualClockLoop

FOR_EVER = RetryPolicy(first_s=1.0, longest_s=8.0)
ENOUGH_S = 600.0
"""Time in which everything that can be delivered is, once nothing fails any more: of the loop, seconds."""


class Line:
    """A process's line to the store. While it is down, nothing gets through; an answer may get lost on its way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.up = True

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._check()
            answer = await method(*args, **kwargs)
            self._check()
            return answer

        return call

    def _check(self) -> None:
        if not self.up:
            raise Unavailable("the line is down")


class Moody:
    """What a sink does with each attempt: the given moods in turn, and from the end on only good ones."""

    def __init__(self, moods: Sequence[str]) -> None:
        self._moods = list(moods)
        self.arrived: list[Event] = []
        self.lost_answers = 0

    async def __call__(self, told: Event) -> None:
        mood = self._moods.pop(0) if self._moods else "good"
        if mood == "slow":
            await asyncio.sleep(3)
        if mood == "bad":
            raise DeliveryFailed("http_500")
        if mood == "busy":
            raise DeliveryFailed("http_429", retry_after_s=5)
        self.arrived.append(told)
        if mood == "answer lost":
            self.lost_answers += 1
            raise DeliveryFailed("timeout")


class Process:
    """A process that relays."""

    def __init__(self, store: Store, sinks: dict[str, PuppetSink], webhook_sinks: dict[Any, PuppetSink]) -> None:
        self.line = Line(store)
        relay = make_relay(
            cast("Store", self.line),
            sinks=sinks,
            webhook_sinks=webhook_sinks,
            webhook_policy=FOR_EVER,
            sink_policy=FOR_EVER,
            limits=replace(LIMITS, scan_s=3.0),
        )
        self.relay = relay
        self.running = asyncio.create_task(relay.run())

    async def die(self) -> None:
        """End as by SIGKILL: nothing reaches the store any more."""
        self.line.up = False
        self.running.cancel()
        await asyncio.wait((self.running,))

    async def stop(self) -> None:
        self.relay.stop()
        await asyncio.wait((self.running,), timeout=ENOUGH_S)
        assert self.running.done()


STEPS = st.one_of(
    st.tuples(st.just("event"), st.integers(0, 2)),
    st.tuples(st.just("sleep"), st.sampled_from([0.0, 0.01, 0.4, 2.0, 11.0])),
    st.tuples(st.just("kill"), st.integers(0, 1)),
    st.tuples(st.just("stop"), st.integers(0, 1)),
    st.tuples(st.just("outage"), st.sampled_from([0.01, 1.0, 30.0])),
)
MOODS = st.lists(st.sampled_from(["good", "bad", "busy", "slow", "answer lost"]), max_size=25)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=30), moods=MOODS, hook_moods=MOODS)
def test_every_event_arrives_in_order_whatever_happens(
    steps: list[tuple[str, Any]], moods: list[str], hook_moods: list[str]
) -> None:
    with asyncio.Runner(loop_factory=lambda: VirtualClockLoop(stall_s=60)) as runner:
        runner.run(live(steps, moods, hook_moods))


async def live(steps: list[tuple[str, Any]], moods: list[str], hook_moods: list[str]) -> None:
    store = create_store(MEMORY, secret_key=KEY)
    await store.open()
    webhook = make_webhook()
    await store.create_webhook(webhook)
    aicalls = [await new_aicall(store) for _ in range(3)]
    others = {"nats": Moody(moods), "webhook": Moody(hook_moods)}

    def process() -> Process:
        # A process's own sinks: what one has on its way does not stop another from sending the same.
        return Process(store, {"nats": PuppetSink(others["nats"])}, {webhook.id: PuppetSink(others["webhook"])})

    processes = [process(), process()]
    deaths = 0
    for kind, argument in steps:
        if kind == "event":
            await add_event(store, aicalls[argument])
        elif kind == "sleep":
            await asyncio.sleep(argument)
        elif kind == "outage":
            deaths += 1
            for one in processes:
                one.line.up = False
            await asyncio.sleep(argument)
            for one in processes:
                one.line.up = True
        else:
            if kind == "kill":
                deaths += 1
                await processes[argument].die()
            else:
                await processes[argument].stop()
            processes[argument] = process()
    async with asyncio.timeout(ENOUGH_S):
        await asyncio.gather(*(settled(store, other, aicalls) for other in others.values()))
    # Time for repeats that should not be.
    await asyncio.sleep(9)
    for one in processes:
        await one.stop()
    for other in others.values():
        repeats = check(await store.list_events(limit=1000, customer_id=None), other.arrived)
        event(f"repeats: {bool(repeats)}")
        if not deaths:
            assert repeats <= other.lost_answers
    assert (await store.pending_deliveries()).due == {}
    await store.close()


async def settled(store: Store, other: Moody, aicalls: list[Aicall]) -> None:
    """Wait until everything has arrived and its queue is empty."""
    expected = {one.id for one in await store.list_events(limit=1000, customer_id=None)}
    while {one.id for one in other.arrived} != expected or (await store.pending_deliveries()).due:  # noqa: ASYNC110
        await asyncio.sleep(1.0)


def check(expected: Sequence[Event], arrived: Sequence[Event]) -> int:
    """Check that everything arrived and, repeats left out, in order; return how many repeats there were."""
    assert {one.id for one in arrived} == {one.id for one in expected}
    first = list(dict.fromkeys(one.id for one in arrived))
    by_id = {one.id: one for one in arrived}
    for aicall_id in {one.aicall_id for one in expected}:
        sequences = [by_id[it].sequence for it in first if by_id[it].aicall_id == aicall_id]
        assert sequences == list(range(1, len(sequences) + 1))
    return len(arrived) - len(first)


def test_the_check_finds_what_is_wrong() -> None:
    aicall_id = make_webhook().id
    one, two = (
        Event(id=str(it), type="t", aicall_id=aicall_id, sequence=it, tm_create=make_webhook().tm_create, data={})
        for it in (1, 2)
    )
    assert check([one, two], [one, two, one]) == 1
    for wrong in ([two, one], [one], [two]):
        with contextlib.suppress(AssertionError):
            check([one, two], wrong)
            raise RuntimeError("not found")
