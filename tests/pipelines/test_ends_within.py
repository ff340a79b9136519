import asyncio

import pytest

from pipelines.ends_within import ends_within

pytestmark = pytest.mark.virtual_time


async def test_a_task_that_ends_in_time() -> None:
    asked = asyncio.Event()
    task = asyncio.create_task(asked.wait())

    async def ask() -> None:
        asked.set()

    assert await ends_within(task, 1.0, ask())  # type: ignore[arg-type]


async def test_a_task_that_does_not_end() -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(asyncio.sleep(100))
    began_s = loop.time()
    assert not await ends_within(task, 1.0, asyncio.sleep(100))
    assert loop.time() - began_s < 2.1
    task.cancel()


async def test_asking_may_fail() -> None:
    async def ask() -> None:
        raise ValueError

    task = asyncio.create_task(asyncio.sleep(0.5))
    assert await ends_within(task, 1.0, ask())
