"""Leaks fail a test: tasks still pending, threads still running, sockets still open after its fixtures are gone.

Loaded by ``tests/conftest.py``. Coroutines that nobody awaited and sockets that only the garbage collector closed are
warnings of Python itself, which ``filterwarnings = error`` turns into failures.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

LASTING_THREADS = ("aicall-",)
"""Beginnings of the names of threads that belong to the process and outlive a test."""
GRACE_S = 0.5
"""Real seconds within which a task or thread that is already ending must have ended."""

_LOOP_TURNS = 10
_DESCRIPTORS = Path("/proc/self/fd")


def open_sockets() -> set[str]:
    """Name every socket that this process holds, as ``socket:[inode]``; empty where there is no /proc."""
    found = set()
    if _DESCRIPTORS.is_dir():
        for descriptor in _DESCRIPTORS.iterdir():
            try:
                target = str(descriptor.readlink())
            except OSError:  # closed meanwhile, as the listing's own descriptor is
                continue
            if target.startswith("socket:"):
                found.add(target)
    return found


def running_threads() -> set[threading.Thread]:
    """List the threads that would keep the process alive and are not the process's own."""
    return {
        thread
        for thread in threading.enumerate()
        if not thread.daemon and not thread.name.startswith(LASTING_THREADS) and thread is not threading.main_thread()
    }


def leaked_threads(before: set[threading.Thread], grace_s: float = GRACE_S) -> list[str]:
    """Name the threads that are running now and were not before.

    Args:
        before: What `running_threads` said before the test.
        grace_s: How long a thread that is on its way out may take, seconds.
    """
    if not running_threads() - before:
        return []
    # The workers of a thread pool end when the pool is collected.
    gc.collect()
    for thread in running_threads() - before:
        thread.join(grace_s)
    return sorted(thread.name for thread in running_threads() - before)


def leaked_sockets(before: set[str]) -> list[str]:
    """Name the sockets that are open now and were not before.

    Args:
        before: What `open_sockets` said before the test.
    """
    if not open_sockets() - before:
        return []
    gc.collect()
    return sorted(open_sockets() - before)


async def leaked_tasks(before: set[asyncio.Task[object]], grace_s: float = GRACE_S) -> list[str]:
    """Name the tasks of the running loop that are pending now and were not before.

    Args:
        before: The loop's tasks before the test.
        grace_s: How long a task that is on its way out may take, seconds of the loop's clock.
    """

    def fresh() -> set[asyncio.Task[object]]:
        return asyncio.all_tasks() - before - {asyncio.current_task()}

    for _ in range(_LOOP_TURNS):
        if not fresh():
            return []
        await asyncio.sleep(0)
    if fresh():
        await asyncio.wait(fresh(), timeout=grace_s)
    return sorted(f"{task.get_name()}: {task.get_coro()}" for task in fresh())


@pytest.fixture(autouse=True)
def no_leaked_resources() -> Iterator[None]:
    """Fail the test when it leaves a thread or a socket behind."""
    threads, sockets = running_threads(), open_sockets()
    yield
    if left := leaked_threads(threads):
        pytest.fail(f"threads still running: {left}", pytrace=False)
    if left := leaked_sockets(sockets):
        pytest.fail(f"sockets still open: {left}", pytrace=False)


@pytest.fixture
async def no_leaked_tasks() -> AsyncIterator[None]:
    """Fail the test when it leaves a task pending on its loop."""
    before = asyncio.all_tasks()
    yield
    if left := await leaked_tasks(before):
        pytest.fail(f"tasks still pending: {left}", pytrace=False)


@pytest.fixture(autouse=True)
def _no_leaks(no_leaked_resources: None, request: pytest.FixtureRequest) -> None:
    """Set up the checks before any other fixture of the test, so that they look last.

    The tasks' check is asked for by name, since as an automatic fixture it would give every plain test a loop.
    """
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("no_leaked_tasks")
