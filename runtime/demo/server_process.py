"""The demo's own server: ``aicall serve`` as a child process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from models.errors import Unavailable
from runtime.settings import ENV_PREFIX

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_READY = "listening on "


@asynccontextmanager
async def served(data_dir: Path, api_key: str) -> AsyncIterator[str]:
    """Run ``aicall serve`` on a free port while the context lasts.

    The settings of whoever runs the demo do not count, neither their environment nor their ``aicall.yaml``: their
    database must not get the demo's AI, nor their public URL the demo's call.

    Args:
        data_dir: Its data folder, and the folder it runs in.
        api_key: Its API key.

    Yields:
        Its base URL.

    Raises:
        Unavailable: It did not start; why stands on stderr.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "runtime.cli", "serve", "--host", "127.0.0.1", "--port", "0", "--data", str(data_dir)),
        cwd=data_dir,
        env={**environ, "AICALL_API_KEY": api_key, "AICALL_LOG_LEVEL": "WARNING"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield await _ready(process)
    finally:
        await _stop(process)


async def _ready(process: asyncio.subprocess.Process) -> str:
    if process.stdout is None:
        raise Unavailable("the server has no output to read")
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode().strip()
    except TimeoutError:
        raise Unavailable("the server did not start in time") from None
    if not line.startswith(_READY):
        raise Unavailable("the server did not start")
    return line.removeprefix(_READY)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End the process, and wait until it has ended even if this wait is cancelled."""
    try:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
