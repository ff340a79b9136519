"""Random lives of AIcalls, moved by many tasks, stores and processes at once: no event is lost or told twice."""

import asyncio
import os
import signal
import sys
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from adapters.store.base import Store
from adapters.store.factory import create_store
from models.errors import IllegalTransition
from models.event import Event, NewEvent
from models.status import TRANSITIONS, AicallStatus
from tests.adapters.store.samples import CUSTOMER, KEY, at, make_message, stored_aicall
from tests.support.postgresql_server import PostgresqlServer

# Processes are started and databases made: a matter of seconds, and of minutes on a machine that is busy.
pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[3]

actions = st.tuples(st.integers(0, 1), st.sampled_from([*AicallStatus, "message", "event"]))


def path_of(events: list[Event]) -> list[AicallStatus]:
    """The statuses that an AIcall's events tell of, after a check that none of them is missing or illegal."""
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    prefix = "aicall_status_"
    path = [AicallStatus(event.type.removeprefix(prefix)) for event in events if event.type.startswith(prefix)]
    assert path[0] is AicallStatus.INITIATING
    assert all(target in TRANSITIONS[source] for source, target in pairwise(path))
    return path


class Races(RuleBasedStateMachine):
    """The model: how often each kind of event was acknowledged, per AIcall."""

    aicalls = Bundle("aicalls")

    def __init__(self, server: PostgresqlServer | None) -> None:
        super().__init__()
        self.server = server
        self.folder = tempfile.TemporaryDirectory()
        self.url = server.create_database() if server else f"{self.folder.name}/races.db"
        self.loop = asyncio.Runner()
        self.stores: list[Store] = [create_store(self.url, secret_key=KEY) for _ in range(2)]
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
            assert Counter(event.type for event in own) == told
            row = self.loop.run(store.get_aicall(aicall_id, customer_id=None))
            assert row.status is path_of(own)[-1]
            messages = self.loop.run(store.list_messages(aicall_id, customer_id=None, page_size=1000)).items
            assert len(messages) == told["aimessage_created"]

    def teardown(self) -> None:
        self.loop.run(self.both(*(store.close() for store in self.stores)))
        self.loop.close()
        self.folder.cleanup()
        if self.server:
            self.server.drop_database(self.url)


@pytest.mark.parametrize(("kind", "lives"), [("file", 15), ("postgresql", 5)])
def test_races(kind: str, lives: int, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgresql_server") if kind == "postgresql" else None
    run_state_machine_as_test(
        lambda: Races(server), settings=settings(max_examples=lives, stateful_step_count=12, deadline=None)
    )


CHILD = """
import asyncio, random, sys
from uuid import UUID
from adapters.store.factory import create_store
from models.errors import IllegalTransition
from models.status import AicallStatus
from tests.adapters.store.samples import CUSTOMER, KEY, at, make_message

LIVING = [AicallStatus.PROGRESSING, AicallStatus.PAUSING, AicallStatus.RESUMING]

async def main(url, seed, *ids):
    store = create_store(url, secret_key=KEY)
    await store.open()
    choose = random.Random(seed)
    async def push(aicall_id):
        aicall = await store.get_aicall(UUID(aicall_id), customer_id=CUSTOMER)
        while True:
            target = choose.choice([*AicallStatus, *LIVING * 3])
            try:
                await store.move_aicall(aicall.id, target, now=at())
            except IllegalTransition as error:
                if error.source is AicallStatus.TERMINATED:
                    return
            else:
                sys.stdout.write(f"{target} {aicall_id}\\n")
            await store.add_message(make_message(aicall))
            sys.stdout.write(f"message {aicall_id}\\n")
            sys.stdout.flush()
    await asyncio.gather(*(push(aicall_id) for aicall_id in ids))
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_processes_that_move_the_same_aicalls_agree(shared_database_url: str) -> None:
    """Three processes move the same AIcalls to their end; one of them is killed in the middle."""
    store = create_store(shared_database_url, secret_key=KEY)
    await store.open()
    aicalls = [await stored_aicall(store) for _ in range(4)]
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", CHILD, shared_database_url, str(seed), *(str(aicall.id) for aicall in aicalls)),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
        )
        for seed in range(3)
    ]
    killed, *others = children
    assert killed.stdout is not None
    lines = [(await killed.stdout.readline()).decode() for _ in range(5)]
    killed.send_signal(signal.SIGKILL)
    outputs = [output.decode() for output, _ in await asyncio.gather(*(child.communicate() for child in others))]
    lines += (await killed.stdout.read()).decode().splitlines(keepends=True)
    assert await killed.wait() == -signal.SIGKILL
    assert [child.returncode for child in others] == [0, 0]
    acknowledged = Counter(line for text in ("".join(lines), *outputs) for line in text.splitlines())
    events = await store.list_events(limit=100_000, customer_id=CUSTOMER)
    assert [int(event.id) for event in events] == sorted({int(event.id) for event in events})
    for aicall in aicalls:
        own = [event for event in events if event.aicall_id == aicall.id]
        path = path_of(own)
        assert path[-1] is AicallStatus.TERMINATED
        happened = Counter(path[1:])
        happened["message"] = sum(event.type == "aimessage_created" for event in own)
        unheard = Counter(happened)
        unheard.subtract({what: number for what in happened if (number := acknowledged[f"{what} {aicall.id}"])})
        assert min(unheard.values()) >= 0, "what was acknowledged is there"
        assert sum(unheard.values()) <= 2, "nothing happened twice; the killed process may not have told of its last"
    await store.close()
