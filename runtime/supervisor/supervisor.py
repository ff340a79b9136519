"""The supervisor process: owns the port, hands each connection to a worker, and does what the fleet decides.

It holds no call and imports none of what calls need, so that nothing that can go wrong in a call can end it.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from loguru import logger
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from models.errors import InvalidField
from runtime.api_key import load_or_create_api_key
from runtime.listener import (
    STOP_SIGNALS,
    audiosocket_listener,
    base_url,
    listening_socket,
    received_signals,
    tell_new_key,
)
from runtime.settings import Settings
from runtime.supervisor.channel import Channel, Message
from runtime.supervisor.exposition import merge
from runtime.supervisor.fleet import SERVING, Announce, Command, Finish, Fleet, Kill, Mood, Note, Start, Step, Tell
from runtime.supervisor.placement import Candidate, Load, place

_ROOT: Final = Path(__file__).resolve().parents[2]
"""Where the workers' code is: the very code that runs here, wherever the server was started."""

WORKER: Final = (sys.executable, "-P", "-m", "runtime.supervisor")
"""The worker's program. The working folder is none of the places that code comes from: it is the operator's data."""

_AT_ONCE: Final = 64
"""Most connections that are accepted before anything else gets its turn."""

_STALLED_S: Final = 1.0
"""A worker that has said nothing for so long gets a connection only when all are like that, seconds."""

_STDERR: Final = 2
"""File descriptor of the standard error output."""

_SCRAPE_S: Final = 2.0
"""How long the workers may take to tell their metrics, seconds."""

_ACCEPT_AGAIN_S: Final = 0.5
"""Pause after the system refused a further connection, seconds: it has no more file descriptors."""


@dataclass(slots=True)
class _Child:
    """A worker process, seen from here.

    Attributes:
        handed: Connections that it was sent and has not said to have got. They are kept open until then: if it dies
            before, another worker gets them, and whoever called has noticed nothing.
    """

    process: asyncio.subprocess.Process
    channel: Channel
    heard_s: float
    load: Load = field(default_factory=Load)
    turn: int = 0
    knows_of_room: bool = False
    handed: deque[socket.socket] = field(default_factory=deque)

    def has_received(self, count: int) -> None:
        for _ in range(count - self.load.received):
            self.handed.popleft().close()


@dataclass(slots=True)
class _Scrape:
    """Somebody's question for the metrics of all."""

    asker: int
    asker_ref: int
    missing: set[int]
    texts: dict[int, str] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class Supervisor:
    """Runs on one event loop until every worker is gone.

    Args:
        settings: The settings, as far as they are the supervisor's own.
        given: The settings that the command line gave; workers read the rest themselves.
        stdout: Where the line ``listening on http://HOST:PORT`` goes.
        command: The worker's program; it gets the file descriptor of its end of the line as its last argument.
    """

    def __init__(
        self, settings: Settings, given: Mapping[str, Any], stdout: TextIO, command: Sequence[str] = WORKER
    ) -> None:
        self._command = tuple(command)
        self._given = {name: str(it) if isinstance(it, Path) else it for name, it in given.items() if it is not None}
        self._count = settings.processes
        self._fleet = Fleet(settings.processes, settings.drain_timeout_s)
        self._stdout = stdout
        self._loop = asyncio.get_running_loop()
        self._children: dict[int, _Child] = {}
        self._unborn: set[int] = set()
        self._homeless: deque[socket.socket] = deque()
        self._listeners: tuple[socket.socket, ...] = ()
        self._url = ""
        self._accepting = False
        self._turns = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[int] = self._loop.create_future()
        self._scrapes: dict[int, _Scrape] = {}
        self._scrape_ids = itertools.count(1)
        self._metrics = _Metrics(self._fleet)

    async def run(self, listener: socket.socket, *further: socket.socket) -> int:
        """Serve until told to stop.

        Args:
            listener: It listens for HTTP; the supervisor closes it.
            further: These listen too, for what a worker tells apart by the port; the supervisor closes them.

        Returns:
            The exit code: 0 after a drain, else that of the worker that could not start, or 1.
        """
        self._listeners, self._url = (listener, *further), base_url(listener)
        with received_signals((*STOP_SIGNALS, signal.SIGHUP)) as signals:
            listening = asyncio.create_task(self._obey(signals), name="signals")
            try:
                self._do(self._fleet.begin(self._loop.time()))
                return await self._over
            finally:
                listening.cancel()
                await self._clean_up(listening)

    async def _clean_up(self, listening: asyncio.Task[None]) -> None:
        self._stop_accepting()
        if self._timer is not None:
            self._timer.cancel()
        for child in self._children.values():
            child.process.kill()
        await asyncio.wait({listening, *self._tasks})

    async def _obey(self, signals: asyncio.Queue[int]) -> None:
        while True:
            number = await signals.get()
            now_s = self._loop.time()
            if number == signal.SIGHUP:
                self._do(self._fleet.reload(now_s))
                continue
            logger.info("draining" if self._fleet.mood is Mood.SERVING else "ending at once")
            self._do(self._fleet.stop(now_s))

    # What the fleet decides.

    def _do(self, commands: list[Command]) -> None:
        if self._over.done():
            return
        for command in commands:
            match command:
                case Start(id, number):
                    self._spawn(id, number)
                case Tell(id, order):
                    if (child := self._children.get(id)) is not None:
                        child.channel.send({"is": order.value})
                    else:
                        self._unborn.add(id)
                case Kill(id, why):
                    logger.error("worker {} {} and is killed", self._fleet.number_of(id), why)
                    if (child := self._children.get(id)) is not None:
                        child.process.kill()
                case Announce():
                    self._stdout.write(f"listening on {self._url}\n")
                    self._stdout.flush()
                case Note(text, bad):
                    logger.log("ERROR" if bad else "INFO", "{}", text)
                case Finish(code):
                    self._over.set_result(code)
        self._tell_of_room()
        self._look_at_the_port()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_s = self._fleet.next_due_s()
        if not math.isinf(due_s) and not self._over.done():
            self._timer = self._loop.call_at(due_s, self._tick)

    def _tick(self) -> None:
        # A timer may run a moment early; then it is set again.
        self._do(self._fleet.tick(self._loop.time()))

    # The workers' processes.

    def _spawn(self, id: int, number: int) -> None:  # noqa: A002
        self._metrics.starts.inc()
        task = self._loop.create_task(self._conduct(id, number), name=f"worker {number}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _conduct(self, id: int, number: int) -> None:  # noqa: A002
        """Start a worker process, and say when it has ended."""
        handed: deque[socket.socket] = deque()
        try:
            code = await self._run_worker(id, number, handed)
        except OSError as error:
            logger.error("worker {} cannot be started: {}", number, error.strerror or error)
            code = 1
        self._metrics.deaths.labels("signal" if code < 0 else "exit").inc()
        for scrape in list(self._scrapes):
            self._told_metrics(scrape, id, None)
        self._homeless += handed
        self._do(self._fleet.has_exited(id, code, self._loop.time()))

    async def _run_worker(self, id: int, number: int, handed: deque[socket.socket]) -> int:  # noqa: A002
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": _python_path(os.environ)},
                stdin=asyncio.subprocess.DEVNULL,
                # The one line on the standard output is the supervisor's.
                stdout=_STDERR,
                # A terminal's Ctrl-C is the supervisor's too: the workers get orders.
                start_new_session=True,
            )
            line = ours.dup()
        channel = Channel(line, lambda message, _: self._hear(id, message), lambda: None)
        self._children[id] = _Child(process, channel, self._loop.time(), handed=handed)
        channel.send(
            {"is": "begin", "number": number, "count": self._count, "base_url": self._url, "given": self._given}
        )
        if id in self._unborn or self._over.done():
            # It was told to end before there was anybody to tell; it has nothing to lose.
            process.kill()
        code = await process.wait()
        # What it said last counts: which connections it got.
        channel.read_rest()
        channel.close()
        del self._children[id]
        return code

    def _hear(self, id: int, message: Message) -> None:  # noqa: A002
        child = self._children.get(id)
        if child is None:
            return
        now_s = child.heard_s = self._loop.time()
        self._fleet.heard(id, now_s)
        match message["is"]:
            case "ready":
                self._do(self._fleet.was_ready(id, now_s))
            case "load":
                free = math.inf if message["free"] is None else float(message["free"])
                load = Load(message["calls"], free, message["undecided"], message["received"])
                child.has_received(load.received)
                child.load = load
                self._tell_of_room()
            case "drained":
                self._do(self._fleet.was_drained(id, now_s))
            case "leaving":
                self._do(self._fleet.asked_to_leave(id, now_s))
            case "scrape":
                self._scrape(id, message["id"])
            case "metrics":
                self._told_metrics(message["id"], id, message["text"])

    # The port.

    def _look_at_the_port(self) -> None:
        """Accept while somebody can serve; else let who calls wait, or, when the server ends, go."""
        if not self._listeners:
            return
        if self._fleet.mood is Mood.OPENING:
            return
        takers = self._fleet.takers()
        if takers and self._homeless:
            homeless, self._homeless = self._homeless, deque()
            for connection in homeless:
                self._hand_over(connection)
        if takers and not self._accepting:
            for listener in self._listeners:
                self._loop.add_reader(listener, self._accept, listener)
            self._accepting = True
        elif not takers and self._accepting:
            self._stop_reading()
        if not takers and self._fleet.mood is not Mood.SERVING:
            self._stop_accepting()

    def _stop_accepting(self) -> None:
        self._stop_reading()
        for listener in self._listeners:
            listener.close()
        self._listeners = ()
        while self._homeless:
            self._homeless.popleft().close()

    def _stop_reading(self) -> None:
        for listener in self._listeners:
            self._loop.remove_reader(listener)
        self._accepting = False

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if not self._listeners:
                return
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.error("cannot accept connections: {}", error.strerror or error)
                self._loop.remove_reader(listener)
                self._loop.call_later(_ACCEPT_AGAIN_S, self._accept_again)
                return
            self._hand_over(connection)

    def _accept_again(self) -> None:
        self._accepting = False
        self._look_at_the_port()

    def _hand_over(self, connection: socket.socket) -> None:
        chosen = place(self._candidates())
        if chosen is None:
            self._homeless.append(connection)
            return
        child = self._children[chosen]
        child.turn = next(self._turns)
        child.handed.append(connection)
        child.channel.send({"is": "connection"}, connection)

    def _tell_of_room(self) -> None:
        """Let each worker know whether another one has room: on a connection that is kept open, it may be asked."""
        roomy = {id for id in self._fleet.takers() if (it := self._children.get(id)) and it.load.free >= 1}  # noqa: A001
        for id, step in self._fleet.workers.items():  # noqa: A001
            child, there_is = self._children.get(id), bool(roomy - {id})
            # One that starts has nobody yet who could take it in.
            if child is not None and step in SERVING and child.knows_of_room is not there_is:
                child.knows_of_room = there_is
                child.channel.send({"is": "room_elsewhere", "there_is": there_is})

    def _candidates(self) -> list[Candidate]:
        late_s = self._loop.time() - _STALLED_S
        return [
            Candidate(id, child.load, len(child.handed), child.heard_s < late_s, child.turn)
            for id in self._fleet.takers()  # noqa: A001
            if (child := self._children.get(id)) is not None
        ]

    # The metrics of all.

    def _scrape(self, asker: int, asker_ref: int) -> None:
        number = next(self._scrape_ids)
        asked = {id for id, step in self._fleet.workers.items() if step in SERVING}  # noqa: A001
        scrape = self._scrapes[number] = _Scrape(asker, asker_ref, asked)
        scrape.timer = self._loop.call_later(_SCRAPE_S, self._answer, number)
        for id in asked:  # noqa: A001
            self._children[id].channel.send({"is": "read_metrics", "id": number})

    def _told_metrics(self, number: int, id: int, text: str | None) -> None:  # noqa: A002
        scrape = self._scrapes.get(number)
        if scrape is None:
            return
        scrape.missing.discard(id)
        if text is not None:
            scrape.texts[id] = text
        if not scrape.missing:
            self._answer(number)

    def _answer(self, number: int) -> None:
        scrape = self._scrapes.pop(number)
        if scrape.timer is not None:
            scrape.timer.cancel()
        parts: list[tuple[dict[str, str], str]] = [
            ({"worker": "supervisor", "pid": str(os.getpid())}, self._metrics.render())
        ]
        for id, text in scrape.texts.items():  # noqa: A001
            if (child := self._children.get(id)) is not None:
                labels = {"worker": str(self._fleet.number_of(id)), "pid": str(child.process.pid)}
                parts.append((labels, text))
        if (asker := self._children.get(scrape.asker)) is not None:
            asker.channel.send({"is": "all_metrics", "id": scrape.asker_ref, "text": merge(parts)})


class _Metrics:
    """What the supervisor itself counts."""

    def __init__(self, fleet: Fleet) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.starts = Counter("aicall_worker_starts", "Worker processes started.", registry=self._registry)
        self.deaths = Counter("aicall_worker_ends", "Worker processes that ended.", ["how"], registry=self._registry)
        for how in ("exit", "signal"):
            self.deaths.labels(how)
        self._workers = Gauge("aicall_workers", "Worker processes.", ["step"], registry=self._registry)
        self._fleet = fleet

    def render(self) -> str:
        steps = list(self._fleet.workers.values())
        for step in Step:
            if step is not Step.GONE:
                self._workers.labels(step).set(steps.count(step))
        return generate_latest(self._registry).decode()


def _python_path(environ: Mapping[str, str]) -> str:
    given = environ.get("PYTHONPATH")
    return f"{_ROOT}{os.pathsep}{given}" if given else str(_ROOT)


async def supervise(settings: Settings, given: Mapping[str, Any], stdout: TextIO | None = None) -> int:
    """Serve with several worker processes until told to stop.

    The first SIGTERM or SIGINT drains every worker, the second one ends their calls at once, SIGHUP replaces the
    workers one after the other.

    Args:
        settings: The settings.
        given: Those of them that the command line gave.
        stdout: Where the one line ``listening on http://HOST:PORT`` goes; None for the standard output.

    Returns:
        The exit code.

    Raises:
        InvalidField: A setting is wrong for several processes.
        OSError: The data folder or the address cannot be used.
    """
    if settings.database == ":memory:":
        raise InvalidField("database", "one in memory cannot be shared by several processes")
    if 0 < settings.max_calls < settings.processes:
        raise InvalidField("max_calls", "must be at least the number of processes, or 0")
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Once, before anybody else looks for it.
    tell_new_key(load_or_create_api_key(settings))
    with listening_socket(settings) as listener, audiosocket_listener(settings) as audiosocket:
        further = () if audiosocket is None else (audiosocket,)
        code = await Supervisor(settings, given, stdout or sys.stdout).run(listener, *further)
    logger.info("stopped")
    return code
