"""The supervisor with real processes as workers that are no servers; `test_processes` has the real ones."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from models.errors import InvalidField
from runtime.listener import base_url, listening_socket
from runtime.settings import Settings
from runtime.supervisor.supervisor import Supervisor, supervise
from tests.runtime.serving import settings_in

WAIT_S = 100.0
ROOT = Path(__file__).parents[3]


class _Line(io.StringIO):
    """A standard output that says when a line was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def flush(self) -> None:
        self.written.set()


def stand_ins(how: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.runtime.supervisor.stand_in", how)


@asynccontextmanager
async def supervised(folder: Path, count: int, how: str = "well") -> AsyncIterator[tuple[str, asyncio.Task[int]]]:
    """Run a supervisor in this process while the context lasts; yields its URL and what it is going to return."""
    settings, out = settings_in(folder, processes=count), _Line()
    with listening_socket(settings) as listener:
        supervisor = Supervisor(settings, {"data_dir": folder, "port": None}, out, stand_ins(how))
        running = asyncio.create_task(supervisor.run(listener))
        try:
            async with asyncio.timeout(WAIT_S):
                await out.written.wait()
            assert out.getvalue().startswith("listening on http://127.0.0.1:")
            yield out.getvalue().removeprefix("listening on ").strip(), running
        finally:
            running.cancel()
            await asyncio.wait({running})


async def get(url: str) -> str:
    async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False) as http:
        return (await http.get(url)).raise_for_status().text


async def who_answers(url: str) -> tuple[int, int]:
    """Number and pid of the worker that gets the next connection."""
    number, pid = (await get(url)).split()
    return int(number), int(pid)


async def test_equal_workers_take_turns_and_a_signal_ends_them_all(tmp_path: Path) -> None:
    async with supervised(tmp_path, 3) as (url, running):
        answers: set[tuple[int, int]] = set()
        async with asyncio.timeout(WAIT_S):
            while len(answers) < 3:
                answers.add(await who_answers(url))
        assert {number for number, _ in answers} == {1, 2, 3}
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(WAIT_S):
            assert await running == 0
        with pytest.raises(httpx.ConnectError):
            await get(url)


async def test_who_calls_while_no_worker_lives_waits_for_the_next_one(tmp_path: Path) -> None:
    async with supervised(tmp_path, 1) as (url, _):
        number, pid = await who_answers(url)
        os.kill(pid, signal.SIGKILL)
        answers = await asyncio.gather(*(who_answers(url) for _ in range(5)))
        assert {number for number, _ in answers} == {number}
        assert pid not in {pid for _, pid in answers}


async def test_a_connection_that_a_dead_worker_had_not_taken_yet_goes_to_the_next_one(tmp_path: Path) -> None:
    async with supervised(tmp_path, 1, "deaf-once") as (url, _):
        asking = [asyncio.create_task(who_answers(url)) for _ in range(3)]
        done, _ = await asyncio.wait(asking, timeout=1.0)
        assert not done
        [child] = [it.pid for it in psutil.Process().children() if "deaf-once" in it.cmdline()]
        os.kill(child, signal.SIGKILL)
        answers = await asyncio.gather(*asking)
        assert len(set(answers)) == 1
        assert answers[0][1] != child


async def test_what_comes_on_a_further_port_is_handed_over_too(tmp_path: Path) -> None:
    settings, out = settings_in(tmp_path, processes=2), _Line()
    with listening_socket(settings) as listener, listening_socket(settings) as further:
        url = base_url(further)
        supervisor = Supervisor(settings, {"data_dir": tmp_path}, out, stand_ins("well"))
        running = asyncio.create_task(supervisor.run(listener, further))
        async with asyncio.timeout(WAIT_S):
            await out.written.wait()
        assert out.getvalue() == f"listening on {base_url(listener)}\n"
        answers = {await who_answers(url) for _ in range(4)} | {await who_answers(base_url(listener))}
        assert {number for number, _ in answers} == {1, 2}
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(WAIT_S):
            assert await running == 0
        assert further.fileno() == listener.fileno() == -1


async def test_the_metrics_of_all(tmp_path: Path) -> None:
    async with supervised(tmp_path, 2) as (url, _):
        pids = dict([await who_answers(url) for _ in range(4)])
        lines = (await get(f"{url}/metrics")).splitlines()
        for number, pid in pids.items():
            assert f'mine{{pid="{pid}",worker="{number}"}} {float(number)}' in lines
        assert f'aicall_workers{{pid="{os.getpid()}",step="ready",worker="supervisor"}} 2.0' in lines
        assert f'aicall_worker_starts_total{{pid="{os.getpid()}",worker="supervisor"}} 2.0' in lines


async def test_a_new_round_of_workers_serves_without_a_gap(tmp_path: Path) -> None:
    async with supervised(tmp_path, 2) as (url, _):
        before = {await who_answers(url) for _ in range(4)}
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(WAIT_S):
            while len({await who_answers(url) for _ in range(4)} - before) < 2:
                pass
        assert not {await who_answers(url) for _ in range(4)} & before


async def test_wrong_settings_end_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, processes=2)
    with listening_socket(settings) as listener:
        async with asyncio.timeout(WAIT_S):
            assert await Supervisor(settings, {}, io.StringIO(), stand_ins("refuses")).run(listener) == 2


@pytest.mark.parametrize(
    ("changes", "field"), [({"database": ":memory:"}, "database"), ({"database": "", "max_calls": 1}, "max_calls")]
)
async def test_what_several_processes_cannot_share(tmp_path: Path, changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        await supervise(Settings(**{"data_dir": tmp_path, "port": 0, "processes": 2, **changes}), {})
    assert caught.value.field == field


def test_it_is_small() -> None:
    heavy = ("pipecat", "onnxruntime", "fastapi", "uvicorn", "sqlalchemy", "numpy")
    code = (
        "import runtime.cli, runtime.supervisor.supervisor, sys; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
