"""``aicall serve --processes N`` in processes of its own, as an operator starts it, and quiet calls to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[3]
KEY = "test-key-of-the-api"
WAIT_S = 240.0
"""Longest wait for anything that must happen, seconds: a bound for a hung test, not a measure of speed."""

AN_AI = {
    "name": "Front desk",
    "engine_model": "script.receptionist",
    "init_prompt": "You answer the phone.",
    "tts_type": "espeak",
    "stt_type": "pocketsphinx",
    "parameter": {"greeting": "Hello."},
}


@dataclass
class Server:
    """A running server.

    Attributes:
        process: The supervisor.
        url: Its base URL.
        log: What it has written to stderr so far.
    """

    process: asyncio.subprocess.Process
    url: str
    log: Path

    def workers(self) -> list[psutil.Process]:
        """Its worker processes, the oldest first."""
        children = psutil.Process(self.process.pid).children()
        return sorted((it for it in children if "runtime.supervisor" in it.cmdline()), key=lambda it: it.create_time())

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=WAIT_S, trust_env=False
        )

    async def ended(self) -> int:
        """Wait for the supervisor's end; return its exit code."""
        async with asyncio.timeout(WAIT_S):
            return await self.process.wait()

    async def said(self, text: str, times: int = 1) -> None:
        """Wait until its log has said something so often."""
        await until(lambda: self.log.read_text().count(text) >= times)


@asynccontextmanager
async def serving(folder: Path, processes: int, *arguments: str, **environ: str) -> AsyncIterator[Server]:
    """Run the server while the context lasts."""
    log = folder / "log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "runtime.cli", "serve", "--port", "0", "--data", str(folder / "data")),
            *("--processes", str(processes), *arguments),
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "AICALL_API_KEY": KEY,
                "AICALL_ADMISSION": "fixed",
                "AICALL_IDLE_TIMEOUT_S": "600",
                **environ,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    workers: list[psutil.Process] = []
    try:
        assert process.stdout
        async with asyncio.timeout(WAIT_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("listening on http://127.0.0.1:"), (line, log.read_text())
        server = Server(process, line.removeprefix("listening on ").strip(), log)
        yield server
    finally:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            workers = psutil.Process(process.pid).children()
            process.kill()
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        await process.communicate()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until a condition on another process holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - other processes tell nobody
            await asyncio.sleep(0.05)


async def new_call(http: httpx.AsyncClient) -> str:
    """Make an AIcall and its AI; return its media URL."""
    ai = (await http.post("/v1.0/ais", json=AN_AI)).raise_for_status().json()
    aicall = (await http.post("/v1.0/aicalls", json={"assistance_id": ai["id"]})).raise_for_status().json()
    return str(aicall["media_url"])


async def live_calls(http: httpx.AsyncClient) -> dict[int, int]:
    """How many calls each worker process has, by its pid."""
    text = (await http.get("/metrics")).raise_for_status().text
    lines = [line for line in text.splitlines() if line.startswith("aicall_live_calls{")]
    return {int(line.partition('pid="')[2].partition('"')[0]): int(float(line.split()[-1])) for line in lines}
