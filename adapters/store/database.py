"""What the SQL store needs of a database system: transactions. Each system is one class, in a file of its own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from loguru import logger
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from models.errors import InvalidField, Unavailable

Result = TypeVar("Result")

Work = Callable[[Connection], Result]
"""The statements of one transaction: plain code without await, so that nothing foreign can stretch a transaction.

It is run again when the database undid it because of another transaction, so it changes nothing but the database. Where
it goes on after a statement that failed, that statement stands in a savepoint (``Connection.begin_nested``).
"""


class Database(ABC):
    """Runs transactions, each to its end: a cancelled caller neither tears one apart nor costs a connection.

    A caller that is cancelled while it waits does not learn whether its transaction was committed.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._is_open = False
        self.on_events_elsewhere: Callable[[], None] = lambda: None
        """Called in the event loop when another process has written an event, by a database that is told of it."""

    async def open(self) -> None:
        """Connect and bring the schema up to date. Does nothing when open already.

        Raises:
            Unavailable: The database does not answer.
            InvalidField: What is there is not a database of this runtime's, or of a newer one's.
        """
        if not self._is_open:
            try:
                await _translated(self._open())
            except BaseException:
                await self._close()
                raise
            self._is_open = True

    async def close(self) -> None:
        """Let running transactions end, then release every connection and thread. May be called twice."""
        self._is_open = False
        while self._running:
            await asyncio.wait(self._running)
        await self._close()

    async def read(self, work: Work[Result]) -> Result:
        """Run a transaction that changes nothing.

        Raises:
            Unavailable: The database is closed or does not answer.
        """
        return await self._to_the_end(self._read(work))

    async def write(self, work: Work[Result]) -> Result:
        """Run a transaction; it is committed when ``work`` returns, and undone when it raises.

        Raises:
            Unavailable: The database is closed or does not answer.
        """
        return await self._to_the_end(self._write(work))

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _close(self) -> None: ...

    @abstractmethod
    async def _read(self, work: Work[Result]) -> Result: ...

    @abstractmethod
    async def _write(self, work: Work[Result]) -> Result:
        """Run and commit. Events must become visible in the order of their ids: writers take turns."""

    async def _to_the_end(self, transaction: Coroutine[Any, Any, Result]) -> Result:
        if not self._is_open:
            transaction.close()
            raise Unavailable("the store is not open")
        task = asyncio.create_task(_translated(transaction))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.add_done_callback(_log_failure)
            raise
        return task.result()


async def _translated(transaction: Coroutine[Any, Any, Result]) -> Result:
    try:
        return await transaction
    except IntegrityError:
        raise
    except DataError as error:
        # Trying again would not help.
        raise InvalidField("body", "has a value that the database cannot keep") from error
    except (DBAPIError, PoolTimeoutError) as error:
        raise Unavailable("the store does not answer") from error


def _log_failure(task: asyncio.Task[Any]) -> None:
    """Speak for a transaction whose caller is gone."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("a store transaction failed after its caller had left: {}", type(error).__name__)
