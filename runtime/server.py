"""The server process: builds everything, serves the API and the media sockets on one port, drains, stops."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TextIO

import uvicorn
from loguru import logger
from starlette.types import ASGIApp

from adapters.breaker import Circuits
from adapters.clients import SharedClients, VendorLimits
from adapters.preload import EMBEDDED, Preloader
from adapters.store.factory import create_store
from adapters.store.keyring import load_or_create_key
from pipelines.speech.greeting_cache import GreetingCache
from pipelines.speech.phrase_recorder import PhraseRecorder
from pipelines.vad.inference import InferenceEngine
from runtime.api.app import create_app
from runtime.api_key import ApiKey, load_or_create_api_key
from runtime.auth_gate import gate_of
from runtime.auto_limit import AutoLimit
from runtime.calls.audiosocket_door import AudioSocketDoor
from runtime.calls.keeping import keep_lives
from runtime.calls.live_calls import LiveCalls
from runtime.calls.web_socket import CallWebSocket
from runtime.capacity import Capacity
from runtime.circuit_metrics import CircuitMetrics
from runtime.delivery.running import delivering
from runtime.engine_metrics import EngineMetrics
from runtime.knowledge import open_knowledge
from runtime.listener import audiosocket_listener, base_url, listening_socket, received_signals, tell_new_key
from runtime.loop_watch import LoopPeriod, LoopWatch
from runtime.metrics import Metrics
from runtime.rehearsal import loaded_for_good, rehearse
from runtime.services import Services, utc_now
from runtime.settings import Settings
from runtime.stall_witness import StallWitness
from runtime.supervisor.entrance import Entrance
from runtime.sweeper import keep_sweeping
from runtime.text.attend import keep_attending
from runtime.timely_http import TimelyHttp
from runtime.tool_desk import open_tool_desk

MAX_MESSAGE_BYTES = 1_048_576
"""Largest WebSocket message that is taken in."""

SECRET_KEY_FILE = "secret_key"  # noqa: S105
DATABASE_FILE = "aicall.db"

_CLOSE_TIMEOUT_S = 5
"""How long open responses may take to end once the server stops, seconds."""


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its own signal handling, and with a word when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()

    async def wait_listening(self, serving: asyncio.Task[None]) -> None:
        """Wait until connections are accepted; raise what `serving`, the task of `serve`, failed with before."""
        listening = asyncio.create_task(self._listening.wait())
        await asyncio.wait((listening, serving), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if serving.done():
            serving.result()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # Uvicorn's would close live calls at the first SIGTERM; `serve` drains.
        yield


class _NoFalseAlarms(logging.Filter):
    """Drops what uvicorn says of every WebSocket that was refused with an HTTP answer: that there was no answer."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != "ASGI callable returned without completing handshake."


@contextmanager
def _without_false_alarms() -> Iterator[None]:
    uvicorn_log, alarms = logging.getLogger("uvicorn.error"), _NoFalseAlarms()
    uvicorn_log.addFilter(alarms)
    try:
        yield
    finally:
        uvicorn_log.removeFilter(alarms)


def database_url(settings: Settings) -> str:
    """Return the database to open: the one set, else the file in the data folder."""
    return settings.database or str(settings.data_dir / DATABASE_FILE)


def secret_key(settings: Settings) -> str:
    """Return the key that encrypts stored secrets: the one set, else that of the file in the data folder.

    Raises:
        InvalidField: The file cannot be read or made, or holds no key.
    """
    return settings.secret_key.get_secret_value() or load_or_create_key(settings.data_dir / SECRET_KEY_FILE)


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    api_key: ApiKey | None = None,
    inference: InferenceEngine | None = None,
    warm: bool = False,
    scrape: Callable[[], Awaitable[bytes]] | None = None,
) -> AsyncIterator[Services]:
    """Open everything that requests and calls need, models loaded, and release it afterwards.

    Args:
        settings: The settings.
        api_key: The API's key, when it was loaded already.
        inference: Loaded models that are the caller's to close; None loads them.
        warm: Whether to do now what otherwise the first call of each vendor does: imports, clients.
        scrape: Returns the metrics of all processes behind the port; None where this is the only one.

    Raises:
        InvalidField: A setting is wrong.
        Unavailable: The database does not answer.
        OSError: The data folder cannot be used.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A phone system's key that cannot be read is told before the first call.
    gate_of(settings)
    key = api_key or load_or_create_api_key(settings)
    store = create_store(database_url(settings), secret_key=secret_key(settings))
    metrics = Metrics()
    live_calls = LiveCalls()
    metrics.watch_live_calls(live_calls.__len__)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(store.close)
        await store.open()
        if inference is None:
            inference = InferenceEngine()
            opened.push_async_callback(inference.aclose)
        capacity = _capacity(settings, live_calls, metrics, inference.busy)
        clients = SharedClients(VendorLimits(voice_quiet_s=settings.tts_stall_s))
        opened.push_async_callback(clients.aclose)
        preloader = Preloader(clients, freeze=warm)
        if warm:
            await preloader.ensure(EMBEDDED | await store.providers_in_use())
        greetings = GreetingCache()
        phrases = PhraseRecorder(greetings)
        opened.push_async_callback(phrases.aclose)
        metrics.watch_engine(EngineMetrics(inference, greetings))
        circuits = Circuits(time.monotonic)
        metrics.watch_engine(CircuitMetrics(circuits))
        tools = await opened.enter_async_context(
            open_tool_desk(settings, clients, os.environ, utc_now, secret_key=secret_key(settings))
        )
        knowledge = await opened.enter_async_context(open_knowledge(settings, store))
        yield Services(
            settings=settings,
            store=store,
            live_calls=live_calls,
            capacity=capacity,
            inference=inference,
            clients=clients,
            metrics=metrics,
            greetings=greetings,
            phrases=phrases,
            preloader=preloader,
            circuits=circuits,
            api_key=key.secret,
            scrape=scrape,
            tools=tools,
            knowledge=knowledge,
        )


def _capacity(
    settings: Settings, live_calls: LiveCalls, metrics: Metrics, engine_busy: Callable[[], float]
) -> Capacity:
    capacity = Capacity(
        max_calls=settings.max_calls,
        auto=AutoLimit(time.monotonic) if settings.admission == "auto" else None,
        draining=lambda: live_calls.draining,
        engine_busy=engine_busy,
        on_refused=metrics.call_refused,
    )
    metrics.watch_capacity(lambda: capacity.limit, engine_busy)
    return capacity


@contextmanager
def _watched_loop(services: Services) -> Iterator[None]:
    """Watch the running event loop while the context lasts: for the metrics, the automatic limit and the log."""
    metrics, capacity = services.metrics, services.capacity

    def on_period(period: LoopPeriod) -> None:
        metrics.loop_worked(period.busy)
        capacity.observe(lag_s=period.lag_s, loop_busy=period.busy)

    witness = StallWitness()
    watch = LoopWatch(on_lag=metrics.loop_lagged, on_stall=witness.stalled, on_period=on_period)
    metrics.watch_loop(lambda: watch.worst_s)
    watch.start()
    witness.start(lambda: watch.due_s)
    try:
        yield
    finally:
        watch.stop()
        witness.stop()


@asynccontextmanager
async def running_server(
    settings: Settings,
    *,
    api_key: ApiKey | None = None,
    inference: InferenceEngine | None = None,
    warm: bool = False,
    entrance: Entrance | None = None,
) -> AsyncIterator[tuple[str, Services]]:
    """Run a server in this event loop while the context lasts; then end its calls and stop it.

    Args:
        settings: The settings.
        api_key: The API's key, when it was loaded already.
        inference: Loaded models that are the caller's to close; None loads them.
        warm: Whether to do now what otherwise the first calls and requests do: imports, clients, routes; and to tell
            the garbage collector that what is loaded stays. For a process that does nothing else.
        entrance: Where connections come from when another process accepts them; None to listen here.

    Yields:
        Its base URL, ``http://HOST:PORT`` with the real port, and its services.

    Raises:
        InvalidField: A setting is wrong.
        Unavailable: The database does not answer.
        OSError: The data folder or the address cannot be used.
    """
    scrape = entrance.scrape if entrance else None
    async with (
        open_services(settings, api_key=api_key, inference=inference, warm=warm, scrape=scrape) as services,
        delivering(services),
    ):
        with ExitStack() as held:
            listeners = [held.enter_context(listening_socket(settings))] if entrance is None else []
            audiosocket = held.enter_context(audiosocket_listener(settings)) if entrance is None else None
            held.enter_context(_without_false_alarms())
            url = base_url(listeners[0]) if entrance is None else entrance.base_url
            app = create_app(services)
            if warm:
                await rehearse(app)
                held.enter_context(loaded_for_good())
            held.enter_context(_watched_loop(services))
            server = _Uvicorn(_config(app if entrance is None else entrance.around(app)))
            serving = asyncio.create_task(server.serve(sockets=listeners), name="http server")
            sweeping = asyncio.create_task(keep_sweeping(services), name="sweeper")
            keeping = asyncio.create_task(keep_lives(services), name="lives")
            attending = asyncio.create_task(keep_attending(services), name="conversations")
            door = AudioSocketDoor(services)
            try:
                await server.wait_listening(serving)
                if audiosocket is not None:
                    await door.listen(audiosocket)
                if entrance is not None:
                    held.callback(entrance.close)
                    entrance.open(server, services, door)
                yield url, services
            finally:
                attending.cancel()
                await services.live_calls.drain(0)
                await door.close()
                await services.texts.close()
                services.closing.set()
                server.should_exit = True
                sweeping.cancel()
                keeping.cancel()
                await asyncio.wait((serving, sweeping, keeping, attending))


async def serve(settings: Settings, stdout: TextIO | None = None) -> None:
    """Serve in this one process until told to stop; `runtime.supervisor` serves with several.

    The first SIGTERM or SIGINT drains: no new calls, live ones go on until they end or ``drain_timeout_s`` is over.
    The second ends the live calls at once.

    Args:
        settings: The settings.
        stdout: Where the one line ``listening on http://HOST:PORT`` goes; None for the standard output.

    Raises:
        InvalidField: A setting is wrong.
        Unavailable: The database does not answer.
        OSError: The data folder or the address cannot be used.
    """
    api_key = load_or_create_api_key(settings)
    with received_signals() as signals:
        async with running_server(settings, api_key=api_key, warm=True) as (url, services):
            tell_new_key(api_key)
            out = stdout or sys.stdout
            out.write(f"listening on {url}\n")
            out.flush()
            await signals.get()
            logger.info("draining: {} live calls", len(services.live_calls))
            await drain(services, signals)
    logger.info("stopped")


async def drain(services: Services, signals: asyncio.Queue[int]) -> None:
    """Take no new calls and wait for the live ones, until ``drain_timeout_s`` is over or a signal comes."""
    draining = asyncio.create_task(services.live_calls.drain(services.settings.drain_timeout_s), name="drain")
    again = asyncio.create_task(signals.get(), name="second signal")
    try:
        await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (draining, again):
            task.cancel()
        await asyncio.gather(draining, again, return_exceptions=True)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=TimelyHttp,
        ws=CallWebSocket,
        # 50 small frames a second per call: compressing them costs more than it saves.
        ws_per_message_deflate=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        lifespan="off",
        log_config=None,
        # Media URLs hold tokens.
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_CLOSE_TIMEOUT_S,
    )
