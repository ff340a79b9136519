from __future__ import annotations

import asyncio
from uuid import uuid4

from runtime.text.desk import TextDesk


class Work:
    """Goes on until it is told to stop."""

    def __init__(self) -> None:
        self.woken = 0
        self.running = asyncio.Event()
        self._stopped = asyncio.Event()

    def wake(self) -> None:
        self.woken += 1

    def stop(self) -> None:
        self._stopped.set()

    async def run(self) -> None:
        self.running.set()
        await self._stopped.wait()


async def test_there_is_one_work_for_each_aicall() -> None:
    desk, works, aicall_id = TextDesk(), [Work(), Work()], uuid4()
    made = iter(works)
    for _ in range(3):
        desk.wake(aicall_id, lambda: next(made))
    desk.wake(uuid4(), lambda: next(made))
    assert len(desk) == 2
    assert [work.woken for work in works] == [2, 0]
    await desk.close()
    assert len(desk) == 0


async def test_one_is_stopped_and_waited_for() -> None:
    desk, work, aicall_id = TextDesk(), Work(), uuid4()
    desk.wake(aicall_id, lambda: work)
    await work.running.wait()
    await desk.stop(aicall_id)
    assert len(desk) == 0
    await desk.stop(aicall_id)


async def test_a_closed_desk_takes_nothing() -> None:
    desk = TextDesk()
    await desk.close()
    desk.wake(uuid4(), Work)
    assert len(desk) == 0
