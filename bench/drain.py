"""Live calls drained over several processes: how many are cut, and how many newcomers are not told to go elsewhere.

``python -m bench.drain [--calls 200] [--processes 2]``: the server is started as an operator starts it, on the embedded
default, and gets that many calls. Then it gets SIGTERM. The callers hang up one after the other, in random order; a
call that the server ends before its caller does is cut. Every AIcall is looked up in the database afterwards: it must
be ``terminated``, by its caller's hang-up.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import psutil
from websockets.exceptions import InvalidHandshake

from bench.processes import API_KEY, ROOT, BenchError
from bench.quiet_call import QuietCall

_READY: Final = "listening on "
_START_TIMEOUT_S: Final = 300.0
_GREETING_TIMEOUT_S: Final = 120.0
_EXIT_TIMEOUT_S: Final = 120.0
_AT_ONCE: Final = 10
"""Calls that are dialled at the same time."""

_AN_AI: Final[dict[str, Any]] = {
    "name": "Front desk",
    "engine_model": "script.receptionist",
    "init_prompt": "You answer the phone.",
    "tts_type": "espeak",
    "stt_type": "pocketsphinx",
    "parameter": {"greeting": "Hello."},
}


@dataclass
class Figures:
    """What was measured.

    Attributes:
        calls: Live calls when the drain began.
        placed: How many of them each worker had.
        worker_mb: Resident memory of the largest worker without calls, MB (10^6 bytes).
        supervisor_mb: Resident memory of the supervisor, MB.
        cut: Calls that the server ended.
        refused: Newcomers during the drain that were told 503.
        newcomers: Newcomers during the drain.
        ended: The AIcalls in the database afterwards, by status and reason.
        exit_code: The server's.
        drain_s: From SIGTERM to the end of the server, seconds.
    """

    calls: int = 0
    placed: list[int] = field(default_factory=list)
    worker_mb: float = 0.0
    supervisor_mb: float = 0.0
    cut: int = 0
    refused: int = 0
    newcomers: int = 0
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    exit_code: int | None = None
    drain_s: float = 0.0

    @property
    def well(self) -> bool:
        """Whether nobody was cut, everybody new was refused in order, and nothing was left behind."""
        return (
            self.cut == 0
            and self.refused == self.newcomers > 0
            and self.exit_code == 0
            and self.ended[("terminated", "hangup")] == self.calls
        )

    def lines(self) -> list[str]:
        """The figures, for people."""
        return [
            f"{self.calls} live calls on {len(self.placed)} processes ({', '.join(map(str, self.placed))})",
            f"memory: supervisor {self.supervisor_mb:.0f} MB, a worker without calls {self.worker_mb:.0f} MB",
            f"cut: {self.cut}",
            f"newcomers during the drain: {self.newcomers}, of them refused with 503: {self.refused}",
            "in the database: " + ", ".join(f"{count} {' '.join(what)}" for what, count in self.ended.items()),
            f"exit code {self.exit_code}, {self.drain_s:.0f} s after SIGTERM",
        ]


async def measure(calls: int, processes: int, seconds: float, folder: Path) -> Figures:
    """Measure once.

    Args:
        calls: How many live calls.
        processes: How many worker processes.
        seconds: Over which time the callers hang up, seconds.
        folder: An empty folder for the server's data and log.

    Raises:
        BenchError: The server did not start, or a call did not come up.
    """
    figures = Figures(calls)
    async with _served(processes, folder) as (process, url):
        figures.supervisor_mb, figures.worker_mb = _memory_mb(process.pid)
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as http,
            AsyncExitStack() as open_,
        ):
            urls = await _media_urls(http, calls + 1)
            live = await _dial(urls[:calls], open_)
            figures.placed = await _placed(http)
            began_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await _until_draining(url)
            *others, last = live
            await asyncio.gather(*(_stay(it, random.uniform(0, seconds)) for it in others), _try(urls[-1], figures))
            # As long as there is a call, there is somebody to refuse newcomers.
            await last.hang_up()
            figures.cut = sum(call.cut for call in live)
        async with asyncio.timeout(_EXIT_TIMEOUT_S):
            figures.exit_code = await process.wait()
        figures.drain_s = time.monotonic() - began_s
    figures.ended = await asyncio.to_thread(_ends, folder)
    return figures


@asynccontextmanager
async def _served(processes: int, folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AICALL_")}
    ours = {"AICALL_API_KEY": API_KEY, "AICALL_ADMISSION": "fixed", "AICALL_IDLE_TIMEOUT_S": "3600"}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "runtime.cli", "serve", "--port", "0", "--data", str(folder / "data")),
            *("--processes", str(processes)),
            cwd=folder,
            env={**kept, **ours, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        if process.stdout is None:
            raise BenchError("the server has no output to read")
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode().strip()
        if not line.startswith(_READY):
            raise BenchError("the server did not start")
        yield process, line.removeprefix(_READY)
    finally:
        if process.returncode is None:
            # Its workers notice, and end with the calls that are broken off now.
            process.kill()
        await process.wait()


def _memory_mb(pid: int) -> tuple[float, float]:
    supervisor = psutil.Process(pid)
    workers = [it.memory_info().rss / 1e6 for it in supervisor.children()]
    return supervisor.memory_info().rss / 1e6, max(workers, default=0.0)


async def _media_urls(http: httpx.AsyncClient, count: int) -> list[str]:
    ai = (await http.post("/v1.0/ais", json=_AN_AI)).raise_for_status().json()
    body = {"assistance_id": ai["id"]}
    return [(await http.post("/v1.0/aicalls", json=body)).raise_for_status().json()["media_url"] for _ in range(count)]


async def _dial(urls: list[str], open_: AsyncExitStack) -> list[QuietCall]:
    few = asyncio.Semaphore(_AT_ONCE)

    async def dial(url: str) -> QuietCall:
        async with few:
            call = await open_.enter_async_context(QuietCall(url))
            async with asyncio.timeout(_GREETING_TIMEOUT_S):
                await call.greeted.wait()
            return call

    try:
        return await asyncio.gather(*(dial(url) for url in urls))
    except (OSError, InvalidHandshake, TimeoutError) as error:
        raise BenchError("a call did not come up") from error


async def _placed(http: httpx.AsyncClient) -> list[int]:
    text = (await http.get("/metrics")).raise_for_status().text
    return [int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("aicall_live_calls{")]


async def _until_draining(url: str) -> None:
    async with asyncio.timeout(_EXIT_TIMEOUT_S):
        while True:
            async with httpx.AsyncClient(timeout=60, trust_env=False) as anew:
                if (await anew.get(f"{url}/readyz")).status_code == 503:
                    return
            await asyncio.sleep(0.05)


async def _stay(call: QuietCall, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await call.hang_up()


async def _try(url: str, figures: Figures) -> None:
    """Dial in vain, again and again."""
    http_url = url.replace("ws", "http", 1)
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        for _ in range(20):
            figures.newcomers += 1
            figures.refused += (await http.get(http_url, headers=upgrade)).status_code == 503


def _ends(folder: Path) -> Counter[tuple[str, str]]:
    with closing(sqlite3.connect(folder / "data" / "aicall.db")) as database:
        rows = database.execute("select status, end_reason from aicalls where status != 'initiating'").fetchall()
    return Counter((str(status), str(reason)) for status, reason in rows)


def main() -> int:
    """Measure, print, and return 0 when nobody was cut."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0, help="over which time the callers hang up")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="aicall-drain-") as folder:
        try:
            figures = asyncio.run(measure(given.calls, given.processes, given.seconds, Path(folder)))
        except BenchError as error:
            print(f"drain: {error}", file=sys.stderr)
            print((Path(folder) / "log").read_text()[-2000:], file=sys.stderr)
            return 1
    print("\n".join(figures.lines()))
    return 0 if figures.well else 1


if __name__ == "__main__":
    sys.exit(main())
