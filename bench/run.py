"""The whole run: which measurement comes when, and what a failed one does to the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console

from bench.callers import media_url, synthesise
from bench.figures import Figures
from bench.measure_memory import measure_memory
from bench.measure_starts import measure_starts
from bench.measure_talks import measure_talk
from bench.processes import BenchError, Cores, Server, server, stand_ins
from bench.scenario import Effort, System, TurnPolicy
from runtime.replay.utterance import Utterance

_LIMIT_S = 180.0
"""Longest time for one measurement, seconds."""


class Part(StrEnum):
    """What can be measured alone."""

    STARTS = "starts"
    TALKS = "talks"
    SMART_TURN = "smart-turn"
    MEMORY = "memory"


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
        broken: Measurements that could not be made.
    """

    effort: Effort
    parts: frozenset[Part]
    cores: Cores
    logs: Path
    console: Console
    figures: Figures = field(default_factory=Figures)
    broken: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Measure. What cannot be measured is noted in `broken`, and the rest goes on.

        Raises:
            BenchError: The stand-ins did not start.
            ProviderError: The callers have no voice: espeak-ng is not installed.
        """
        with TemporaryDirectory(prefix="aicall-bench-") as folder:
            utterances = synthesise(Path(folder))
            async with stand_ins(self.logs / "stand-ins.log") as vendors:
                # Taking turns, so that a change of the machine's load meets both systems.
                for repetition in range(1, self.effort.repetitions + 1):
                    for system in System:
                        await self._conversations(system, TurnPolicy.SILENCE, vendors, utterances, repetition)
                if Part.SMART_TURN in self.parts and self.effort.smart_turn_talks:
                    for system in System:
                        await self._conversations(system, TurnPolicy.SMART_TURN, vendors, utterances, 1)
                if Part.MEMORY in self.parts:
                    for system in System:
                        await self._memory(system, vendors, utterances)

    async def _conversations(
        self,
        system: System,
        policy: TurnPolicy,
        vendors: Mapping[str, str],
        utterances: list[Utterance],
        repetition: int,
    ) -> None:
        smart = policy is TurnPolicy.SMART_TURN
        starts = smart or Part.STARTS in self.parts
        talks = self.effort.smart_turn_talks if smart else self.effort.talks if Part.TALKS in self.parts else {}
        if not starts and not talks:
            return
        async with (
            self._attempt(f"{system}, {policy}, round {repetition}"),
            self._server(system, policy, vendors) as (target, url),
        ):
            if starts:
                self._tell(f"{system}, {policy}, round {repetition}: call starts")
                async with asyncio.timeout(_LIMIT_S):
                    self.figures.add(system, await measure_starts(target, url, utterances, self.effort.starts, policy))
            for calls, turns in talks.items():
                self._tell(f"{system}, {policy}, round {repetition}: {calls} calls, {turns} turns each")
                async with asyncio.timeout(_LIMIT_S):
                    talk = await measure_talk(target, url, utterances, calls=calls, turns=turns, label=policy)
                self.figures.add(system, talk.measured)
                self.figures.remarks += [f"{system}, round {repetition}, {remark}" for remark in talk.remarks]

    async def _memory(self, system: System, vendors: Mapping[str, str], utterances: list[Utterance]) -> None:
        counts = self.effort.memory_calls
        async with (
            self._attempt(f"{system}, memory"),
            self._server(system, TurnPolicy.SILENCE, vendors) as (
                target,
                url,
            ),
        ):
            self._tell(f"{system}: memory from {counts[0]} to {counts[1]} calls")
            async with asyncio.timeout(_LIMIT_S):
                measured = await measure_memory(target, url, utterances, counts, self.effort.memory_ramp_s)
            self.figures.add(system, measured)

    @asynccontextmanager
    async def _server(
        self, system: System, policy: TurnPolicy, vendors: Mapping[str, str]
    ) -> AsyncIterator[tuple[Server, str]]:
        """Run a fresh server; yields it and its media URL."""
        with TemporaryDirectory(prefix="aicall-bench-") as folder:
            log = self.logs / f"{system}.log"
            running = server(system, policy, vendors, core=self.cores.server, folder=Path(folder), log=log)
            async with running as target:
                yield target, await media_url(target, policy)

    @asynccontextmanager
    async def _attempt(self, what: str) -> AsyncIterator[None]:
        try:
            yield
        except TimeoutError:
            self._broke(what, "took too long")
        except (BenchError, httpx.HTTPError) as error:
            self._broke(what, str(error) or type(error).__name__)

    def _broke(self, what: str, why: str) -> None:
        self.broken.append(f"{what}: {why}")
        self.console.print(f"[red]{what}: {why}[/red]")

    def _tell(self, what: str) -> None:
        self.console.print(what, highlight=False)
