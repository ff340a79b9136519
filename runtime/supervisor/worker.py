"""One worker process: a server whose connections, orders and end come from the supervisor.

Started as ``python -m runtime.supervisor CHANNEL``, where CHANNEL is the file descriptor of its end of the line
to the supervisor. The first message on it says which worker this is and how the server was started; settings otherwise
come from where they always come from, so that a worker started later sees a changed file.

What is said on the line (`runtime.supervisor.channel`), field ``is``:

| to the worker | |
|---|---|
| ``begin`` | ``number``, ``count``, ``base_url``, ``given`` (the command line's settings) |
| ``connection`` | comes with an accepted socket |
| ``retire``, ``drain``, ``end``, ``leave`` | the orders of `runtime.supervisor.fleet.Order` |
| ``room_elsewhere`` | ``there_is``: whether another worker would take a call |
| ``read_metrics`` | ``id`` |
| ``all_metrics`` | ``id``, ``text``: the answer to ``scrape`` |

| from the worker | |
|---|---|
| ``ready``, ``drained`` | |
| ``load`` | the fields of `runtime.supervisor.placement.Load`, at every change and twice a second |
| ``leaving`` | somebody else told it to stop |
| ``metrics`` | ``id``, ``text`` |
| ``scrape`` | ``id``: somebody asked it for the metrics of all |
"""

from __future__ import annotations

import asyncio
import itertools
import math
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from loguru import logger

from models.errors import AicallError
from runtime.exits import explain
from runtime.logs import configure_logging
from runtime.settings import Settings, load_settings
from runtime.supervisor.channel import Channel, Message
from runtime.supervisor.fleet import Order

if TYPE_CHECKING:
    from runtime.services import Services
    from runtime.supervisor.entrance import Entrance

_LOOK_S: Final = 0.05
"""Pause between two looks at how busy this process is, seconds: calls come and go without telling."""

_REPORT_S: Final = 0.5
"""Longest pause between two reports, seconds."""

_LAST_REQUESTS_S: Final = 60.0
"""Longest wait of a worker that retires for the requests on old connections, seconds. The HTTP server closes idle ones
after five; an answer in writing may take longer."""

_SCRAPE_S: Final = 5.0
_WAIT_S: Final = 0.02


def share_of(total: int, number: int, count: int) -> int:
    """Return one worker's share of a number of calls that are shared out evenly.

    Args:
        total: For all of them; 0 for no limit.
        number: Which worker, from 1.
        count: How many there are.
    """
    return total // count + (1 if number <= total % count else 0)


def settings_of(begin: Message) -> Settings:
    """Read the settings as the supervisor's command line did, with this worker's share of what is shared out.

    Raises:
        InvalidField: As `load_settings`.
    """
    settings = load_settings(**begin["given"])
    return settings.model_copy(update={"max_calls": share_of(settings.max_calls, begin["number"], begin["count"])})


class Worker:
    """The worker's end of the line, and what comes over it. Made on the running event loop, by the task that runs it.

    Args:
        end: This process's end of the line; the worker closes it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._begin: asyncio.Future[Message] = self._loop.create_future()
        self._orders: asyncio.Queue[Order] = asyncio.Queue()
        self._starting: asyncio.Task[None] | None = None
        self._entrance: Entrance | None = None
        self._services: Services | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reported: Message = {}
        self._reported_s = -math.inf
        self._asked_to_stop = False
        self._ids = itertools.count(1)
        self._scrapes: dict[int, asyncio.Future[bytes]] = {}
        self._channel = Channel(end, self._on_message, self._on_lost)

    async def run(self) -> None:
        """Serve until the supervisor says that it is enough, or until it is gone and the last call has ended.

        Raises:
            InvalidField: A setting is wrong.
            Unavailable: The database does not answer.
            OSError: The data folder cannot be used.
        """
        # While it starts it has no calls: whoever does not want it any more just stops it.
        serving = self._starting = asyncio.create_task(self._serve(), name="worker")
        try:
            await serving
        except asyncio.CancelledError:
            if not serving.cancelled():
                raise
        finally:
            self._channel.close()

    async def _serve(self) -> None:
        begin = await self._begin
        settings = settings_of(begin)
        configure_logging(settings.log_level, process=f"worker {begin['number']}")
        # Importing the server takes seconds of CPU; a setting that is wrong needs none of it.
        from runtime.server import running_server  # noqa: PLC0415
        from runtime.supervisor.entrance import Entrance  # noqa: PLC0415

        self._entrance = Entrance(begin["base_url"], self._report, self.scrape)
        async with running_server(settings, warm=True, entrance=self._entrance) as (_, services):
            self._services, self._starting = services, None
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._on_signal)
            self._look()
            self._channel.send({"is": "ready"})
            try:
                await self._obey(services, self._entrance)
            finally:
                if self._timer is not None:
                    self._timer.cancel()
        logger.info("stopped")

    # Orders.

    async def _obey(self, services: Services, entrance: Entrance) -> None:
        draining: asyncio.Task[None] | None = None
        drained = False
        try:
            while True:
                order = await self._next_order(draining if not drained else None)
                if order is None:
                    drained = True
                    self._channel.send({"is": "drained"})
                elif order is Order.END:
                    return
                elif order is Order.LEAVE:
                    await self._wait_while(lambda: entrance.has_undecided)
                    return
                elif draining is None:
                    work = self._retire(services, entrance) if order is Order.RETIRE else self._drain(services)
                    draining = asyncio.create_task(work, name="drain")
                if drained and not self._channel.is_open:
                    return
        finally:
            if draining is not None:
                draining.cancel()
                await asyncio.wait({draining})

    async def _next_order(self, draining: asyncio.Task[None] | None) -> Order | None:
        """Wait for an order, or for the drain to be over: None."""
        order = asyncio.create_task(self._orders.get(), name="order")
        try:
            await asyncio.wait({order, *({draining} if draining else ())}, return_when=asyncio.FIRST_COMPLETED)
            return order.result() if order.done() else None
        finally:
            order.cancel()

    async def _retire(self, services: Services, entrance: Entrance) -> None:
        # Whatever comes on a connection that is open is served as ever, so that nobody is refused for the restart.
        entrance.retire()
        services.closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_REQUESTS_S):
                await self._wait_while(lambda: entrance.has_requests)
        await self._drain(services)

    async def _drain(self, services: Services) -> None:
        logger.info("draining: {} live calls", len(services.live_calls))
        await services.live_calls.drain(services.settings.drain_timeout_s)

    async def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition():  # noqa: ASYNC110 - what it looks at belongs to the HTTP server
            await asyncio.sleep(_WAIT_S)

    def _on_signal(self) -> None:
        # The supervisor's own signals come as orders. One to this process alone has it replaced, a second one ends it.
        if self._asked_to_stop:
            self._orders.put_nowait(Order.END)
        self._asked_to_stop = True
        self._channel.send({"is": "leaving"})

    def _on_lost(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
        else:
            logger.error("the supervisor is gone")
            self._orders.put_nowait(Order.DRAIN)

    def _on_message(self, message: Message, carried: socket.socket | None) -> None:
        kind = message["is"]
        if kind == "connection" and carried is not None:
            self._receive(carried)
        elif kind == "begin":
            self._begin.set_result(message)
        elif kind == "room_elsewhere":
            if self._entrance is not None:
                self._entrance.room_elsewhere = message["there_is"]
        elif kind == "read_metrics":
            if self._services is not None:
                text = self._services.metrics.render().decode()
                self._channel.send({"is": "metrics", "id": message["id"], "text": text})
        elif kind == "all_metrics":
            if (asked := self._scrapes.pop(message["id"], None)) and not asked.done():
                asked.set_result(message["text"].encode())
        elif self._starting is not None:
            self._starting.cancel()
        else:
            self._orders.put_nowait(Order(kind))

    def _receive(self, connection: socket.socket) -> None:
        if self._entrance is None:
            connection.close()
            return
        self._entrance.admit(connection)
        # Before a byte of it is read: a connection that was not said to be here is given to another worker when this
        # one dies.
        self._report()

    # Reports.

    def _look(self) -> None:
        self._timer = self._loop.call_later(_LOOK_S, self._look)
        self._report()

    def _report(self) -> None:
        if self._entrance is None:
            return
        load = asdict(self._entrance.load())
        if math.isinf(load["free"]):
            load["free"] = None
        now_s = self._loop.time()
        if load != self._reported or now_s - self._reported_s >= _REPORT_S:
            self._reported, self._reported_s = load, now_s
            self._channel.send({"is": "load", **load})

    async def scrape(self) -> bytes:
        """Return the metrics of all workers; those of this one while the supervisor does not answer."""
        number = next(self._ids)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._scrapes[number] = answer
        self._channel.send({"is": "scrape", "id": number})
        try:
            async with asyncio.timeout(_SCRAPE_S):
                return await answer
        except TimeoutError:
            return self._services.metrics.render() if self._services else b""
        finally:
            self._scrapes.pop(number, None)


async def _work(descriptor: int) -> None:
    await Worker(socket.socket(fileno=descriptor)).run()


def main(arguments: Sequence[str]) -> int:
    """Run the worker.

    Args:
        arguments: The program's name and the channel's file descriptor.

    Returns:
        The exit code.
    """
    try:
        asyncio.run(_work(int(arguments[1])))
    except (AicallError, OSError) as error:
        code, text = explain(error)
        sys.stderr.write(f"aicall: {text}\n")
        return code
    return 0
