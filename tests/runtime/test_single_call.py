"""``aicall worker``: in this process where that will do, as a process where the process is what matters."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from adapters.media.clients.base import CallLeg
from adapters.media.clients.plain import PlainClient
from adapters.media.plain import SUBPROTOCOL
from adapters.tts.espeak import synthesize_async
from models.aicall import EndReason
from models.errors import InvalidField
from runtime.call_document import CallDocument
from runtime.replay.call import Line, place_call
from runtime.replay.caller import Caller
from runtime.replay.script import AwaitHangup, AwaitReply, Say
from runtime.replay.utterance import utterance_of
from runtime.single_call import run_single_call
from tests.runtime.serving import CANARY, an_ai, settings_in
from tests.runtime.test_call_document import AI_ID, AICALL_ID, MEMBERS, document, team_document

ROOT = Path(__file__).parent.parent.parent
GOODBYE = "thank you goodbye"


# The call, in this process.


class Worker:
    """A call that is being served, and the lines that it has written."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.threads: set[threading.Thread] = set()
        self.running: asyncio.Task[EndReason] | None = None
        self._loop = asyncio.get_running_loop()
        self._written = asyncio.Condition()

    def emit(self, line: dict[str, Any]) -> None:
        self.threads.add(threading.current_thread())
        asyncio.run_coroutine_threadsafe(self._note(line), self._loop).result(5)

    async def _note(self, line: dict[str, Any]) -> None:
        async with self._written:
            self.lines.append(line)
            self._written.notify_all()

    async def writes(self, kind: str) -> dict[str, Any]:
        """Wait for a line: ``listening``, or an event's type."""
        async with asyncio.timeout(20), self._written:
            await self._written.wait_for(lambda: kind in self.kinds or (self.running and self.running.done()))
        return self.lines[self.kinds.index(kind)]

    @property
    def kinds(self) -> list[str]:
        return [str(line.get("event") or line["type"]) for line in self.lines]

    async def ends(self) -> EndReason:
        assert self.running
        async with asyncio.timeout(20):
            return await self.running


@asynccontextmanager
async def worker(folder: Path, text: str = "", **settings: Any) -> AsyncIterator[Worker]:
    it = Worker()
    call = CallDocument.parse(text or document())
    it.running = asyncio.create_task(run_single_call(settings_in(folder, **settings), call, it.emit))
    try:
        yield it
    finally:
        it.running.cancel()
        await asyncio.gather(it.running, return_exceptions=True)


@asynccontextmanager
async def connected(media_url: str) -> AsyncIterator[ClientConnection]:
    client = PlainClient(CallLeg("S", "C", sample_rate_hz=16_000))
    async with connect(media_url, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None) as line:
        for message in client.opening():
            await line.send(message)
        yield line


async def test_a_call_that_is_hung_up(tmp_path: Path) -> None:
    text = document(an_ai(id=AI_ID), id=AICALL_ID)
    async with worker(tmp_path / "data", text) as it:
        media_url = (await it.writes("listening"))["media_url"]
        assert media_url.startswith("ws://127.0.0.1:")
        assert f"/ws/{AICALL_ID}/" in media_url
        async with connected(media_url):
            await it.writes("aicall_status_progressing")
        assert await it.ends() is EndReason.HANGUP
    assert [kind for kind in it.kinds if "status" in kind] == [
        f"aicall_status_{status}" for status in ("initiating", "progressing", "terminating", "terminated")
    ]
    assert it.kinds[0] == "listening"
    assert it.kinds[-1] == "aicall_status_terminated"
    events = it.lines[1:]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert {event["aicall_id"] for event in events} == {AICALL_ID}
    assert all(set(event) == {"id", "type", "aicall_id", "sequence", "tm_create", "data"} for event in events)
    assert events[-1]["data"]["assistance_id"] == AI_ID
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_a_call_of_a_team(tmp_path: Path) -> None:
    async with worker(tmp_path / "data", team_document(id=AICALL_ID)) as it:
        async with connected((await it.writes("listening"))["media_url"]):
            await it.writes("aicall_status_progressing")
        assert await it.ends() is EndReason.HANGUP
    first = it.lines[1]["data"]
    assert (first["assistance_type"], first["current_member_id"]) == ("team", MEMBERS[0])
    assert first["parameter"]["greeting"] == "The team."


async def test_nobody_connects(tmp_path: Path) -> None:
    async with worker(tmp_path, media_token_ttl_s=0.01, sweep_interval_s=0.01) as it:
        reason = await it.ends()
    assert (reason, reason.normal) == (EndReason.EXPIRED, False)
    assert it.lines[-1]["data"]["end_reason"] == "expired"


async def test_a_signal_ends_a_call_that_nobody_has_connected_to(tmp_path: Path) -> None:
    async with worker(tmp_path) as it:
        await it.writes("listening")
        os.kill(os.getpid(), signal.SIGTERM)
        reason = await it.ends()
    assert (reason, reason.normal) == (EndReason.DRAIN, True)
    assert it.kinds[-1] == "aicall_status_terminated"


async def test_a_live_call_goes_on_after_the_first_signal_and_ends_at_the_second(tmp_path: Path) -> None:
    async with worker(tmp_path) as it:
        media_url = (await it.writes("listening"))["media_url"]
        async with connected(media_url) as line:
            await it.writes("aicall_status_progressing")
            os.kill(os.getpid(), signal.SIGTERM)
            # The greeting is heard out: the call is alive.
            await echo_a_mark(line)
            await it.writes("aimessage_created")
            assert it.running
            assert not it.running.done()
            os.kill(os.getpid(), signal.SIGTERM)
            assert await it.ends() is EndReason.DRAIN
            with pytest.raises(ConnectionClosed):
                await read_on(line)


async def echo_a_mark(line: ClientConnection) -> None:
    """Play the phone until the bot's first mark was reached."""
    while True:
        message = await line.recv()
        if isinstance(message, str) and json.loads(message)["event"] == "mark":
            for reply in PlainClient(CallLeg("S", "C")).send_mark_reached(json.loads(message)["name"]):
                await line.send(reply)
            return


async def read_on(line: ClientConnection) -> None:
    while True:
        await line.recv()


async def test_one_call_and_no_other(tmp_path: Path) -> None:
    async with worker(tmp_path) as it:
        media_url = (await it.writes("listening"))["media_url"]
        async with connected(media_url):
            await it.writes("aicall_status_progressing")
            with pytest.raises(InvalidStatus) as refused:
                await connect(media_url, proxy=None)
            assert refused.value.response.status_code == 503
        assert await it.ends() is EndReason.HANGUP


async def test_a_slow_reader_does_not_hold_the_loop(tmp_path: Path) -> None:
    async with worker(tmp_path) as it:
        await it.writes("listening")
        os.kill(os.getpid(), signal.SIGTERM)
        await it.ends()
    # Each line waited for this loop to take it, which it could not have done had the line been written on it.
    assert threading.main_thread() not in it.threads


async def test_a_reader_that_goes_away_ends_the_call(tmp_path: Path) -> None:
    listening: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def emit(line: dict[str, Any]) -> None:
        if line.get("type") == "aicall_status_progressing":
            raise BrokenPipeError
        if "media_url" in line:
            loop.call_soon_threadsafe(listening.put_nowait, line["media_url"])

    running = asyncio.create_task(run_single_call(settings_in(tmp_path), CallDocument.parse(document()), emit))
    async with connected(await listening.get()) as line:
        with pytest.raises(BrokenPipeError):
            await running
        with pytest.raises(ConnectionClosed):
            await read_on(line)


@pytest.mark.parametrize(
    ("public_url", "begin"),
    [
        ("https://pbx.example.com/a", "wss://pbx.example.com/a/ws/"),
        ("ws://pbx.example.com", "ws://pbx.example.com/ws/"),
    ],
)
async def test_the_media_url_is_the_public_one(tmp_path: Path, public_url: str, begin: str) -> None:
    async with worker(tmp_path, public_url=public_url) as it:
        assert (await it.writes("listening"))["media_url"].startswith(begin)


async def test_an_ai_that_cannot_run_here_is_refused_before_anything_listens(tmp_path: Path) -> None:
    async with worker(tmp_path, document(an_ai(engine_model="script.nobody"))) as it:
        with pytest.raises(InvalidField) as caught:
            await it.ends()
    assert caught.value.field == "ai.engine_model"
    assert it.lines == []


async def test_an_address_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with worker(tmp_path, port=taken.getsockname()[1]) as it:
            with pytest.raises(OSError, match="in use"):
                await it.ends()
    assert it.lines == []


# The process.


@asynccontextmanager
async def aicall_worker(
    text: str, *arguments: str, folder: Path, **environ: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``aicall worker --call -``; its standard input is closed after the text."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "runtime.cli", "worker", *(arguments or ("--call", "-"))),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdin
        process.stdin.write(text.encode())
        process.stdin.close()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def listening(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    first = json.loads(await process.stdout.readline())
    assert first.keys() == {"event", "media_url"}
    assert first["event"] == "listening"
    return str(first["media_url"])


async def test_the_process_serves_a_call_and_writes_nothing_but_json_lines(tmp_path: Path) -> None:
    pcm = await synthesize_async(GOODBYE, "en-gb", 16_000)
    goodbye = utterance_of(GOODBYE, np.frombuffer(pcm, "<i2"), 16_000, 16_000)
    parameter = {"greeting": "Grüß Gott.", "stt_key": f"stt-{CANARY}"}
    ai = an_ai(engine_key=f"engine-{CANARY}", parameter=parameter, tool_names=["all"])
    environ = {"AICALL_LOG_LEVEL": "TRACE", "AICALL_API_KEY": f"api-{CANARY}", "PYTHONIOENCODING": "ascii"}
    async with aicall_worker(document(ai), folder=tmp_path, **environ) as process:
        media_url = await listening(process)
        caller = Caller(
            PlainClient(CallLeg("S", "C", sample_rate_hz=16_000)),
            (AwaitReply(quiet_s=0.5), Say(goodbye), AwaitHangup()),
        )
        reading = asyncio.create_task(process.communicate())
        record = await place_call(Line(media_url), caller)
        out, err = await reading
    assert record.failure is None
    assert process.returncode == 0, err.decode()
    events = [json.loads(line) for line in out.decode().splitlines()]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    said = [event["data"]["content"] for event in events if event["type"] == "aimessage_created"]
    assert said[0] == "Grüß Gott."
    assert GOODBYE in said
    assert events[-1]["type"] == "aicall_status_terminated"
    assert events[-1]["data"]["end_reason"] == "stop_service"
    assert CANARY not in out.decode() + err.decode()
    token = media_url.rpartition("/")[2]
    assert token not in out.decode() + err.decode()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_the_process_names_what_is_wrong_with_the_document(tmp_path: Path) -> None:
    text = document(an_ai(engine_key=CANARY, smart_turn_enabled="yes"))
    async with aicall_worker(text, folder=tmp_path) as process:
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.decode().splitlines()[-1].startswith("aicall: ai.smart_turn_enabled: ")
    assert CANARY not in err.decode()


async def test_the_process_ends_with_1_when_nobody_connects(tmp_path: Path) -> None:
    (tmp_path / "call.json").write_text(document())
    environ = {"AICALL_MEDIA_TOKEN_TTL_S": "0.01", "AICALL_SWEEP_INTERVAL_S": "0.01"}
    async with aicall_worker("", "--call", "call.json", folder=tmp_path, **environ) as process:
        await listening(process)
        out, _ = await process.communicate()
    assert process.returncode == 1
    assert json.loads(out.splitlines()[-1])["data"]["end_reason"] == "expired"


async def test_the_process_ends_with_0_on_sigterm(tmp_path: Path) -> None:
    async with aicall_worker(document(), folder=tmp_path) as process:
        await listening(process)
        process.send_signal(signal.SIGTERM)
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["data"]["end_reason"] == "drain"


async def test_the_process_says_so_when_nobody_reads(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "runtime.cli", "worker", "--call", "-"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=writer,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writer)
    os.close(reader)
    _, err = await process.communicate(document().encode())
    assert process.returncode == 1
    assert err.decode().splitlines()[-1].startswith("aicall: nobody reads the standard output")
    assert "Traceback" not in err.decode()
