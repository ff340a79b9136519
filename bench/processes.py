"""The benchmark's processes: the vendors' stand-ins and the servers. Each ends with the context that started it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from bench.scenario import AT_ONCE, REPLY, Delays, System, TurnPolicy

ROOT: Final = Path(__file__).resolve().parent.parent
STAND_IN_KEY: Final = "stand-in-key"
"""The key that the stand-ins take."""

API_KEY: Final = "bench-api-key"
"""Bearer key of the runtime under test."""

_VENDORS: Final = ("openai", "deepgram", "elevenlabs")
_START_TIMEOUT_S: Final = 60.0
_ANSWER_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 10.0
_READY: Final = "listening on "


class BenchError(Exception):
    """A measurement could not be made."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the processes are pinned to; None where the platform cannot pin, or has only one core.

    Attributes:
        server: The server's.
        rest: That of callers and stand-ins.
    """

    server: int | None = None
    rest: int | None = None

    @classmethod
    def choose(cls) -> Cores:
        """Take the last core for the server and the first for the rest, since the first one serves most interrupts."""
        if not hasattr(os, "sched_getaffinity"):
            return cls()
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[-1], cores[0]) if len(cores) > 1 else cls()

    def pin_this_process(self) -> None:
        """Move this process, and what it will start, to the callers' core."""
        if self.rest is not None:
            os.sched_setaffinity(0, {self.rest})


class Child:
    """One of the benchmark's processes.

    Args:
        process: The process.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process

    async def ask(self, command: str) -> dict[str, Any]:
        """Send a command; return its answer.

        Raises:
            BenchError: The process is gone, or does not answer in time.
        """
        if self._process.stdin is None:
            raise BenchError("the process takes no commands")
        try:
            self._process.stdin.write(f"{command}\n".encode())
            await self._process.stdin.drain()
        except ConnectionError:
            raise BenchError("a process has ended; see its log") from None
        answer: dict[str, Any] = json.loads(await _line(self._process, _ANSWER_TIMEOUT_S))
        return answer

    def cpu_s(self) -> float:
        """Processor time that it has taken so far, seconds.

        Raises:
            BenchError: The process is gone.
        """
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.NoSuchProcess:
            raise BenchError("a process has ended; see its log") from None
        return float(times.user + times.system)

    def rss_mb(self) -> float:
        """Its resident memory, MB (10^6 bytes).

        Raises:
            BenchError: The process is gone.
        """
        try:
            return float(psutil.Process(self.pid).memory_info().rss) / 1e6
        except psutil.NoSuchProcess:
            raise BenchError("a process has ended; see its log") from None


class Server(Child):
    """A running server.

    Args:
        system: Which one.
        base_url: ``http://HOST:PORT``.
        process: Its process.
    """

    def __init__(self, system: System, base_url: str, process: asyncio.subprocess.Process) -> None:
        super().__init__(process)
        self.system = system
        self.base_url = base_url


class StandIns(Child):
    """The vendors' stand-ins.

    Args:
        environ: The environment variables by which both systems find them.
        process: Their process.
    """

    def __init__(self, environ: Mapping[str, str], process: asyncio.subprocess.Process) -> None:
        super().__init__(process)
        self.environ = environ


@asynccontextmanager
async def stand_ins(log: Path, delays: Delays = AT_ONCE) -> AsyncIterator[StandIns]:
    """Run the vendors' stand-ins in a process of their own while the context lasts.

    Args:
        log: Where their stderr goes.
        delays: How long they take.

    Raises:
        BenchError: They did not start.
    """
    ports = [argument for vendor in _VENDORS for argument in (f"--{vendor}-port", "0")]
    command = ["-m", "tests.standins", *ports, "--reply", REPLY, "--key", STAND_IN_KEY, *delays.arguments()]
    async with _running(command, {}, log) as process:
        urls: dict[str, str] = json.loads(await _line(process, _START_TIMEOUT_S))
        where = {f"AICALL_BASE_URL_{vendor.upper()}": url for vendor, url in urls.items()}
        yield StandIns(where | {f"{vendor.upper()}_API_KEY": STAND_IN_KEY for vendor in _VENDORS}, process)


@asynccontextmanager
async def control(core: int | None, log: Path) -> AsyncIterator[Child]:
    """Run a bare timer (`bench.control`) on the server's core while the context lasts.

    Args:
        core: The core, or None.
        log: Where its stderr goes.

    Raises:
        BenchError: It did not start.
    """
    command = ["-m", "bench.control"]
    if core is not None:
        command += ["--core", str(core)]
    async with _running(command, {}, log) as process:
        await _line(process, _START_TIMEOUT_S)
        yield Child(process)


@asynccontextmanager
async def server(
    system: System, policy: TurnPolicy, vendors: Mapping[str, str], *, core: int | None, folder: Path, log: Path
) -> AsyncIterator[Server]:
    """Run one of the two servers while the context lasts.

    Args:
        system: Which.
        policy: What ends a caller's turn (the runtime takes it from the AI instead).
        vendors: The environment variables of `StandIns`.
        core: The core to pin it to, or None.
        folder: An empty folder for its data.
        log: Where its stderr goes.

    Raises:
        BenchError: It did not start.
    """
    command = ["-m", "bench.server", system, "--policy", policy, "--data", str(folder)]
    if core is not None:
        command += ["--core", str(core)]
    settings = {"AICALL_API_KEY": API_KEY, "AICALL_LOG_LEVEL": "WARNING", "AICALL_ADMISSION": "fixed"}
    async with _running(command, {**vendors, **settings}, log, cwd=folder) as process:
        line = await _line(process, _START_TIMEOUT_S)
        if not line.startswith(_READY):
            raise BenchError("the server did not start")
        yield Server(system, line.removeprefix(_READY), process)


@asynccontextmanager
async def _running(
    arguments: list[str], variables: Mapping[str, str], log: Path, cwd: Path = ROOT
) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=_environment(variables),
            cwd=cwd,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    try:
        yield process
    finally:
        await _end(process)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Ours, without proxies (everything is on loopback) and without settings that a user has made for the runtime."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AICALL_") and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


async def _line(process: asyncio.subprocess.Process, timeout_s: float) -> str:
    if process.stdout is None:
        raise BenchError("the process has no output to read")
    try:
        async with asyncio.timeout(timeout_s):
            line = (await process.stdout.readline()).decode().strip()
    except TimeoutError:
        raise BenchError("a process did not answer in time; see its log") from None
    if not line:
        raise BenchError("a process has ended; see its log")
    return line


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let the process end at the end of its input; kill it when it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
