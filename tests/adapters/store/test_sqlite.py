"""SQLite: pragmas, files, threads, locks, and what a killed process leaves behind."""

import asyncio
import os
import signal
import sqlite3
import stat
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection

from adapters.store.factory import create_store
from adapters.store.sqlite import MEMORY, SqliteDatabase
from models.errors import InvalidField, Unavailable
from models.status import TRANSITIONS, AicallStatus
from tests.adapters.store.samples import KEY, at, make_message, stored_aicall

ROOT = Path(__file__).parents[3]


def scalar(sql: str):
    return lambda connection: connection.exec_driver_sql(sql).scalar()


async def opened(path: str) -> SqliteDatabase:
    database = SqliteDatabase(path)
    await database.open()
    return database


async def test_every_connection_has_our_pragmas(tmp_path: Path) -> None:
    database = await opened(str(tmp_path / "a.db"))
    for run in (database.read, database.write):
        assert await run(scalar("PRAGMA journal_mode")) == "wal"
        assert await run(scalar("PRAGMA synchronous")) == 1
        assert await run(scalar("PRAGMA foreign_keys")) == 1
        assert await run(scalar("PRAGMA busy_timeout")) == 5000
    await database.close()


async def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    database = await opened(str(tmp_path / "data" / "a.db"))
    await database.write(scalar("INSERT INTO store_values VALUES ('x', 'x') RETURNING name"))
    files = list((tmp_path / "data").iterdir())
    assert {file.name for file in files} >= {"a.db", "a.db-wal"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await database.close()


@pytest.mark.parametrize("name", [MEMORY, "a.db"])
async def test_closing_leaves_no_thread_and_no_task(tmp_path: Path, name: str) -> None:
    store = create_store(MEMORY if name == MEMORY else str(tmp_path / name), secret_key=KEY)
    await asyncio.to_thread(lambda: None)
    pool = {thread for thread in threading.enumerate() if thread.name.startswith("asyncio_")}
    before = set(threading.enumerate()) - pool
    for _ in range(3):
        await store.open()
        await asyncio.gather(*(store.ping() for _ in range(20)))
        aicall = await stored_aicall(store)
        waiting = asyncio.create_task(store.wait_events(after="999", timeout_s=60))
        writing = [asyncio.create_task(store.add_message(make_message(aicall))) for _ in range(5)]
        await asyncio.sleep(0)
        writing[0].cancel()
        await store.close()
        left = {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}
        assert left == before
        await asyncio.wait((waiting, *writing))
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("name", [MEMORY, "a.db"])
async def test_writers_take_turns_on_one_thread_that_is_not_the_event_loops(tmp_path: Path, name: str) -> None:
    database = await opened(MEMORY if name == MEMORY else str(tmp_path / name))

    def thread(connection: Connection) -> threading.Thread:
        connection.exec_driver_sql("SELECT 1")
        return threading.current_thread()

    wrote = set(await asyncio.gather(*(database.write(thread) for _ in range(5))))
    read = set(await asyncio.gather(*(database.read(thread) for _ in range(5))))
    assert len(wrote) == 1
    assert threading.current_thread() not in wrote | read
    await database.close()


async def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    database = await opened(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO store_values VALUES ('other', 'x')")
    async with asyncio.timeout(2):
        assert await database.read(scalar("SELECT count(*) FROM store_values")) == 0
    other.execute("COMMIT")
    other.close()
    assert await database.read(scalar("SELECT count(*) FROM store_values")) == 1
    await database.close()


async def test_a_writer_waits_for_another_process(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    database = await opened(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(connection: Connection) -> None:
        loop.call_soon_threadsafe(started.set)
        connection.exec_driver_sql("INSERT INTO store_values VALUES ('ours', 'x')")

    writing = asyncio.create_task(database.write(work))
    await asyncio.gather(*(database.read(scalar("SELECT 1")) for _ in range(10)))
    assert not started.is_set()
    other.execute("COMMIT")
    other.close()
    async with asyncio.timeout(10):
        await writing
    await database.close()


async def test_opening_waits_for_a_process_that_reads_the_new_file(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE theirs (x)")
    other.execute("BEGIN")
    other.execute("SELECT * FROM theirs").fetchall()
    database = SqliteDatabase(path)
    opening = asyncio.create_task(database.open())
    assert (await asyncio.wait((opening,), timeout=0.1))[0] == set()
    other.execute("COMMIT")
    other.close()
    async with asyncio.timeout(10):
        await opening
    assert await database.read(scalar("PRAGMA journal_mode")) == "wal"
    await database.close()


@pytest.mark.parametrize("name", [MEMORY, "a.db"])
def test_a_closed_database_may_be_opened_in_another_loop(tmp_path: Path, name: str) -> None:
    database = SqliteDatabase(MEMORY if name == MEMORY else str(tmp_path / name))

    async def use() -> None:
        await database.open()
        await asyncio.gather(*(database.write(scalar("SELECT 1")) for _ in range(3)))
        await database.close()

    for _ in range(2):
        asyncio.run(use())


async def test_what_raises_is_undone(tmp_path: Path) -> None:
    for path in (MEMORY, str(tmp_path / "a.db")):
        database = await opened(path)

        def work(connection: Connection) -> None:
            connection.exec_driver_sql("INSERT INTO store_values VALUES ('x', 'x')")
            raise RuntimeError("halfway")

        with pytest.raises(RuntimeError, match="halfway"):
            await database.write(work)
        assert await database.read(scalar("SELECT count(*) FROM store_values")) == 0
        await database.close()


async def test_a_broken_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = await opened(str(path))
    with pytest.raises(Unavailable) as caught:
        await database.write(scalar("SELECT * FROM nowhere"))
    assert "nowhere" not in str(caught.value)
    await database.close()


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is a letter, not a database\n" * 100)
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "text", tmp_path / "folder", tmp_path / "text" / "below"):
        with pytest.raises(InvalidField) as caught:
            await opened(str(path))
        assert caught.value.field == "database"


CHILD = """
import asyncio, sys
from adapters.store.factory import create_store
from tests.adapters.store.samples import KEY, at, make_message, stored_aicall
from models.status import AicallStatus as S

async def life(store):
    while True:
        aicall = await stored_aicall(store)
        for step in (S.PROGRESSING, S.PAUSING, S.RESUMING, S.PROGRESSING, S.TERMINATING, S.TERMINATED):
            await store.move_aicall(aicall.id, step, now=at())
            await store.add_message(make_message(aicall))
            sys.stdout.write(".")
            sys.stdout.flush()

async def main():
    store = create_store(sys.argv[1], secret_key=KEY)
    await store.open()
    await asyncio.gather(*(life(store) for _ in range(3)))

asyncio.run(main())
"""


async def test_a_killed_process_leaves_rows_and_events_in_step(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    # Two processes start at once on a file that neither finds: one of them makes the schema.
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", CHILD, path),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    acknowledged = 0
    for number, child in enumerate(children):
        assert child.stdout is not None
        acknowledged += len(await child.stdout.readexactly(60 + 7 * number))
        child.send_signal(signal.SIGKILL)
        acknowledged += len(await child.stdout.read())
        assert await child.wait() == -signal.SIGKILL

    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    aicalls = connection.execute("SELECT id, status, last_sequence FROM aicalls").fetchall()
    messages = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    assert messages >= acknowledged >= 127
    for aicall_id, status, last_sequence in aicalls:
        rows = connection.execute(
            "SELECT sequence, type FROM events WHERE aicall_id = ? ORDER BY id", (aicall_id,)
        ).fetchall()
        assert [sequence for sequence, _ in rows] == list(range(1, last_sequence + 1))
        path_taken = [
            AicallStatus(kind.removeprefix("aicall_status_")) for _, kind in rows if kind.startswith("aicall_status_")
        ]
        assert path_taken[0] is AicallStatus.INITIATING
        assert path_taken[-1] == status
        assert all(target in TRANSITIONS[source] for source, target in pairwise(path_taken))
        told = [kind for _, kind in rows if kind == "aimessage_created"]
        assert connection.execute("SELECT count(*) FROM messages WHERE aicall_id = ?", (aicall_id,)).fetchone()[
            0
        ] == len(told)
    connection.close()

    store = create_store(path, secret_key=KEY)
    await store.open()
    aicall = await stored_aicall(store)
    assert (await store.add_message(make_message(aicall, at(1)))).sequence == 2
    assert len(await store.list_events(limit=100_000, customer_id=None)) >= 2 * acknowledged
    await store.close()
