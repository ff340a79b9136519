"""Events of other processes are told of, also after the server was away."""

import asyncio
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from adapters.store.postgresql_listener import CHANNEL, PROCESS, EventListener
from tests.support.postgresql_server import PostgresqlServer


class Told:
    """Counts what a listener says."""

    def __init__(self, url: str) -> None:
        self.times = 0
        self._changed = asyncio.Condition()
        arguments: dict[str, Any] = {**conninfo_to_dict(url), "connect_timeout": 5}
        self.listener = EventListener(arguments, self._tell)
        self._tasks: set[asyncio.Task[None]] = set()

    def _tell(self) -> None:
        self.times += 1
        task = asyncio.create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, times: int) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: self.times >= times)


def notify(url: str, *payloads: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for payload in payloads:
            connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))


async def test_other_processes_are_heard_and_our_own_is_not(postgresql_url: str) -> None:
    told = Told(postgresql_url)
    await told.until(1)
    await asyncio.to_thread(notify, postgresql_url, PROCESS, "another", PROCESS, "a third")
    await told.until(3)
    assert told.times == 3
    await told.listener.close()


async def test_it_listens_again_when_the_server_is_back(own_postgresql_server: PostgresqlServer) -> None:
    server = own_postgresql_server
    url = server.create_database(migrated=False)
    told = Told(url)
    await told.until(1)
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    # It may have missed something, so it says so.
    await told.until(2)
    await asyncio.to_thread(notify, url, "another")
    await told.until(3)
    await told.listener.close()


async def test_it_can_be_closed_while_there_is_no_server() -> None:
    told = Told("postgresql://127.0.0.1:1/nowhere")
    await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        await told.listener.close()
    assert told.times == 0
