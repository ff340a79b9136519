import asyncio
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.leaks import leaked_sockets, leaked_tasks, leaked_threads, open_sockets, running_threads

ROOT = Path(__file__).parents[2]
ELSEWHERE = ("-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"))
LEAKY = """
import asyncio
import concurrent.futures
import socket
import threading

import pytest

kept = []
released = threading.Event()

async def test_task():
    kept.append(asyncio.create_task(asyncio.sleep(3600), name="forgotten"))

async def test_coroutine():
    asyncio.sleep(0)

def test_socket():
    kept.append(socket.socket())

def test_collected_socket():
    socket.socket()

def test_thread():
    thread = threading.Thread(target=released.wait, name="stray")
    thread.start()

def test_thread_end():
    released.set()

@pytest.fixture
async def server():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    yield server
    server.close()
    await server.wait_closed()

async def test_clean(server):
    task = asyncio.create_task(asyncio.sleep(0))
    await asyncio.to_thread(int)
    await task

def test_clean_pool():
    concurrent.futures.ThreadPoolExecutor(1).submit(int).result()
"""


def test_leaks_fail_the_test_that_leaks(tmp_path: Path) -> None:
    (tmp_path / "test_leaky.py").write_text(LEAKY)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "tests.conftest", *ELSEWHERE, f"--rootdir={tmp_path}", "."],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    reported: dict[str, set[str]] = {}
    for line in run.stdout.splitlines():
        verdict, _, rest = line.partition(" test_leaky.py::")
        if rest:
            reported.setdefault(rest.split(" ")[0], set()).add(verdict)
    assert "ERROR" in reported["test_task"], run.stdout
    assert "forgotten" in run.stdout
    assert "ERROR" in reported["test_socket"]
    assert "ERROR" in reported["test_thread"]
    assert "stray" in run.stdout
    assert "FAILED" in reported["test_coroutine"]
    assert "FAILED" in reported["test_collected_socket"]
    for clean in ("test_thread_end", "test_clean", "test_clean_pool"):
        assert reported[clean] == {"PASSED"}, run.stdout


def test_a_socket_is_seen_until_it_is_closed() -> None:
    before = open_sockets()
    with socket.socket():
        assert len(leaked_sockets(before)) == 1
    assert leaked_sockets(before) == []


def test_threads_that_count() -> None:
    before, released = running_threads(), threading.Event()
    threads = [
        threading.Thread(target=released.wait, name="stray"),
        threading.Thread(target=released.wait, name="aicall-inference"),
        threading.Thread(target=released.wait, name="daemon", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        assert leaked_threads(before, grace_s=0.01) == ["stray"]
    finally:
        released.set()
        for thread in threads:
            thread.join()
    assert leaked_threads(before) == []


@pytest.mark.virtual_time
async def test_a_task_on_its_way_out_is_no_leak() -> None:
    before = asyncio.all_tasks()
    ending = asyncio.create_task(asyncio.sleep(0.4))
    assert await leaked_tasks(before) == []
    assert ending.done()


@pytest.mark.virtual_time
async def test_a_pending_task_is_a_leak() -> None:
    before = asyncio.all_tasks()
    task = asyncio.create_task(asyncio.sleep(60), name="pending")
    [left] = await leaked_tasks(before)
    assert left.startswith("pending: ")
    task.cancel()
