"""Random lives of AIcalls, moved by many tasks and two stores on one file at once: no event is lost or told twice."""

import asyncio
import tempfile
from collections import Counter
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from adapters.store.base import Store
from adapters.store.factory import create_store
from models.errors import IllegalTransition
from models.event import Event, NewEvent
from models.status import TRANSITIONS, AicallStatus
from tests.adapters.store.samples import KEY, at, make_message, stored_aicall

actions = st.tuples(st.integers(0, 1), st.sampled_from([*AicallStatus, "message", "event"]))


class Races(RuleBasedStateMachine):
    """The model: how often each kind of event was acknowledged, per AIcall."""

    aicalls = Bundle("aicalls")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.Runner()
        self.stores: list[Store] = [create_store(f"{self.folder.name}/races.db", secret_key=KEY) for _ in range(2)]
        self.told: dict[UUID, Counter[str]] = {}
        self.loop.run(self.both(*(store.open() for store in self.stores)))

    @staticmethod
    async def both(*awaitables: Any) -> list[Any]:
        return await asyncio.gather(*awaitables)

    @rule(target=aicalls, store=st.integers(0, 1))
    def create(self, store: int) -> Any:
        aicall = self.loop.run(stored_aicall(self.stores[store]))
        self.told[aicall.id] = Counter({"aicall_status_initiating": 1})
        return aicall

    @rule(aicall=aicalls, batch=st.lists(actions, min_size=1, max_size=8))
    def act_at_once(self, aicall: Any, batch: list[tuple[int, str]]) -> None:
        async def act(store: Store, action: str) -> str | None:
            if action == "message":
                return (await store.add_message(make_message(aicall))).type
            if action == "event":
                event = NewEvent(type="aicall_turn_completed", aicall_id=aicall.id, tm_create=at(), data={})
                return (await store.add_event(event)).type
            try:
                moved = await store.move_aicall(aicall.id, AicallStatus(action), now=at())
            except IllegalTransition:
                return None
            return f"aicall_status_{moved.status}"

        results = self.loop.run(self.both(*(act(self.stores[store], action) for store, action in batch)))
        self.told[aicall.id].update(result for result in results if result is not None)

    @invariant()
    def events_tell_exactly_what_happened(self) -> None:
        store = self.stores[0]
        events: list[Event] = self.loop.run(store.list_events(limit=10_000, customer_id=None))
        ids = [int(event.id) for event in events]
        assert ids == sorted(set(ids))
        for aicall_id, told in self.told.items():
            own = [event for event in events if event.aicall_id == aicall_id]
            assert [event.sequence for event in own] == list(range(1, len(own) + 1))
            assert Counter(event.type for event in own) == told
            path = [
                AicallStatus(event.type.removeprefix("aicall_status_"))
                for event in own
                if event.type.startswith("aicall_status_")
            ]
            assert all(target in TRANSITIONS[source] for source, target in pairwise(path))
            row = self.loop.run(store.get_aicall(aicall_id, customer_id=None))
            assert row.status is path[-1]
            messages = self.loop.run(store.list_messages(aicall_id, customer_id=None, page_size=1000)).items
            assert len(messages) == told["aimessage_created"]

    def teardown(self) -> None:
        self.loop.run(self.both(*(store.close() for store in self.stores)))
        self.loop.close()
        self.folder.cleanup()


TestRaces = Races.TestCase
TestRaces.settings = settings(max_examples=15, stateful_step_count=12)
