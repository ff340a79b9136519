"""The demo as a user runs it: `aicall demo`, a process that starts the server as another one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from adapters.tts.espeak import synthesize_async
from runtime.demo.call_plan import AI, CUT_IN, GOODBYE, QUESTION, SAMPLE_RATE_HZ
from tests.runtime.replay.pages import Page

ROOT = Path(__file__).parent.parent.parent.parent
FILES = ["call.json", "recording.wav", "timeline.html"]
FRAME_MS = 20
LOUD = 300
"""Amplitude that speech reaches within its first milliseconds, and the line's noise never."""


class Demo:
    """A running demo."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""

    @property
    def server(self) -> psutil.Process:
        (child,) = psutil.Process(self.process.pid).children()
        return child

    async def says(self, words: str) -> None:
        """Wait for a line of its output."""
        assert self.process.stdout
        while words not in self.said:
            line = (await self.process.stdout.readline()).decode()
            assert line, self.said
            self.said += line

    async def ends(self) -> tuple[int | None, str]:
        """Return its exit code and stderr, without the server's remarks on a machine that stalls."""
        out, err = await self.process.communicate()
        self.said += out.decode()
        lines = err.decode().splitlines(keepends=True)
        return self.process.returncode, "".join(line for line in lines if "runtime.stall_witness" not in line)


@asynccontextmanager
async def demo(out: Path, **environ: str) -> AsyncIterator[Demo]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "runtime.cli", "demo", "--out", str(out)),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Demo(process)
    finally:
        if process.returncode is None:
            for child in psutil.Process(process.pid).children():
                child.kill()
            process.kill()
            await process.communicate()


def samples(path: Path) -> NDArray[np.int16]:
    """Both sides of a recording, shape ``(n, 2)``."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, SAMPLE_RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def onsets_ms(track: NDArray[np.int16], quiet_ms: float = 600) -> list[float]:
    """When speech begins in a track: the first loud sample after each silence of at least `quiet_ms`."""
    loud = np.flatnonzero(np.abs(track.astype(np.int32)) > LOUD) * 1000 / SAMPLE_RATE_HZ
    return [float(at) for at, before in zip(loud, [-quiet_ms, *loud], strict=False) if at - before >= quiet_ms]


async def lead_ms(text: str, voice: str) -> float:
    """How long a voice takes to become loud, milliseconds."""
    pcm = await synthesize_async(text, voice, SAMPLE_RATE_HZ)
    return onsets_ms(np.frombuffer(pcm, "<i2"))[0]


@pytest.mark.alone
async def test_the_whole_demo(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with demo(out) as running:
        code, err = await running.ends()
    assert (code, err) == (0, ""), running.said
    assert "every expected status and turn happened" in running.said
    for words in ("initiating", "caller   what are your", "cut off by the caller", "tool     stop_service", "voice to"):
        assert words in running.said
    assert sorted(path.name for path in out.iterdir()) == FILES
    document = json.loads((out / "call.json").read_text("utf-8"))
    check_call(document)
    await check_recording(document, samples(out / "recording.wav"))
    check_page(Page((out / "timeline.html").read_text("utf-8")), document)
    # Nothing that opens the API or the call is left lying about.
    assert "media_url" not in document["aicall"]
    assert "/ws/" not in running.said


def check_call(document: dict[str, Any]) -> None:
    assert document["aicall"]["status"] == "terminated"
    assert document["aicall"]["end_reason"] == "stop_service"
    said = [(it["role"], it["content"]) for it in document["messages"] if it["role"] == "user"]
    assert said == [("user", QUESTION), ("user", CUT_IN), ("user", "DTMF: 4711#"), ("user", GOODBYE)]
    stored = [it["data"]["id"] for it in document["events"] if it["type"] == "aimessage_created"]
    assert [it["id"] for it in document["messages"]] == stored
    assert [it["sequence"] for it in document["events"]] == list(range(1, len(document["events"]) + 1))


async def check_recording(document: dict[str, Any], stereo: NDArray[np.int16]) -> None:
    """Both sides stand where the runtime says that they were, to one frame, over the whole call."""
    caller, bot = stereo[:, 0], stereo[:, 1]
    began = datetime.fromisoformat(document["recording"]["tm_start"])
    progressing = next(it for it in document["events"] if it["type"] == "aicall_status_progressing")
    offset_ms = (datetime.fromisoformat(progressing["tm_create"]) - began).total_seconds() * 1000
    turns = [it["data"] for it in document["events"] if it["type"] == "aicall_turn_completed"]
    began_ms, errors_ms = onsets_ms(bot), []
    for turn in turns:
        sent_ms = turn["bot_start_ms"] + offset_ms
        sounded_ms = min(began_ms, key=lambda at_ms: abs(at_ms - sent_ms))
        lead = await lead_ms(turn["bot_text"], AI["tts_voice_id"])
        errors_ms.append(sounded_ms - lead - sent_ms)
    # A single message may be late on a busy machine, and is then heard late. A drift would move half of them.
    assert np.median(np.abs(errors_ms)) <= FRAME_MS, errors_ms
    assert np.max(np.abs(errors_ms)) <= 5 * FRAME_MS, errors_ms
    cleared = round((turns[1]["clear_ms"] + offset_ms) * SAMPLE_RATE_HZ / 1000)
    frame = FRAME_MS * SAMPLE_RATE_HZ // 1000
    assert bot[cleared - 10 * frame : cleared - 5 * frame].any()
    assert not bot[cleared + 5 * frame : cleared + 50 * frame].any()
    starts = onsets_ms(caller)
    for start_ms, turn in zip(starts, (turns[1], turns[2], turns[4]), strict=True):
        # Voice activity is noticed somewhere in the first sounds, never before them.
        assert start_ms - FRAME_MS <= turn["speech_start_ms"] + offset_ms <= start_ms + 600
    # The caller really speaks over the bot.
    assert bot[round(starts[1] * SAMPLE_RATE_HZ / 1000) :][:frame].any()


def check_page(page: Page, document: dict[str, Any]) -> None:
    assert page.addresses == []
    assert "http" not in page.script
    assert page.data["recording"] == "recording.wav"
    assert [turn["trigger"] for turn in page.data["turns"]] == ["greeting", "speech", "speech", "dtmf", "speech"]
    assert [key["digits"] for key in page.data["keys"]] == ["4711#"]
    assert len(page.data["messages"]) == len(document["messages"])


async def test_a_call_that_goes_wrong_ends_the_demo_with_1(tmp_path: Path) -> None:
    async with demo(tmp_path) as running:
        await running.says("progressing")
        server = running.server
        url = next(line.split()[-1] for line in running.said.splitlines() if "listening on" in line)
        key = server.environ()["AICALL_API_KEY"]
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as http:
            (aicall,) = (await http.get("/v1.0/aicalls")).json()["result"]
            await http.post(f"/v1.0/aicalls/{aicall['id']}/terminate")
        code, err = await running.ends()
    assert (code, err) == (1, "")
    assert "not as it should be: the call ended by 'terminate', expected the model's stop_service" in running.said
    assert "every expected status" not in running.said
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES  # noqa: ASYNC240
    assert json.loads((tmp_path / "call.json").read_text())["aicall"]["end_reason"] == "terminate"
    assert not server.is_running()


@pytest.mark.parametrize(
    ("number", "when"), [(signal.SIGINT, "starting the server"), (signal.SIGTERM, "progressing")], ids=["int", "term"]
)
async def test_a_stopped_demo_leaves_no_process_behind(tmp_path: Path, number: signal.Signals, when: str) -> None:
    async with demo(tmp_path) as running:
        await running.says(when)
        while not psutil.Process(running.process.pid).children():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        server = running.server
        running.process.send_signal(number)
        code, err = await running.ends()
    assert (code, "Traceback" in err) == (128 + number, False), err
    assert "stopped" in running.said
    assert not server.is_running()


async def test_a_server_that_dies_ends_the_demo_with_1(tmp_path: Path) -> None:
    (tmp_path / "call.json").write_text("of an earlier run")
    async with demo(tmp_path) as running:
        await running.says("progressing")
        running.server.kill()
        code, err = await running.ends()
    assert code == 1
    assert err.startswith("aicall: the server ")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_a_server_that_cannot_start_ends_the_demo_with_1(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "uvicorn.py").write_text("raise ImportError('uvicorn is broken')")
    async with demo(tmp_path / "out", PYTHONPATH=str(broken)) as running:
        code, err = await running.ends()
    assert code == 1
    assert "uvicorn is broken" in err
    assert err.splitlines()[-1] == "aicall: the server did not start"
    environs = [process.info["environ"] or {} for process in psutil.process_iter(["environ"])]
    assert str(broken) not in [environ.get("PYTHONPATH") for environ in environs]
