"""PostgreSQL 13 or newer, through psycopg 3 (https://www.psycopg.org/psycopg3/docs/).

Processes share one database. Transactions that write are serializable
(https://www.postgresql.org/docs/current/transaction-iso.html): what was written for SQLite, where writers take turns,
means the same here. One that the server undoes because of another one is run again.

Events must become visible in the order of their ids. A transaction that appends one takes a lock of the database first,
and the server lets it go at the end of the commit: there, and only there, writers of all processes take turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
from loguru import logger
from sqlalchemy import URL, Connection, Engine, Insert, NullPool, create_engine, event, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from adapters.store.database import Database, Result, Work
from adapters.store.leash import Leash
from adapters.store.migrate import upgrade_connection
from adapters.store.postgresql_listener import CHANNEL, PROCESS, EventListener
from adapters.store.postgresql_text import dump_json, keep_storable
from adapters.store.tables import events
from models.errors import InvalidField, Unavailable

READERS = 4
"""Connections for reading, each with a thread of its own."""
WRITERS = 4
"""Connections for writing, each with a thread of its own."""

CONNECT_TIMEOUT_S = 5
"""How long a connection may take, signing in included, seconds."""
STATEMENT_TIMEOUT_S = 10
"""How long the server works at a statement, waiting for locks included, seconds."""
ANSWER_TIMEOUT_S = 15.0
"""How long a transaction may take until its connection is given up, whatever the server does, seconds."""
QUEUE_TIMEOUT_S = 10.0
"""How long a transaction waits for a free connection, seconds."""
OUTCOME_TIMEOUT_S = 120.0
"""How long we ask whether a commit that was never answered has happened, seconds."""

OLDEST_VERSION = (13,)
"""The oldest server that is used; older ones are no longer kept up by PostgreSQL's makers."""

_PAUSE_S = 1.0
"""How long none is tried after a connection that failed, seconds."""
_OUTCOME_PAUSE_S = 0.25
_ATTEMPTS = 100
"""How often a transaction is run that others undo each time."""

_EVENTS_LOCK = 0x6169_6361_6C6C_0001
_MIGRATION_LOCK = 0x6169_6361_6C6C_0002

_APPENDED = "aicall_appended"
_UNDONE = frozenset({"40001", "40P01"})
"""SQLSTATEs of a transaction that was undone because of another one: serialization_failure, deadlock_detected."""
_NO_RIGHT = "42501"
"""SQLSTATE insufficient_privilege."""
_GONE = frozenset({"25006", "57P01", "57P02", "57P03"})
"""SQLSTATEs of a server that this connection is of no use with: read-only after a failover, or shutting down."""

# The session's settings, on the server. A process that stands still in the middle of a transaction must not hold up
# the other ones' writes for long, and the latest moment of all must not become one of the year 10000.
_SESSION = {
    "TimeZone": "UTC",
    "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


_ARGUMENTS = {
    "application_name": "aicall",
    "connect_timeout": CONNECT_TIMEOUT_S,
    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": round(ANSWER_TIMEOUT_S * 1000),
}
"""What libpq is told beside the URL."""


def postgresql_engine(url: URL, **options: Any) -> Engine:
    """Make a blocking engine.

    Args:
        url: The database, with driver ``postgresql+psycopg``.
        options: For SQLAlchemy's ``create_engine``.
    """
    engine = create_engine(
        url,
        hide_parameters=True,
        json_serializer=dump_json,
        connect_args=_ARGUMENTS,
        **options,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "handle_error", _look_at_error)
    return engine


def _arguments(engine: Engine, url: URL) -> dict[str, Any]:
    """Return what an engine tells psycopg of a database."""
    _, arguments = engine.dialect.create_connect_args(url)
    return {**arguments, **_ARGUMENTS}


def _prepare(connection: psycopg.Connection[Any], record: object) -> None:
    del record
    keep_storable(connection)


def _look_at_error(context: ExceptionContext) -> None:
    if getattr(context.original_exception, "sqlstate", None) in _GONE:
        context.is_disconnect = True


def _begin(connection: Connection) -> None:
    connection.info.pop(_APPENDED, None)


def _take_turn(
    connection: Connection,
    statement: object,
    multi: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Any],
    options: object,
) -> None:
    """Take the lock of the events in front of the first one that a transaction appends, and remember the newest."""
    del options
    if not (isinstance(statement, Insert) and statement.table is events):
        return
    if _APPENDED not in connection.info:
        # The server tells the listeners at the commit.
        connection.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(%s), pg_notify(%s, %s)", (_EVENTS_LOCK, CHANNEL, PROCESS)
        )
    connection.info[_APPENDED] = multi[-1] if multi else parameters


class _OutcomeUnknownError(Exception):
    """A commit was sent, and the connection broke before the answer."""

    def __init__(self, result: Any, appended: Mapping[str, Any]) -> None:
        super().__init__("the outcome of a commit is unknown")
        self.result = result
        self.appended = appended


class PostgresqlDatabase(Database):
    """One PostgreSQL database.

    A transaction runs whole on a thread of the database's own, so that the event loop takes part at its beginning and
    at its end and not at each of its statements. Readers have other threads and connections than writers.

    The database may go away and come back: what was begun fails with ``Unavailable``, what comes meanwhile fails at
    once, and connections are made anew. A transaction that appended an event and whose commit was not answered is
    looked up as soon as the database answers again, so that nobody has to write the same event a second time.

    Args:
        url: The database, with driver ``postgresql+psycopg``.
        answer_timeout_s: How long a transaction may take until its connection is given up, seconds.
        queue_timeout_s: How long one waits for a free connection, seconds.
    """

    def __init__(
        self,
        url: URL,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        queue_timeout_s: float = QUEUE_TIMEOUT_S,
    ) -> None:
        super().__init__()
        self._url = url
        self._timeouts_s = (answer_timeout_s, queue_timeout_s)
        self._reading: _Lane | None = None
        self._writing: _Lane | None = None
        self._listener: EventListener | None = None

    async def _open(self) -> None:
        try:
            await asyncio.to_thread(_migrate, self._url)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _NO_RIGHT:
                raise InvalidField("database", "its user may not make or change the tables") from error
            # What libpq says of a connection names host, user and database, and never the password.
            logger.warning("the database cannot be opened: {}", error.orig)
            raise Unavailable("the database server cannot be reached, or does not let us in") from None
        reader = postgresql_engine(self._url, pool_size=READERS, max_overflow=0, isolation_level="AUTOCOMMIT")
        writer = postgresql_engine(self._url, pool_size=WRITERS, max_overflow=0, isolation_level="SERIALIZABLE")
        event.listen(writer, "begin", _begin)
        event.listen(writer, "before_execute", _take_turn)
        self._reading = _Lane(reader, READERS, *self._timeouts_s)
        self._writing = _Lane(writer, WRITERS, *self._timeouts_s)
        self._listener = EventListener(_arguments(reader, self._url), self.on_events_elsewhere)

    async def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
        reading, self._reading = self._reading, None
        writing, self._writing = self._writing, None
        for lane in (reading, writing):
            if lane is not None:
                await asyncio.to_thread(lane.close)

    async def _read(self, work: Work[Result]) -> Result:
        if self._reading is None:
            raise Unavailable("the store is not open")
        return await self._reading.run(_look, work)

    async def _write(self, work: Work[Result]) -> Result:
        if self._writing is None:
            raise Unavailable("the store is not open")
        try:
            return await self._writing.run(_commit, work)
        except _OutcomeUnknownError as unknown:
            if await self._happened(unknown.appended):
                result: Result = unknown.result
                return result
            raise Unavailable("the store broke off, and nothing was written") from unknown

    async def _happened(self, appended: Mapping[str, Any]) -> bool:
        """Wait until it is known what became of a transaction.

        Args:
            appended: An event that it appended.

        Raises:
            Unavailable: It did not become known in time.
        """
        work = partial(_is_there, appended=appended)
        deadline = time.monotonic() + OUTCOME_TIMEOUT_S
        while self._is_open and self._writing is not None and time.monotonic() < deadline:
            try:
                return await self._writing.run(_commit, work)
            except (DBAPIError, Unavailable):
                await asyncio.sleep(_OUTCOME_PAUSE_S)
        raise Unavailable("the store broke off, and it is not known whether this was written")


class _Lane:
    """Threads with a connection each, and those who wait for one.

    Args:
        engine: Makes the connections.
        width: How many.
        answer_timeout_s: How long a transaction may take, seconds.
        queue_timeout_s: How long one waits for a free connection, seconds.
    """

    def __init__(self, engine: Engine, width: int, answer_timeout_s: float, queue_timeout_s: float) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(width, "aicall-store")
        self._free = asyncio.Semaphore(width)
        self._answer_timeout_s = answer_timeout_s
        self._queue_timeout_s = queue_timeout_s
        self._down_until = 0.0

    async def run(self, run: Callable[[Connection, Work[Result]], Result], work: Work[Result]) -> Result:
        """Run a transaction on a free connection.

        Raises:
            Unavailable: The database cannot be reached, or there was no free connection in time.
        """
        try:
            async with asyncio.timeout(self._queue_timeout_s):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable("the store has no connection free") from None
        leash = Leash()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._answer_timeout_s, leash.cut)
        try:
            return await loop.run_in_executor(self._threads, self._transact, run, work, leash)
        finally:
            timer.cancel()
            self._free.release()

    def close(self) -> None:
        """Wait for the threads, and close the connections."""
        self._threads.shutdown()
        self._engine.dispose()

    def _transact(self, run: Callable[[Connection, Work[Result]], Result], work: Work[Result], leash: Leash) -> Result:
        broken = 0
        for _ in range(_ATTEMPTS):
            with self._connect() as connection:
                try:
                    with leash.on(connection.connection.fileno()):
                        return run(connection, work)
                except DBAPIError as error:
                    # A connection may have died while nobody used it, and nothing is committed yet.
                    broken += error.connection_invalidated
                    if leash.is_cut or broken > 1 or not (error.connection_invalidated or _is_undone(error)):
                        raise
        raise Unavailable("others wrote the same each time")

    def _connect(self) -> Connection:
        # Threads that each wait for a server that is not there would keep all others waiting.
        if time.monotonic() < self._down_until:
            raise Unavailable("the store cannot be reached")
        try:
            return self._engine.connect()
        except DBAPIError:
            self._down_until = time.monotonic() + _PAUSE_S
            raise


def _is_undone(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _UNDONE


def _look(connection: Connection, work: Work[Result]) -> Result:
    return work(connection)


def _commit(connection: Connection, work: Work[Result]) -> Result:
    with connection.begin() as transaction:
        result = work(connection)
        appended = connection.info.get(_APPENDED)
        try:
            transaction.commit()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            if not appended:
                raise Unavailable("the store broke off, and it is not known whether this was written") from error
            raise _OutcomeUnknownError(result, appended) from error
    return result


def _is_there(connection: Connection, appended: Mapping[str, Any]) -> bool:
    """Look whether an event was written, after the transaction that wrote it has come to its end either way."""
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_EVENTS_LOCK,))
    # The transaction's number would not do: a server that crashed gives one that it never wrote down to another one.
    alike = (events.c[name] == appended[name] for name in ("aicall_id", "sequence", "type", "tm_create"))
    return connection.execute(select(events.c.id).where(*alike)).first() is not None


def _migrate(url: URL) -> None:
    engine = postgresql_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        if (connection.dialect.server_version_info or ()) < OLDEST_VERSION:
            raise InvalidField("database", "is on a server older than PostgreSQL 13")
        if connection.exec_driver_sql("SHOW server_encoding").scalar_one() != "UTF8":
            raise InvalidField("database", "has an encoding other than UTF8")
        # Others who start meanwhile wait, and a change of a large table takes its time.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        upgrade_connection(connection)
