"""Nothing that a call does holds the event loop up: every callback of a real call is timed by its CPU time."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.sounds import speech
from tests.runtime.calls.offices import assert_ended, office_ai
from tests.runtime.calls.phones import FRAME_BYTES, SILENCE, dial, media_message
from tests.runtime.serving import Api, an_ai, serving
from tests.standins.audio import encode
from tests.support.loop_cpu import Burst, CpuLoop, slowness
from tests.support.test_loop_cpu import work

ROOT = Path(__file__).parents[3]
LIMIT_S = 0.005
"""CPU time that a callback may take, seconds, on the machine of `slowness` 1."""
CALLS = 4
"""Of so many calls one must be clean: what is part of a call is in each of them."""
GREETING = "Good morning, who is calling?"


@contextmanager
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the vendors in a process of their own; the model talks at the pace of a model."""
    process = subprocess.Popen(
        [
            sys.executable,
            *("-m", "tests.standins", "--deepgram-port", "0", "--openai-port", "0", "--llm-token-interval-s", "0.02"),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout
        for vendor, url in json.loads(process.stdout.readline()).items():
            monkeypatch.setenv(f"AICALL_BASE_URL_{vendor.upper()}", url)
        yield
    finally:
        process.communicate()


async def talk(url: str) -> None:
    """Place a call in real time: hear the greeting, say something, hear an answer, hang up."""
    said = encode(speech(8000, "Hello, is anybody there?").tobytes(), "mulaw")
    async with dial(url) as phone:
        await phone.start()
        audio = SILENCE * 50 + said + SILENCE * 200
        loop, heard = asyncio.get_running_loop(), 0
        began_s = loop.time()
        for frame, at in enumerate(range(0, len(audio), FRAME_BYTES)):
            if at >= FRAME_BYTES * 50 + len(said) and not heard:
                heard = len(phone.heard)
            # Half a second of an answer is enough.
            if heard and len(phone.heard) > heard + FRAME_BYTES * 25:
                return
            await phone.send(media_message(audio[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\xff")))
            await asyncio.sleep(began_s + (frame + 1) * 0.02 - loop.time())
    raise AssertionError("no answer was heard")


async def timed_calls(api: Api, ai: dict[str, Any], most: int, disturb: Callable[[], object]) -> list[list[Burst]]:
    """Place calls until one is clean, so many at most; return what took long in each.

    The phone has a thread and a loop of its own. The first call is not counted: it imports and makes what the process
    keeps.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CpuLoop)
    created = await api.ok("POST", "/v1.0/ais", json=ai)
    calls: list[list[Burst]] = []
    for number in range(most + 1):
        aicall = await api.new_aicall(created)
        loop.bursts.clear()
        disturb()
        await asyncio.to_thread(asyncio.run, talk(aicall["media_url"]))
        limit_s = LIMIT_S * slowness()
        bursts = list(loop.bursts)
        await assert_ended(api, aicall, "hangup")
        if number:
            calls.append([burst for burst in bursts if burst.cpu_s > limit_s])
            if not calls[-1]:
                break
    return calls


def run_calls(
    folder: Path, ai: dict[str, Any], most: int = CALLS, disturb: Callable[[], object] = lambda: None
) -> list[list[Burst]]:
    async def run() -> list[list[Burst]]:
        async with serving(folder) as api:
            return await timed_calls(api, ai, most, disturb)

    with asyncio.Runner(loop_factory=CpuLoop) as runner:
        return runner.run(run())


def say(calls: list[list[Burst]]) -> str:
    return "\n".join(str(burst) for bursts in calls for burst in bursts)


def test_a_call_with_vendors_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with vendors(monkeypatch):
        calls = run_calls(tmp_path, office_ai())
    assert not calls[-1], say(calls)


def test_a_call_on_the_embedded_default_holds_nothing_up(tmp_path: Path) -> None:
    calls = run_calls(tmp_path, an_ai(parameter={"greeting": GREETING}))
    assert not calls[-1], say(calls)


def test_a_call_that_holds_the_loop_up_is_found_out(tmp_path: Path) -> None:
    def disturb() -> None:
        asyncio.get_running_loop().call_later(0.5, work, 0.1)

    [bursts] = run_calls(tmp_path, an_ai(parameter={"greeting": GREETING}), 1, disturb)
    assert "work" in [burst.name for burst in bursts], say([bursts])
