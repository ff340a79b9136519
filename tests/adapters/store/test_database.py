"""Transactions to their end: whatever becomes of their caller, and whatever the database says."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from adapters.store.database import Database
from adapters.store.sqlite import MEMORY, SqliteDatabase
from adapters.store.tables import store_values
from models.errors import InvalidField, NotFound, Unavailable
from tests.adapters.vendors import captured_log


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    database = SqliteDatabase(MEMORY)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[Database, sqlite3.Connection]]:
    """A database, and another process's connection to its file, by whose write every other one is held up."""
    path = tmp_path / "a.db"
    database = SqliteDatabase(str(path))
    await database.open()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        yield database, other
    await database.close()


def names(connection: Connection) -> list[str]:
    return sorted(connection.execute(select(store_values.c.name)).scalars())


def put(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.execute(insert(store_values), {"name": name, "value": ""})
        return name

    return work


async def begun(transaction: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a transaction, and let its caller get to where it waits."""
    caller = asyncio.create_task(transaction)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not caller.done()
    return caller


async def test_a_cancelled_caller_does_not_tear_its_transaction_apart(
    shared: tuple[Database, sqlite3.Connection],
) -> None:
    database, other = shared
    other.execute("BEGIN IMMEDIATE")
    caller = await begun(database.write(put("late")))
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert "late" not in await database.read(names)
    other.execute("ROLLBACK")
    # Writers take turns, so this one comes after it.
    assert "late" in await database.write(names)


async def test_closing_waits_for_what_runs(shared: tuple[Database, sqlite3.Connection]) -> None:
    database, other = shared
    other.execute("BEGIN IMMEDIATE")
    caller = await begun(database.write(put("late")))
    closing = await begun(database.close())
    # Nothing new is begun meanwhile.
    with pytest.raises(Unavailable):
        await database.read(names)
    other.execute("ROLLBACK")
    await closing
    assert await caller == "late"
    assert ("late",) in other.execute("SELECT name FROM store_values").fetchall()


async def test_a_failure_after_its_caller_left_is_logged(shared: tuple[Database, sqlite3.Connection]) -> None:
    def fail(connection: Connection) -> None:
        put("late")(connection)
        raise NotFound("ai", "an-id")

    database, other = shared
    other.execute("BEGIN IMMEDIATE")
    async with captured_log() as lines:
        caller = await begun(database.write(fail))
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        other.execute("ROLLBACK")
        assert "late" not in await database.write(names)
    assert ["a store transaction failed after its caller had left: NotFound" in line for line in lines] == [True]


async def test_what_the_work_raises_reaches_its_caller(database: Database) -> None:
    def missing(connection: Connection) -> None:
        raise NotFound("ai", "an-id")

    def twice(connection: Connection) -> None:
        for _ in range(2):
            put("twice")(connection)

    def nonsense(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM no_such_table")

    for run in (database.read, database.write):
        with pytest.raises(NotFound):
            await run(missing)
        with pytest.raises(Unavailable) as caught:
            await run(nonsense)
        assert "no_such_table" not in caught.value.message
    # A taken id is for the statement's author to explain.
    with pytest.raises(IntegrityError):
        await database.write(twice)
    assert "twice" not in await database.read(names)


async def test_a_closed_database_is_unavailable() -> None:
    database = SqliteDatabase(MEMORY)
    for _ in range(2):
        for run in (database.read, database.write):
            with pytest.raises(Unavailable, match="not open"):
                await run(names)
        await database.open()
        await database.open()
        await database.write(put("x"))
        await database.close()
        await database.close()


async def test_an_opening_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    """What is in the way can be put right, and the same database be opened then."""
    path = tmp_path / "a.db"
    path.write_bytes(b"This is no database, and long enough to be told from an empty file. " * 20)
    database = SqliteDatabase(str(path))
    for _ in range(2):
        with pytest.raises(InvalidField):
            await database.open()
        with pytest.raises(Unavailable, match="not open"):
            await database.read(names)
    path.unlink()
    await database.open()
    assert await database.read(names) == []
    await database.close()
