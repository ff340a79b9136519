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
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, StaticPool

from adapters.store.database import Database, Result, Work
from adapters.store.migrate import upgrade_connection
from adapters.store.sqlite_watch import LogWatch
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
    """A connection with our pragmas."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
            self.execute(f"PRAGMA {pragma}").close()


def _connect_args() -> dict[str, Any]:
    # isolation_level None: the driver begins no transaction of its own, `_begin` does. A connection goes from thread to
    # thread, and is used by one at a time.
    return {
        "timeout": BUSY_TIMEOUT_S,
        "isolation_level": None,
        "factory": _Connection,
        "check_same_thread": False,
    }


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

    A transaction runs whole on a thread of the database's own, so that the event loop takes part at its beginning and
    at its end and not at each of its statements. There is one thread for writing, so writers take turns. In a file,
    readers have others, see the last committed state and never wait for the writer. In memory there is one connection,
    and readers and writers share the one thread.

    Args:
        path: A file, made with mode 0600 if missing together with its folder; or `MEMORY`.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._reading: _Threads | None = None
        self._writing: _Threads | None = None
        self._watch: LogWatch | None = None

    @property
    def in_memory(self) -> bool:
        """Whether nothing outlives the store."""
        return self._path == MEMORY

    async def _open(self) -> None:
        if self.in_memory:
            engine = sqlite_engine(MEMORY, await asyncio.to_thread(_migrated_memory))
        else:
            await asyncio.to_thread(_migrate_file, self._path)
            engine = create_engine(
                URL.create("sqlite", database=self._path),
                connect_args=_connect_args(),
                hide_parameters=True,
                pool_size=READERS + 1,
                max_overflow=0,
            )
            event.listen(engine, "begin", _begin)
            self._watch = LogWatch(self._path, lambda: self.on_events_elsewhere())  # noqa: PLW0108 - set later
        self._writing = _Threads(engine.execution_options(**{_WRITES: True}), 1)
        reader = engine.execution_options(**{_WRITES: False})
        self._reading = _Threads(reader, self._writing.threads if self.in_memory else READERS)

    async def _close(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        reading, self._reading = self._reading, None
        writing, self._writing = self._writing, None
        for threads in (reading, writing):
            if threads is not None:
                await asyncio.to_thread(threads.close)

    async def _read(self, work: Work[Result]) -> Result:
        return await _run(self._reading, _look, work)

    async def _write(self, work: Work[Result]) -> Result:
        result = await _run(self._writing, _commit, work)
        if self._watch is not None:
            self._watch.wrote()
        return result


class _Threads:
    """Threads that run transactions.

    Args:
        engine: Makes their connections.
        threads: How many, or those to share.
    """

    def __init__(self, engine: Engine, threads: int | ThreadPoolExecutor) -> None:
        self.engine = engine
        self.threads = ThreadPoolExecutor(threads, "aicall-store") if isinstance(threads, int) else threads

    def close(self) -> None:
        self.threads.shutdown()
        self.engine.dispose()


async def _run(threads: _Threads | None, run: Callable[[Engine, Work[Result]], Result], work: Work[Result]) -> Result:
    if threads is None:
        raise Unavailable("the store is not open")
    return await asyncio.get_running_loop().run_in_executor(threads.threads, run, threads.engine, work)


def _commit(engine: Engine, work: Work[Result]) -> Result:
    with engine.begin() as connection:
        return work(connection)


def _look(engine: Engine, work: Work[Result]) -> Result:
    with engine.connect() as connection:
        return work(connection)


def _migrated_memory() -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(MEMORY, **_connect_args())
    connection.deserialize(_empty_database())
    return connection


@cache
def _empty_database() -> bytes:
    """Return a database with every table and nothing in it. Making it takes as long as a hundred copies of it."""
    with contextlib.closing(sqlite3.connect(MEMORY, **_connect_args())) as connection:
        with sqlite_engine(MEMORY, connection).begin() as transaction:
            upgrade_connection(transaction)
        image: bytes = connection.serialize()
        return image


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
