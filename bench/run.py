"""The whole run: which measurement comes when, and what a failed one does to the rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console

from bench.callers import media_url, synthesise
from bench.figures import Figures, Quantity
from bench.knee import Climb
from bench.measure_instructions import measure_instructions
from bench.measure_memory import measure_memory
from bench.measure_soak import measure_soak
from bench.measure_starts import measure_starts
from bench.measure_step import measure_step
from bench.processes import BenchError, Cores, Server, StandIns, control, server, stand_ins
from bench.quantities import KNEE, headlines
from bench.scenario import AT_ONCE, REALISTIC, Delays, Effort, System, TurnPolicy
from bench.steps import Step
from bench.watch import Watch
from runtime.replay.utterance import Utterance

_LIMIT_S = 240.0
"""Longest time for one measurement, seconds."""


class Part(StrEnum):
    """What can be measured alone."""

    STARTS = "starts"
    KNEE = "knee"
    SMART_TURN = "smart-turn"
    DELAYS = "delays"
    MEMORY = "memory"
    SOAK = "soak"
    INSTRUCTIONS = "instructions"


_SERVED = frozenset(Part) - {Part.INSTRUCTIONS}
"""The parts that need servers."""


@dataclass(slots=True)
class Bench:
    """One run.

    Attributes:
        effort: How much to measure.
        parts: What to measure.
        cores: How to pin the processes.
        logs: Folder for the processes' stderr.
        console: Where progress goes.
        figures: What was measured so far.
        climbs: Each system's way up to its knee.
        broken: Measurements that could not be made.
    """

    effort: Effort
    parts: frozenset[Part]
    cores: Cores
    logs: Path
    console: Console
    figures: Figures = field(default_factory=Figures)
    climbs: dict[System, Climb] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    _until_s: float = 0.0

    async def run(self) -> None:
        """Measure. What cannot be measured is noted in `broken`, and the rest goes on.

        Raises:
            BenchError: The stand-ins did not start.
            ProviderError: The callers have no voice: espeak-ng is not installed.
        """
        self._until_s = time.monotonic() + self.effort.limit_s
        if self.parts & _SERVED:
            with TemporaryDirectory(prefix="aicall-bench-") as folder:
                await self._served(synthesise(Path(folder)))
        else:
            await self._instructions()

    async def _served(self, utterances: list[Utterance]) -> None:
        if self.parts & {Part.STARTS, Part.KNEE, Part.SMART_TURN}:
            async with self._vendors(AT_ONCE) as (vendors, watch):
                await self._talks(vendors, watch, utterances)
                await self._smart_turn(vendors, watch, utterances)
        if Part.DELAYS in self.parts:
            async with self._vendors(REALISTIC) as (vendors, watch):
                await self._delays(vendors, watch, utterances)
        # Neither memory nor instructions depend on who else is at work.
        await asyncio.gather(self._memory(utterances), self._instructions())

    async def _talks(self, vendors: StandIns, watch: Watch, utterances: list[Utterance]) -> None:
        """Call starts and the knee, on two servers that are up together and loaded in turns."""
        if not self.parts & {Part.STARTS, Part.KNEE}:
            return
        async with self._attempt("servers"), self._servers(TurnPolicy.SILENCE, vendors) as servers:
            if Part.STARTS in self.parts:
                for number in range(1, self.effort.start_rounds + 1):
                    for system, (target, url) in servers.items():
                        self._tell(f"call starts, round {number}: {system}")
                        async with self._attempt(f"call starts, {system}"), asyncio.timeout(_LIMIT_S):
                            self.figures.add(system, await measure_starts(target, url, utterances, self.effort.starts))
            if Part.KNEE in self.parts:
                await self._knee(servers, watch, utterances)

    async def _knee(self, servers: dict[System, tuple[Server, str]], watch: Watch, utterances: list[Utterance]) -> None:
        effort = self.effort
        self.climbs = {system: Climb(effort.ladder, effort.ladder_repeated, effort.ladder_again) for system in servers}
        until_s = time.monotonic() + effort.ladder_limit_s
        climbing = dict(self.climbs)
        # Taking turns, so that a change of the machine's load meets both systems.
        while climbing:
            over = time.monotonic() > until_s
            for system, climb in list(climbing.items()):
                calls = climb.next_calls
                if calls is None or over:
                    if calls is not None:
                        self.figures.remarks.append(f"{system}: no time was left for {calls} calls")
                    del climbing[system]
                    continue
                step = await self._step(system, *servers[system], watch, utterances, calls=calls, what="knee")
                climb.add(step)
        for system, climb in self.climbs.items():
            knee = climb.knee
            self.figures.remarks.append(f"knee, {system}: {knee}")
            self.figures.add(system, {KNEE: float(knee.calls), **headlines(climb.merged())})

    async def _smart_turn(self, vendors: StandIns, watch: Watch, utterances: list[Utterance]) -> None:
        if Part.SMART_TURN not in self.parts or not self.effort.smart_turn_calls:
            return
        async with self._attempt("Smart Turn"), self._servers(TurnPolicy.SMART_TURN, vendors) as servers:
            for calls in self.effort.smart_turn_calls:
                for system, target in servers.items():
                    step = await self._step(system, *target, watch, utterances, calls=calls, what="Smart Turn")
                    self.figures.add(system, _labelled(headlines([step], {calls}), "smart-turn", "Smart Turn"))

    async def _delays(self, vendors: StandIns, watch: Watch, utterances: list[Utterance]) -> None:
        async with self._attempt("delays"), self._servers(TurnPolicy.SILENCE, vendors) as servers:
            for calls in self.effort.delay_calls:
                p50_ms: dict[System, float] = {}
                for system, target in servers.items():
                    step = await self._step(system, *target, watch, utterances, calls=calls, what="vendors' delays")
                    self.figures.add(system, _labelled(headlines([step], {calls}), "delays", "realistic vendors"))
                    if step.v2v_p50_ms is not None:
                        p50_ms[system] = step.v2v_p50_ms
                if len(p50_ms) == len(System):
                    faster_ms = p50_ms[System.RECIPE] - p50_ms[System.OURS]
                    compared = f"{abs(faster_ms):.0f} ms {'faster' if faster_ms >= 0 else 'slower'} at p50"
                    self.figures.remarks.append(f"realistic vendors, {calls} at once: this runtime is {compared}")

    async def _memory(self, utterances: list[Utterance]) -> None:
        effort = self.effort
        if not self.parts & {Part.MEMORY, Part.SOAK}:
            return
        async with self._attempt("memory"), self._vendors(AT_ONCE) as (vendors, _):
            for system in System:
                async with self._attempt(f"memory, {system}"), self._server(system, vendors) as (target, url):
                    if Part.MEMORY in self.parts:
                        first, second = effort.memory_calls
                        self._tell(f"memory from {first} to {second} calls: {system}")
                        async with asyncio.timeout(_LIMIT_S):
                            self.figures.add(
                                system,
                                await measure_memory(target, url, utterances, (first, second), effort.memory_ramp_s),
                            )
                    if Part.SOAK in self.parts:
                        calls = effort.soak_calls[system]
                        self._tell(f"{calls} short calls, {effort.soak_at_once} at a time: {system}")
                        async with asyncio.timeout(_LIMIT_S):
                            self.figures.add(system, await measure_soak(target, url, calls, effort.soak_at_once))

    async def _instructions(self) -> None:
        if Part.INSTRUCTIONS not in self.parts:
            return
        self._tell("instructions, counted by valgrind")
        async with self._attempt("instructions"):
            counted = await measure_instructions(self.effort.instruction_frames, self.cores, self.logs)
            for system, measured in counted.measured.items():
                self.figures.add(system, measured)
            self.figures.remarks += counted.remarks

    async def _step(
        self,
        system: System,
        target: Server,
        url: str,
        watch: Watch,
        utterances: list[Utterance],
        *,
        calls: int,
        what: str,
    ) -> Step:
        """Take one step; one that cannot be taken counts as failed."""
        plural = "call" if calls == 1 else "calls"
        self._tell(f"{what}: {system}, {calls} {plural}")
        try:
            taken = await measure_step(
                target,
                url,
                utterances,
                watch,
                calls=calls,
                steady_s=self.effort.steady_s,
                single_turns=self.effort.single_turns,
            )
        except BenchError as error:
            self._broke(f"{what}, {system}, {calls} {plural}", str(error))
            return Step(calls, failed=calls)
        self.figures.remarks += [f"{what}, {system}, {calls} {plural}: {remark}" for remark in taken.remarks]
        step = taken.step
        if step.v2v_p50_ms is not None and step.v2v_p95_ms is not None:
            self._tell(
                f"  voice to voice {step.v2v_p50_ms:.0f} / {step.v2v_p95_ms:.0f} ms, "
                f"{step.cpu_per_call_pct or 0.0:.1f} % of a core per call"
            )
        return step

    @asynccontextmanager
    async def _vendors(self, delays: Delays) -> AsyncIterator[tuple[StandIns, Watch]]:
        async with (
            stand_ins(self.logs / "stand-ins.log", delays) as vendors,
            control(self.cores.server, self.logs / "control.log") as timer,
        ):
            yield vendors, Watch(self.cores, vendors, timer)

    @asynccontextmanager
    async def _servers(self, policy: TurnPolicy, vendors: StandIns) -> AsyncIterator[dict[System, tuple[Server, str]]]:
        """Run both servers at once; the one that is not measured has no call."""
        async with AsyncExitStack() as up:
            yield {system: await up.enter_async_context(self._server(system, vendors, policy)) for system in System}

    @asynccontextmanager
    async def _server(
        self, system: System, vendors: StandIns, policy: TurnPolicy = TurnPolicy.SILENCE
    ) -> AsyncIterator[tuple[Server, str]]:
        """Run a fresh server; yields it and its media URL."""
        with TemporaryDirectory(prefix="aicall-bench-") as folder:
            log = self.logs / f"{system}.log"
            running = server(system, policy, vendors.environ, core=self.cores.server, folder=Path(folder), log=log)
            async with running as target:
                yield target, await media_url(target, policy)

    @asynccontextmanager
    async def _attempt(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(max(0.0, self._until_s - time.monotonic())):
                yield
        except TimeoutError:
            over = time.monotonic() >= self._until_s
            self._broke(what, "no time was left for it" if over else "took too long")
        except (BenchError, httpx.HTTPError) as error:
            self._broke(what, str(error) or type(error).__name__)

    def _broke(self, what: str, why: str) -> None:
        self.broken.append(f"{what}: {why}")
        self.console.print(f"{what}: {why}", style="red", highlight=False)

    def _tell(self, what: str) -> None:
        self.console.print(what, highlight=False)


def _labelled(measured: dict[Quantity, float | None], key: str, title: str) -> dict[Quantity, float | None]:
    return {
        replace(quantity, key=f"{quantity.key}.{key}", title=f"{quantity.title} ({title})"): value
        for quantity, value in measured.items()
    }
