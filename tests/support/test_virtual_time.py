import asyncio
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_time import VirtualClockLoop, VirtualTimeStalled

pytestmark = pytest.mark.virtual_time


async def test_an_hour_takes_no_time() -> None:
    loop, real_s = asyncio.get_running_loop(), time.monotonic()
    began_s = loop.time()
    await asyncio.sleep(3600)
    assert loop.time() - began_s == pytest.approx(3600)
    assert time.monotonic() - real_s < 5


async def test_the_clock_stands_still_while_something_is_ready() -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for _ in range(100):
        await asyncio.sleep(0)
    assert loop.time() == began_s


async def test_timeouts_run_on_virtual_time() -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await loop.create_future()
    assert loop.time() - began_s == pytest.approx(30)


@given(st.lists(st.floats(min_value=0, max_value=100_000), min_size=1, max_size=20))
def test_timers_fire_in_order_and_on_time(delays_s: list[float]) -> None:
    fired: list[tuple[float, float]] = []

    async def wait(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        fired.append((delay_s, asyncio.get_running_loop().time()))

    async def wait_all() -> None:
        await asyncio.gather(*map(wait, delays_s))

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(wait_all())
    assert [delay_s for delay_s, _ in fired] == sorted(delays_s)
    assert all(at_s == pytest.approx(delay_s, abs=1e-6) for delay_s, at_s in fired)


async def test_no_timer_overtakes_a_job_in_a_thread() -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with asyncio.timeout(0.001):
        # A wait in a thread is a real one.
        await loop.run_in_executor(None, time.sleep, 0.05)
    assert loop.time() == began_s


async def test_a_loopback_socket_goes_before_the_next_timer() -> None:
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.send(b"now")
        async with asyncio.timeout(0.001):
            assert await loop.sock_recv(left, 3) == b"now"


def test_waiting_for_nothing_fails() -> None:
    async def wait_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    loop = VirtualClockLoop(stall_s=0.01)
    try:
        task = loop.create_task(wait_for_ever())
        with pytest.raises(VirtualTimeStalled):
            loop.run_until_complete(task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
    finally:
        loop.close()
