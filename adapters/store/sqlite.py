"""SQLite: one file (or memory), write-ahead log, one writer at a time.

Pragmas: https://www.sqlite.org/pragma.html; WAL: https://www.sqlite.org/wal.html. In WAL mode with
``synchronous=NORMAL`` a killed process loses nothing that was committed; a power cut may take the newest transactions,
never half of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

from adapters.store.database import Database, Result, Work
from adapters.store.migrate import upgrade_connection
from models.errors import InvalidField, Unavailable

MEMORY = ":memory:"
"""Database name of a database that lives as long as the store is open."""

BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for another process's write, seconds."""

_SWITCH_PAUSE_S = 0.02

READERS = 4
"""Connections for reading, each with a thread of its own."""

_WRITES = "aicall_writes"


class _Connection(sqlite3.Connection):
    """A connection with our pragmas, set in the thread that uses it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
            self.execute(f"PRAGMA {pragma}").close()


class _Threads:
    """Every driver thread that holds a connection, to be joined when the store is closed.

    Args:
        prepare: What to do with each connection first, in its thread.
    """

    def __init__(self, prepare: Callable[[_Connection], None]) -> None:
        self._prepare = prepare
        self._threads: list[threading.Thread] = []

    def connect(self, *args: Any, **kwargs: Any) -> _Connection:
        # The driver calls this in the connection's own thread.
        self._threads.append(threading.current_thread())
        connection = _Connection(*args, **kwargs)
        self._prepare(connection)
        return connection

    def join(self) -> None:
        for thread in self._threads:
            thread.join(BUSY_TIMEOUT_S)
        self._threads = []


def _connect_args(factory: Any = _Connection) -> dict[str, Any]:
    # isolation_level None: the driver begins no transaction of its own, `_begin` does.
    return {"timeout": BUSY_TIMEOUT_S, "isolation_level": None, "factory": factory}


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another one wrote in between, whatever the
    # busy timeout: so one that writes takes the write lock at its beginning. Each statement of one that only reads
    # is a snapshot of its own, which is all that a page or a row needs, and spares a round trip to the thread.
    if connection.get_execution_options().get(_WRITES, False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def sqlite_engine(path: str, connection: sqlite3.Connection | None = None) -> Engine:
    """Make a blocking engine whose transactions all write, for migrations.

    Args:
        path: The database file.
        connection: Use this connection to it and leave it open, instead of making one for each transaction.
    """
    pool: dict[str, Any] = {"poolclass": NullPool, "connect_args": _connect_args()}
    if connection is not None:
        pool = {"poolclass": StaticPool, "creator": lambda: connection}
    engine = create_engine(
        URL.create("sqlite", database=path),
        hide_parameters=True,
        execution_options={_WRITES: True},
        **pool,
    )
    event.listen(engine, "begin", _begin)
    return engine


class SqliteDatabase(Database):
    """One SQLite database.

    In a file, readers see the last committed state and never wait for the writer. In memory there is one connection,
    so readers and writers take turns.

    Args:
        path: A file, made with mode 0600 if missing together with its folder; or `MEMORY`.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._threads = _Threads(_migrate_memory if self.in_memory else _as_it_is)
        self._turn = asyncio.Lock()
        self._engine: AsyncEngine | None = None

    @property
    def in_memory(self) -> bool:
        """Whether nothing outlives the store."""
        return self._path == MEMORY

    async def _open(self) -> None:
        # A lock belongs to the loop that it was used in.
        self._turn = asyncio.Lock()
        if not self.in_memory:
            await asyncio.to_thread(_migrate_file, self._path)
        pool: dict[str, Any] = (
            {"poolclass": StaticPool} if self.in_memory else {"pool_size": READERS + 1, "max_overflow": 0}
        )
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=self._path),
            connect_args=_connect_args(self._threads.connect),
            hide_parameters=True,
            **pool,
        )
        event.listen(engine.sync_engine, "begin", _begin)
        self._engine = engine

    async def _close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()
            await asyncio.to_thread(self._threads.join)

    async def _read(self, work: Work[Result]) -> Result:
        if self.in_memory:
            async with self._turn:
                return await self._run(work, writes=False)
        return await self._run(work, writes=False)

    async def _write(self, work: Work[Result]) -> Result:
        async with self._turn:
            return await self._run(work, writes=True)

    async def _run(self, work: Work[Result], *, writes: bool) -> Result:
        if self._engine is None:
            raise Unavailable("the store is not open")
        async with self._engine.execution_options(**{_WRITES: writes}).connect() as connection:
            return await connection.run_sync(_commit if writes else _look, work)


def _commit(connection: Connection, work: Work[Result]) -> Result:
    with connection.begin():
        return work(connection)


def _look(connection: Connection, work: Work[Result]) -> Result:
    return work(connection)


def _migrate_memory(connection: _Connection) -> None:
    with sqlite_engine(MEMORY, connection).begin() as transaction:
        upgrade_connection(transaction)


def _as_it_is(connection: _Connection) -> None:
    del connection


def _write_ahead(path: str) -> None:
    """Switch the file to the write-ahead log, for good.

    The switch needs the file for itself, and SQLite does not wait for that: while a process that starts beside us is
    at it, we ask again.
    """
    for attempts_left in reversed(range(round(BUSY_TIMEOUT_S / _SWITCH_PAUSE_S))):
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not attempts_left:
                raise Unavailable("the database file is locked or cannot be written") from error
            time.sleep(_SWITCH_PAUSE_S)
        except sqlite3.DatabaseError as error:
            raise InvalidField("database", "is not an SQLite database, or is damaged") from error
        else:
            return


def _migrate_file(path: str) -> None:
    try:
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives the files of its log the mode of the database.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        raise InvalidField("database", "the file cannot be opened or made") from None
    _write_ahead(path)
    with sqlite_engine(path).begin() as connection:
        upgrade_connection(connection)
