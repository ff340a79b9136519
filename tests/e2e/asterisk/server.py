"""A real ``aicall serve`` on loopback for all tests, and its vendors: they speak in tones that tell every text."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.asterisk.pbx import ARI_PASSWORD, ARI_USER
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.openai import OpenAIStandIn
from tests.support.servers import free_port

KEY = "e2e-key"
MEDIA_USER, MEDIA_PASSWORD = "pbx", "media-secret"
SAID = "I would like to speak to somebody, please."
"""What the recogniser makes of whatever the caller says."""
START_TIMEOUT_S = 60.0


@dataclass
class Server:
    """A server and its vendors.

    Attributes:
        url: Its base URL.
        audiosocket_port: Where it listens for AudioSocket.
        ari_port: Where it expects Asterisk's REST interface.
        deepgram: Recogniser and voice.
        openai: Model.
        folder: Its data, and ``server.log``.
    """

    url: str
    audiosocket_port: int
    ari_port: int
    deepgram: DeepgramStandIn
    openai: OpenAIStandIn
    folder: Path

    def log(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "server.log").read_text(errors="replace")[-8_000:]


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Run the server while the context lasts. It starts slowly, so all tests share it."""
    with vendors() as (deepgram, openai):
        audiosocket_port, ari_port = free_port(), free_port()
        settings = {
            "AICALL_API_KEY": KEY,
            "AICALL_LOG_LEVEL": "DEBUG",
            "AICALL_REATTACH_GRACE_S": "0",
            "AICALL_ADMISSION": "fixed",
            "AICALL_ALLOW_PRIVATE_ENDPOINTS": "true",
            "AICALL_ASTERISK_BASIC": f"{MEDIA_USER}:{MEDIA_PASSWORD}",
            "AICALL_ASTERISK_ARI_URL": f"http://127.0.0.1:{ari_port}/ari",
            "AICALL_ASTERISK_ARI_BASIC": f"{ARI_USER}:{ARI_PASSWORD}",
            "AICALL_AUDIOSOCKET_PORT": str(audiosocket_port),
            "AICALL_BASE_URL_DEEPGRAM": deepgram.base_url,
            "AICALL_BASE_URL_OPENAI": openai.base_url,
        }
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AICALL_")}
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "runtime.cli", "serve", "--host", "127.0.0.1", "--port", "0", "--data", "."],
                cwd=folder,
                env={**environ, **settings},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            url = ready(process)
            server = Server(url, audiosocket_port, ari_port, deepgram, openai, folder)
            assert url, server.log()
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()


def ready(process: subprocess.Popen[bytes]) -> str:
    """Wait until the server says where it listens; returns that, or nothing when it ended or took too long."""
    assert process.stdout is not None
    watch = threading.Timer(START_TIMEOUT_S, process.kill)
    watch.start()
    try:
        return process.stdout.readline().decode().strip().removeprefix("listening on ")
    finally:
        watch.cancel()


@contextmanager
def vendors() -> Iterator[tuple[DeepgramStandIn, OpenAIStandIn]]:
    """Run the vendors on a thread of their own: the tests' loops come and go."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="aicall-e2e-vendors", daemon=True)
    thread.start()

    async def start() -> tuple[DeepgramStandIn, OpenAIStandIn]:
        deepgram, openai = DeepgramStandIn(transcripts=lambda _turn: SAID), OpenAIStandIn()
        await deepgram.start()
        await openai.start()
        return deepgram, openai

    async def stop() -> None:
        await deepgram.stop()
        await openai.stop()

    deepgram, openai = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield deepgram, openai
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
