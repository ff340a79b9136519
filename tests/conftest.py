"""What every test runs under: quiet logs, leak checks, virtual time and a machine to itself where it asks for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import settings
from loguru import logger

from tests.support.alone import room
from tests.support.leaks import _no_leaks, no_leaked_resources, no_leaked_tasks
from tests.support.nats_server import nats_server
from tests.support.postgresql_server import own_postgresql_server, postgresql_server, postgresql_url
from tests.support.virtual_time import VirtualClockLoop

__all__ = [
    "_no_leaks",
    "nats_server",
    "no_leaked_resources",
    "no_leaked_tasks",
    "own_postgresql_server",
    "postgresql_server",
    "postgresql_url",
]


# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("house", deadline=None, max_examples=20)
settings.load_profile("house")


def pytest_configure() -> None:
    """Keep the log out of the tests' output; a test that reads the log adds its own sink."""
    logger.remove()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try tests that measure real time once more: a machine may be others' as well, and stall for a moment."""
    for item in items:
        if item.get_closest_marker("alone"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give tests marked ``virtual_time`` a loop on virtual time."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualClockLoop}
    return {"real": asyncio.new_event_loop}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep the machine free for tests marked ``alone``; a hook, so that no test's time-out runs while it waits."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    # The workers' base folders stand side by side in the run's own.
    folder = item.config._tmp_path_factory.getbasetemp().parent  # type: ignore[attr-defined]
    with room(folder, alone=item.get_closest_marker("alone") is not None):
        return (yield)
