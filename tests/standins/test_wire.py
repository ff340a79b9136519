"""Ordered background work of a session; sockets are covered by the vendors' tests."""

import asyncio

from tests.standins.wire import Jobs, sleep_until


async def test_jobs_are_done_in_order_and_can_be_waited_for():
    jobs, done = Jobs(), []

    def job(number, wait_s):
        async def work():
            await asyncio.sleep(wait_s)
            done.append(number)

        return work

    jobs.put(job(1, 0.02))
    jobs.put(job(2, 0))
    await jobs.drained()
    assert done == [1, 2]
    jobs.put(job(3, 30))
    jobs.put(job(4, 0))
    await asyncio.sleep(0)
    jobs.clear()
    jobs.put(job(5, 0))
    jobs.end()
    await jobs.drained()
    assert done == [1, 2, 5]
    await jobs.stop()


async def test_a_broken_connection_ends_the_work():
    async def broken():
        raise ConnectionResetError

    jobs = Jobs()
    jobs.put(broken)
    await asyncio.wait_for(jobs.drained(), 1)
    await jobs.stop()


async def test_a_time_that_has_passed_is_not_waited_for():
    loop = asyncio.get_running_loop()
    before_s = loop.time()
    await sleep_until(before_s - 1)
    await sleep_until(before_s + 0.02)
    assert loop.time() - before_s >= 0.02
