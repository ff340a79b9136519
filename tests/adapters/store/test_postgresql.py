"""What is PostgreSQL's own: the order of events between processes, outages, and what it cannot keep."""

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, make_url, select

from adapters.store.factory import create_store
from adapters.store.postgresql import WRITERS, PostgresqlDatabase
from adapters.store.secrets import SecretBox
from adapters.store.sql_aicalls import insert_aicall
from adapters.store.sql_events import append_event, select_events
from adapters.store.sqlalchemy_store import SqlAlchemyStore
from adapters.store.tables import events, store_values
from models.aicall import Aicall
from models.errors import InvalidField, Unavailable
from models.event import NewEvent
from tests.adapters.store.samples import (
    CUSTOMER,
    KEY,
    at,
    make_ai,
    make_aicall,
    make_grant,
    make_message,
    stored_aicall,
)
from tests.adapters.vendors import captured_log
from tests.support.postgresql_server import PASSWORD, PostgresqlServer

# Servers and processes are started: a matter of seconds, and of minutes on a machine that is busy.
pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[3]
CHILD = """
import asyncio, sys
from adapters.store.factory import create_store
from tests.adapters.store.samples import KEY, stored_aicall

async def main():
    store = create_store(sys.argv[1], secret_key=KEY)
    await store.open()
    await stored_aicall(store)
    await store.close()

asyncio.run(main())
"""


def make(url: str, **options: float) -> PostgresqlDatabase:
    return PostgresqlDatabase(make_url(url).set(drivername="postgresql+psycopg"), **options)


@pytest.fixture
async def databases(postgresql_url: str) -> AsyncIterator[list[PostgresqlDatabase]]:
    """Two processes' views of one database."""
    both = [make(postgresql_url) for _ in range(2)]
    await asyncio.gather(*(database.open() for database in both))
    yield both
    await asyncio.gather(*(database.close() for database in both))


@pytest.fixture
async def outage(own_postgresql_server: PostgresqlServer) -> AsyncIterator[tuple[PostgresqlServer, PostgresqlDatabase]]:
    """A database whose server the test stops and holds."""
    database = make(own_postgresql_server.create_database(), answer_timeout_s=0.5)
    await database.open()
    yield own_postgresql_server, database
    await database.close()


def create(aicall: Aicall) -> Callable[[Connection], Any]:
    return lambda connection: insert_aicall(connection, aicall, None, "")


def noted(aicall: Aicall, type_: str = "noted") -> Callable[[Connection], Any]:
    return lambda connection: append_event(
        connection, NewEvent(type=type_, aicall_id=aicall.id, tm_create=at(), data={})
    )


def put(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.execute(insert(store_values), {"name": name, "value": ""})
        return name

    return work


def names(connection: Connection) -> list[str]:
    return sorted(connection.execute(select(store_values.c.name)).scalars())


def types(connection: Connection) -> list[str]:
    return [event.type for event in select_events(connection, after=0, limit=100, customer_id=None, aicall_id=None)]


async def usable(database: PostgresqlDatabase) -> list[str]:
    """Read until the database answers again."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await database.read(types)
            except Unavailable:
                await asyncio.sleep(0.05)


async def test_events_become_visible_in_the_order_of_their_ids(databases: list[PostgresqlDatabase]) -> None:
    ours, theirs = databases
    slow, quick = make_aicall(), make_aicall()
    for aicall in (slow, quick):
        await ours.write(create(aicall))
    appended, go_on = threading.Event(), threading.Event()

    def hesitate(connection: Connection) -> None:
        noted(slow, "slow")(connection)
        appended.set()
        go_on.wait(20)

    first = asyncio.create_task(ours.write(hesitate))
    await asyncio.to_thread(appended.wait, 20)
    second = asyncio.create_task(theirs.write(noted(quick, "quick")))
    # What appends no event does not wait, in whatever process.
    for database in databases:
        await database.write(put(f"free {id(database)}"))
    ids = await ours.read(lambda connection: connection.execute(select(func.max(events.c.id))).scalar_one())
    assert (ids, second.done(), first.done()) == (2, False, False)
    go_on.set()
    await asyncio.gather(first, second)
    assert (await theirs.read(types))[2:] == ["slow", "quick"]


async def test_a_transaction_that_another_one_undid_is_run_again(databases: list[PostgresqlDatabase]) -> None:
    """Each looks whether there is a row, finds none, and writes one: one after the other, the second finds one."""
    both_have_looked = threading.Barrier(2)
    runs: list[int] = []

    def unless_there(name: str) -> Callable[[Connection], bool]:
        def work(connection: Connection) -> bool:
            runs.append(1)
            is_there = bool(names(connection))
            if len(runs) <= 2:
                both_have_looked.wait(20)
            if not is_there:
                put(name)(connection)
            return not is_there

        return work

    wrote = await asyncio.gather(*(database.write(unless_there(f"{i}")) for i, database in enumerate(databases)))
    assert sorted(wrote) == [False, True]
    assert len(runs) == 3
    assert len(await databases[0].read(names)) == 1


async def test_a_deadlock_is_resolved(databases: list[PostgresqlDatabase]) -> None:
    aicalls = [make_aicall(), make_aicall()]
    for aicall in aicalls:
        await databases[0].write(create(aicall))

    def both(order: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            for aicall in aicalls[::order]:
                noted(aicall)(connection)

        return work

    await asyncio.gather(*(databases[i % 2].write(both((-1) ** i)) for i in range(3)))
    assert (await databases[0].read(types)).count("noted") == 6


async def test_a_restarted_server_is_not_noticed(outage: tuple[PostgresqlServer, PostgresqlDatabase]) -> None:
    server, database = outage
    aicall = make_aicall()
    await database.write(create(aicall))
    await asyncio.gather(*(database.read(names) for _ in range(8)))
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    assert await database.write(put("x")) == "x"
    assert await database.read(names) == ["x"]
    await database.write(noted(aicall))
    assert await database.read(types) == ["aicall_status_initiating", "noted"]


async def test_a_server_that_is_gone_is_unavailable_until_it_is_back(
    outage: tuple[PostgresqlServer, PostgresqlDatabase],
) -> None:
    server, database = outage
    await asyncio.to_thread(server.stop)
    for _ in range(3):
        for run in (database.read, database.write):
            with pytest.raises(Unavailable) as caught:
                await run(names)
            assert caught.value.retryable
    await asyncio.to_thread(server.start)
    await usable(database)
    assert await database.write(names) == []


async def test_a_server_that_says_nothing_is_given_up_and_taken_back(
    outage: tuple[PostgresqlServer, PostgresqlDatabase],
) -> None:
    server, database = outage
    await database.write(put("before"))
    server.hold()
    turns = 0

    async def beat() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beating = asyncio.create_task(beat())
    with pytest.raises(Unavailable):
        await database.read(names)
    with pytest.raises(Unavailable):
        await database.write(put("never"))
    beating.cancel()
    assert turns > 1000, "the event loop goes on meanwhile"
    server.resume()
    await usable(database)
    assert await database.write(names) == ["before"]


async def test_a_commit_that_was_not_answered_is_looked_up(
    outage: tuple[PostgresqlServer, PostgresqlDatabase],
) -> None:
    server, database = outage
    aicall = make_aicall()
    await database.write(create(aicall))

    def then_hold(connection: Connection) -> str:
        noted(aicall, "unanswered")(connection)
        server.hold()
        return "written"

    async with asyncio.timeout(60):
        writing = asyncio.create_task(database.write(then_hold))
        # Longer than the answer may take: the connection is given up with the commit in it.
        assert not (await asyncio.wait((writing,), timeout=2))[0]
        server.resume()
        assert await writing == "written"
    assert (await database.read(types)).count("unanswered") == 1


async def test_a_commit_that_never_was_is_told_from_one_without_an_answer(
    outage: tuple[PostgresqlServer, PostgresqlDatabase],
) -> None:
    server, database = outage
    aicall = make_aicall()
    await database.write(create(aicall))

    def then_stop(connection: Connection) -> None:
        noted(aicall, "lost")(connection)
        server.stop()

    async with asyncio.timeout(60):
        writing = asyncio.create_task(database.write(then_stop))
        assert not (await asyncio.wait((writing,), timeout=1))[0]
        await asyncio.to_thread(server.start)
        with pytest.raises(Unavailable, match="nothing was written"):
            await writing
    assert await usable(database) == ["aicall_status_initiating"]


async def test_closing_does_not_wait_for_a_server_that_is_gone(
    outage: tuple[PostgresqlServer, PostgresqlDatabase],
) -> None:
    server, database = outage
    aicall = make_aicall()
    await database.write(create(aicall))

    def then_stop(connection: Connection) -> None:
        noted(aicall)(connection)
        server.stop()

    writing = asyncio.create_task(database.write(then_stop))
    await asyncio.wait((writing,), timeout=1)
    async with asyncio.timeout(20):
        await database.close()
    with pytest.raises(Unavailable, match="not known"):
        await writing


async def test_a_transaction_that_finds_no_connection_free_gives_up(postgresql_url: str) -> None:
    database = make(postgresql_url, queue_timeout_s=0.1)
    await database.open()
    all_there, go_on = threading.Barrier(WRITERS + 1), threading.Event()

    def hold(connection: Connection) -> None:
        all_there.wait(20)
        go_on.wait(20)

    holding = [asyncio.create_task(database.write(hold)) for _ in range(WRITERS)]
    await asyncio.to_thread(all_there.wait, 20)
    with pytest.raises(Unavailable, match="no connection free"):
        await database.write(names)
    # Readers have connections of their own.
    assert await database.read(names) == []
    go_on.set()
    await asyncio.gather(*holding)
    assert await database.write(names) == []
    await database.close()


async def test_many_processes_start_at_once_on_an_empty_database(postgresql_server: PostgresqlServer) -> None:
    url = postgresql_server.create_database(migrated=False)
    stores = [create_store(url, secret_key=KEY) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    await stored_aicall(stores[0])
    assert len(await stores[3].list_events(limit=5, customer_id=None)) == 1
    await asyncio.gather(*(store.close() for store in stores))
    postgresql_server.drop_database(url)


@pytest.mark.parametrize("wrong", ["password", "database", "port"])
async def test_no_password_is_told_when_the_door_stays_shut(postgresql_server: PostgresqlServer, wrong: str) -> None:
    url = postgresql_server.url("postgres", PASSWORD + "x" if wrong == "password" else PASSWORD)
    if wrong == "database":
        url = url.replace("/postgres", "/nowhere")
    if wrong == "port":
        url = url.replace(f":{postgresql_server.port}/", ":1/")
    store = create_store(url, secret_key=KEY)
    async with captured_log() as lines:
        with pytest.raises(Unavailable) as caught:
            await store.open()
    told = "".join(traceback.format_exception(caught.value)) + "".join(lines) + repr(vars(store))
    reason = {"password": "password authentication failed", "database": '"nowhere" does not exist', "port": "refused"}
    assert [reason[wrong] in line for line in lines] == [True]
    for secret in (PASSWORD, url.split(":")[2].split("@")[0]):
        assert secret not in told
    with pytest.raises(Unavailable, match="not open"):
        await store.ping()


async def test_a_database_that_cannot_be_used_is_told_at_the_start(postgresql_server: PostgresqlServer) -> None:
    server = postgresql_server
    latin = server.create_database(migrated=False)
    name = latin.rpartition("/")[2]
    server.execute("postgres", f"DROP DATABASE {name}", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1'")
    with pytest.raises(InvalidField, match="UTF8") as caught:
        await make(latin).open()
    assert caught.value.field == "database"
    server.drop_database(latin)


async def test_a_user_without_rights_may_use_a_schema_that_is_there(
    postgresql_server: PostgresqlServer, postgresql_url: str
) -> None:
    server = postgresql_server
    bare = server.create_database(migrated=False)
    server.execute("postgres", "CREATE ROLE guest LOGIN PASSWORD 'guest'")
    tables = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest"
    name = postgresql_url.rpartition("/")[2]
    server.execute(name, f"GRANT {tables}", "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest")
    as_guest = [
        f"postgresql://guest:guest@127.0.0.1:{server.port}/{url.rpartition('/')[2]}" for url in (bare, postgresql_url)
    ]
    with pytest.raises(InvalidField, match="may not make") as caught:
        await make(as_guest[0]).open()
    assert caught.value.field == "database"
    store = create_store(as_guest[1], secret_key=KEY)
    await store.open()
    await stored_aicall(store)
    await store.close()
    server.execute(name, "DROP OWNED BY guest")
    server.execute("postgres", "DROP ROLE guest")
    server.drop_database(bare)


async def test_text_that_the_server_cannot_keep_is_kept_without_it(postgresql_url: str) -> None:
    store = create_store(postgresql_url, secret_key=KEY)
    await store.open()
    ai = make_ai(name="a\x00b", parameter={"greeting": "Hi\x00", "own": ["\ud800", "\\u0000", {"k\x00": 1}]})
    await store.create_ai(ai)
    loaded = await store.get_ai(ai.id, customer_id=CUSTOMER)
    assert loaded.name == "a\ufffdb"
    assert loaded.parameter is not None
    assert loaded.model_dump()["parameter"]["own"] == ["\ufffd", "\\u0000", {"k\ufffd": 1}]
    aicall = await stored_aicall(store)
    event = await store.add_message(make_message(aicall, content="\x00well"))
    (message,) = (await store.list_messages(aicall.id, customer_id=None, page_size=5)).items
    assert message.content == "\ufffdwell"
    assert (await store.list_events(limit=5, customer_id=None))[-1].id == event.id
    await store.close()


async def test_a_value_that_does_not_fit_is_refused_and_not_tried_again(postgresql_url: str) -> None:
    database = make(postgresql_url)
    await database.open()
    with pytest.raises(InvalidField) as caught:
        await database.write(put("n" * 65))
    assert not caught.value.retryable
    assert "nnn" not in str(caught.value)
    await database.close()


async def test_the_servers_time_zone_does_not_matter(postgresql_server: PostgresqlServer, postgresql_url: str) -> None:
    name = postgresql_url.rpartition("/")[2]
    postgresql_server.execute("postgres", f"ALTER DATABASE {name} SET timezone TO 'Asia/Tokyo'")
    store = SqlAlchemyStore(make(postgresql_url), SecretBox(KEY))
    await store.open()
    aicall = make_aicall(at(0.25))
    await store.create_aicall(aicall, grant=make_grant(aicall.id, at(60)))
    assert await store.get_aicall(aicall.id, customer_id=None) == aicall
    await store.close()


async def test_a_killed_servers_committed_rows_are_all_there(
    outage: tuple[PostgresqlServer, PostgresqlDatabase],
) -> None:
    server, database = outage
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def write(worker: int) -> None:
        for number in range(10_000):
            try:
                acknowledged.append(await database.write(put(f"{worker}-{number}")))
            except Unavailable:
                return
            if len(acknowledged) == 20:
                enough.set()

    writers = [asyncio.create_task(write(worker)) for worker in range(4)]
    async with asyncio.timeout(20):
        await enough.wait()
    await asyncio.to_thread(server.stop)
    await asyncio.gather(*writers)
    await asyncio.to_thread(server.start)
    await usable(database)
    stored = set(await database.read(names))
    assert set(acknowledged) <= stored
    # One each whose answer was lost.
    assert len(stored) <= len(acknowledged) + len(writers)


async def test_events_of_another_process_are_told_before_anybody_polls(postgresql_url: str) -> None:
    store = SqlAlchemyStore(make(postgresql_url), SecretBox(KEY), poll_interval_s=3600)
    await store.open()
    waiting = asyncio.create_task(store.wait_events(after="", timeout_s=60))
    await store.ping()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD, postgresql_url), cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    async with asyncio.timeout(60):
        assert await child.wait() == 0
        assert await waiting
    await store.close()
