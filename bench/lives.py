"""Randomised lives of AIcalls on a virtual clock, with faults: nothing may be stuck, illegal, lost or told twice.

``python -m bench.lives [--lives 10000] [--seed 1]``: several simulated processes run the real life code (admission,
worker, journal, leases, rescue, requests) on one real store, SQLite in memory. Phone systems, orchestrators and
conversations are simulated. Processes are killed, the database goes away for one or all, answers to its writes get
lost, sockets break, connections and requests come twice, and whoever reads the events is away for a while.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

from cryptography.fernet import Fernet
from loguru import logger
from typing_extensions import TypeVarTuple, Unpack

from adapters.store.base import GrantKind, MediaGrant, Store
from adapters.store.factory import create_store
from bench.life_world import Line, Process, loop_clock
from models.ai import Ai, AiWrite
from models.aicall import Aicall, AicallWrite, EndReason
from models.errors import AicallError
from models.event import Event
from models.ids import DEFAULT_CUSTOMER_ID
from models.status import TRANSITIONS, AicallStatus, is_final
from runtime.calls.control import end_aicall, pause_aicall, resume_aicall
from runtime.settings import Settings
from runtime.tokens import hash_token
from tests.support.virtual_time import VirtualClockLoop

PROCESSES = 4
AT_ONCE = 500
TOKEN = "token-of-the-simulation"
START = json.dumps({"event": "start", "call_id": "c", "sample_rate": 8000})
STOP = json.dumps({"event": "stop"})
_STALL_S = 120.0
"""Real seconds without anything happening after which the simulation is given up: a busy machine is slow."""
_MOVE = "aicall_status_"
_Ts = TypeVarTuple("_Ts")


@dataclass
class Figures:
    """What came out.

    Attributes:
        lives: AIcalls created.
        stuck: Those that have not ended.
        illegal: Moves that the table does not list, or that were recorded twice.
        lost: Events that are missing in a sequence, or that the reader never got, and sentences of bots whose call
            ended in peace and that are in no event.
        twice: Events, messages and sentences that are recorded more than once.
        virtual_s: How long it took, virtual seconds.
        real_s: How long it took, real seconds.
        moves: How often each status was entered.
        ends: How often each reason ended a life.
        faults: What was done to them.
    """

    lives: int
    stuck: int
    illegal: int
    lost: int
    twice: int
    virtual_s: float
    real_s: float
    moves: dict[str, int]
    ends: dict[str, int]
    faults: dict[str, int]

    @property
    def good(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.stuck or self.illegal or self.lost or self.twice)


class World:
    """Everything that is simulated.

    Args:
        store: The real store, open.
        settings: The settings of all processes.
        seed: Where chance begins.
    """

    def __init__(self, store: Store, settings: Settings, seed: int) -> None:
        self.store = store
        self.luck = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.said: dict[UUID, list[str]] = {}
        self.disturbed: set[UUID] = set()
        self.told: list[Event] = []
        self._settings = settings
        self._gone: list[Process] = []
        self.processes = [self._new() for _ in range(PROCESSES)]

    def _new(self) -> Process:
        return Process(
            self.store,
            self._settings,
            self.luck,
            faults=self.faults,
            said=self.said,
            disturbed=self.disturbed,
        )

    def any_process(self) -> Process:
        """Return one of those that live."""
        return self.luck.choice(self.processes)

    async def misfortune(self) -> None:
        """Let faults happen, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.luck.expovariate(1 / 6.0))
            match self.luck.choice(["kill", "kill", "outage of one", "outage of all"]):
                case "kill":
                    self.faults["processes killed"] += 1
                    victim = self.luck.randrange(PROCESSES)
                    self.processes[victim].kill()
                    self._gone.append(self.processes[victim])
                    self.processes[victim] = self._new()
                case "outage of one":
                    self.faults["outages of one process's store"] += 1
                    self.any_process().store.away_until_s = loop.time() + self.luck.uniform(1, 25)
                case _:
                    self.faults["outages of the store"] += 1
                    for process in self.processes:
                        process.store.away_until_s = loop.time() + self.luck.uniform(1, 30)

    async def listen(self) -> None:
        """Read the events as a sink does that is down now and then."""
        cursor = ""
        while True:
            events = await self.store.list_events(after=cursor, limit=500, customer_id=None)
            self.told += events
            cursor = events[-1].id if events else cursor
            if self.luck.random() < 0.02:
                self.faults["times the sink was down"] += 1
                await asyncio.sleep(self.luck.uniform(5, 60))
            await asyncio.sleep(0.0 if events else 1.0)

    async def close(self) -> None:
        """End all processes."""
        for process in (*self._gone, *self.processes):
            await process.close()


class Caller:
    """One AIcall's phone system and orchestrator.

    Args:
        world: The world.
        ai: Its AI.
    """

    def __init__(self, world: World, ai: Ai) -> None:
        self._world = world
        self._luck = world.luck
        self._ai = ai
        self._line: Line | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self.aicall_id = uuid4()

    async def live(self) -> None:
        """Have an AIcall from its creation to the moment at which nobody cares for it any more."""
        now = loop_clock()
        aicall = Aicall.create(AicallWrite(assistance_id=self._ai.id), self._ai, id=self.aicall_id, now=now)
        grant = MediaGrant(GrantKind.AICALL, aicall.id, hash_token(TOKEN), now + timedelta(seconds=120))
        await self._world.store.create_aicall(aicall, grant=grant)
        if self._luck.random() < 0.03:
            return
        await self._dial()
        for _ in range(self._luck.randrange(12)):
            await asyncio.sleep(self._luck.expovariate(1 / 2.5))
            await self._act()
        if self._line is not None and self._luck.random() < 0.6:
            self._line.put(STOP)
        elif self._line is not None:
            self._line.drop(1006)
        if self._asking:
            await asyncio.wait(self._asking)

    async def _act(self) -> None:
        line = self._line
        match self._luck.choice(["nothing", "lose", "lose", "dial", "pause", "resume", "terminate", "stop"]):
            case "lose" if line is not None:
                self._world.faults["sockets lost"] += 1
                line.drop(self._luck.choice([1006, 1001, 1011]))
                await asyncio.sleep(self._luck.choice([0.0, 0.01, 1.0, 5.0, 9.9, 15.0]))
                await self._dial()
            case "dial":
                await self._dial()
            case "pause" | "resume" as request:
                for _ in range(self._luck.choice([1, 1, 2])):
                    self._ask(request)
            case "terminate" if self._luck.random() < 0.3:
                for _ in range(self._luck.choice([1, 2])):
                    self._ask("terminate")
            case "stop" if line is not None and self._luck.random() < 0.2:
                line.put(STOP)
            case _:
                pass

    async def _dial(self) -> None:
        for _ in range(self._luck.randrange(1, 5)):
            dialled = [
                self._world.any_process().connect(self.aicall_id, TOKEN) for _ in range(self._luck.choice([1, 1, 2]))
            ]
            self._world.faults["connections that came twice"] += len(dialled) - 1
            for line, task in dialled:
                accepted = asyncio.create_task(line.accepted.wait())
                await asyncio.wait({accepted, task}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
                accepted.cancel()
                if line.accepted.is_set():
                    if self._luck.random() < 0.97:
                        line.put(START)
                    self._line = line
            if self._line is not None and not self._line.closed.is_set():
                return
            await asyncio.sleep(self._luck.uniform(0.2, 3.0))

    def _ask(self, request: str) -> None:
        task = asyncio.create_task(self._asked(request))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _asked(self, request: str) -> None:
        services = self._world.any_process().services
        try:
            aicall = await services.store.get_aicall(self.aicall_id, customer_id=None)
            match request:
                case "pause":
                    await pause_aicall(services, aicall)
                case "resume":
                    await resume_aicall(services, aicall)
                case _:
                    await end_aicall(services, aicall, EndReason.TERMINATE)
        except AicallError as error:
            self._world.faults[f"requests refused: {type(error).__name__}"] += 1


async def simulate(lives: int, seed: int, folder: Path) -> Figures:
    """Run so many lives and look at what is left of them. To be run on a virtual clock."""
    loop, began_s = asyncio.get_running_loop(), time.perf_counter()
    store = create_store(":memory:", secret_key=Fernet.generate_key().decode())
    await store.open()
    settings = Settings(data_dir=folder, sweep_interval_s=5)
    ai = Ai.create(
        AiWrite(
            name="x", engine_model="script.receptionist", init_prompt="", tts_type="espeak", stt_type="pocketsphinx"
        ),
        id=uuid4(),
        customer_id=DEFAULT_CUSTOMER_ID,
        now=loop_clock(),
    )
    await store.create_ai(ai)
    world = World(store, settings, seed)
    misfortune, listening = asyncio.create_task(world.misfortune()), asyncio.create_task(world.listen())
    places = asyncio.Semaphore(AT_ONCE)

    async def live() -> UUID:
        async with places:
            caller = Caller(world, ai)
            await caller.live()
            return caller.aicall_id

    ids = await asyncio.gather(*(live() for _ in range(lives)))
    misfortune.cancel()
    # Longer than tokens, leases, grace times and outages last, one after the other.
    await asyncio.sleep(200)
    await world.close()
    await asyncio.sleep(90)
    listening.cancel()
    await asyncio.wait({misfortune, listening})
    figures = await _look(world, list(ids))
    await store.close()
    figures.virtual_s, figures.real_s = round(loop.time()), round(time.perf_counter() - began_s, 1)
    return figures


async def _look(world: World, ids: list[UUID]) -> Figures:
    store, figures = world.store, Figures(len(ids), 0, 0, 0, 0, 0, 0, {}, {}, dict(world.faults))
    moves: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    told: dict[UUID, list[Event]] = {}
    for event in world.told:
        told.setdefault(event.aicall_id, []).append(event)
    for aicall_id in ids:
        aicall = await store.get_aicall(aicall_id, customer_id=None)
        figures.stuck += not is_final(aicall.status)
        ends[aicall.end_reason] += 1
        events = await store.list_events(limit=10_000, customer_id=None, aicall_id=aicall_id)
        figures.lost += [event.sequence for event in events] != list(range(1, len(events) + 1))
        figures.lost += [event.id for event in told.get(aicall_id, [])] != [event.id for event in events]
        path = [AicallStatus(event.type.removeprefix(_MOVE)) for event in events if event.type.startswith(_MOVE)]
        moves.update(path)
        figures.illegal += sum(target not in TRANSITIONS[source] for source, target in pairwise(path))
        figures.illegal += path[-1] is not aicall.status or path[0] is not AicallStatus.INITIATING
        sentences = Counter(_sentence(event) for event in events if event.type == "aimessage_created")
        figures.twice += sum(count > 1 for count in sentences.values())
        if aicall_id not in world.disturbed:
            figures.lost += len(set(world.said.get(aicall_id, ())) - sentences.keys())
    figures.moves, figures.ends = dict(moves), dict(ends)
    return figures


def _sentence(event: Event) -> str:
    return str(event.data["content"])


class _Loop(VirtualClockLoop):
    """Does what is for a thread at once: a transaction takes no virtual time, and threads only cost real time."""

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], Any], *args: *_Ts
    ) -> asyncio.Future[Any]:
        del executor
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is for whoever awaits it
            future.set_exception(error)
        return future


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line.

    Returns:
        0 when nothing went wrong.
    """
    parser = argparse.ArgumentParser(description="Randomised lives of AIcalls, with faults, on a virtual clock.")
    parser.add_argument("--lives", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    logger.remove()
    with TemporaryDirectory() as folder:
        figures = run(given.lives, given.seed, Path(folder))
    sys.stdout.write(json.dumps(asdict(figures), indent=2) + "\n")
    return 0 if figures.good else 1


def run(lives: int, seed: int, folder: Path) -> Figures:
    """Simulate on a virtual clock of its own."""
    with asyncio.Runner(loop_factory=partial(_Loop, stall_s=_STALL_S)) as runner:
        return runner.run(simulate(lives, seed, folder))


if __name__ == "__main__":
    sys.exit(main())
