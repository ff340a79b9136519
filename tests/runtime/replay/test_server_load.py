"""A real process is watched: this one, or one that the test starts."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from models.errors import InvalidField
from runtime.replay.server_load import ServerSample, ServerWatch, server_of


async def test_a_busy_process_is_seen_busy() -> None:
    watch = ServerWatch(os.getpid(), interval_s=0.05)
    watching = asyncio.create_task(watch.run(lambda: 3))
    while len(watch.samples) < 3:
        sum(range(100_000))
        await asyncio.sleep(0)
    watching.cancel()
    await asyncio.wait([watching])
    assert [sample.calls for sample in watch.samples] == [3] * len(watch.samples)
    assert max(sample.cpu_percent for sample in watch.samples) > 1
    assert all(sample.rss_mb > 10 for sample in watch.samples)
    assert sorted(sample.at_s for sample in watch.samples) == [sample.at_s for sample in watch.samples]


async def test_the_watch_ends_with_the_process() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    watch = ServerWatch(process.pid, interval_s=0.02)
    watching = asyncio.create_task(watch.run(lambda: 1))
    await asyncio.sleep(0.1)
    await process.communicate(b"\n")
    await asyncio.wait_for(watching, 10)
    assert not process.returncode


def test_no_such_process_is_told_before_the_run() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(InvalidField) as caught:
        ServerWatch(process.pid)
    assert caught.value.field == "pid"


def test_figures_of_a_watch() -> None:
    samples = [
        ServerSample(1.0, 5.0, 100.0, 0),
        ServerSample(2.0, 10.0, 120.0, 2),
        ServerSample(3.0, 40.0, 150.0, 10),
        ServerSample(4.0, 45.0, 130.0, 9),
    ]
    figures = server_of(samples)
    assert figures
    assert figures["cpu_mean_percent"] == 25
    assert figures["cpu_max_percent"] == 45
    assert figures["cpu_per_call_percent"] == 4.5
    assert (figures["rss_max_mb"], figures["rss_growth_mb"]) == (150, 30)
    assert figures["samples"][1] == {"at_s": 2.0, "cpu_percent": 10.0, "rss_mb": 120.0, "calls": 2}


def test_figures_of_nothing() -> None:
    assert server_of([]) is None
    idle = server_of([ServerSample(1.0, 5.0, 100.0, 0)])
    assert idle
    assert idle["cpu_per_call_percent"] is None
