from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.support.loop_cpu import Burst, CpuLoop, slowness


def work(cpu_s: float) -> None:
    """Use the CPU for so long."""
    until_s = time.thread_time() + cpu_s
    while time.thread_time() < until_s:
        pass


def bursts_of(main: Callable[[], Awaitable[None]]) -> list[Burst]:
    """Run on a loop of its own; return what took more than 10 ms."""
    with asyncio.Runner(loop_factory=CpuLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, CpuLoop)

        async def run() -> None:
            await main()

        runner.run(run())
        return [burst for burst in loop.bursts if burst.cpu_s > 0.01]


def test_every_way_to_run_something_on_the_loop_is_timed() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(work, 0.02)
        await asyncio.sleep(0)
        loop.call_later(0.001, work, 0.03)
        await asyncio.sleep(0.01)
        await asyncio.to_thread(loop.call_soon_threadsafe, work, 0.04)
        await asyncio.sleep(0)
        await asyncio.create_task(stepping(), name="stepping")

    async def stepping() -> None:
        await asyncio.sleep(0.001)
        work(0.05)
        await asyncio.sleep(0.001)

    bursts = bursts_of(main)
    assert [round(burst.cpu_s, 2) for burst in bursts] == [0.02, 0.03, 0.04, 0.05]
    assert [burst.name for burst in bursts[:3]] == ["work"] * 3
    assert bursts[3].name.startswith("task stepping ")
    assert bursts[3].name.count("tasks.py:") == 2
    assert str(bursts[0]).endswith(" ms: work")


def test_what_a_socket_calls_is_what_is_left_of_the_round() -> None:
    async def main() -> None:
        here, there = socket.socketpair()
        loop, read = asyncio.get_running_loop(), asyncio.Event()

        def on_readable() -> None:
            here.recv(1)
            work(0.03)
            read.set()

        with here, there:
            loop.add_reader(here.fileno(), on_readable)
            there.send(b"x")
            await read.wait()
            loop.remove_reader(here.fileno())

    [burst] = bursts_of(main)
    assert round(burst.cpu_s, 2) == 0.03
    assert burst.name.startswith("sockets")


def test_other_threads_waiting_and_collecting_do_not_count() -> None:
    async def main() -> None:
        thread = threading.Thread(target=work, args=(0.05,))
        thread.start()
        thread.join()
        keep = [[] for _ in range(200_000)]
        for _ in range(5):
            gc.collect()
        del keep

    bursts = bursts_of(main)
    # Making the lists takes a while, collecting them several times as long.
    assert sum(burst.cpu_s for burst in bursts) < 0.1


def test_an_exception_goes_on_its_way() -> None:
    async def main() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        bursts_of(main)


def test_the_collector_is_let_go_of() -> None:
    before = len(gc.callbacks)
    loop = CpuLoop()
    assert len(gc.callbacks) == before + 1
    loop.close()
    loop.close()
    assert len(gc.callbacks) == before


def test_no_machine_is_too_fast() -> None:
    assert slowness() >= 1
