from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.store.factory import create_store
from adapters.store.sqlite_watch import LogWatch
from tests.adapters.store.samples import KEY, make_aicall


async def test_a_commit_is_noticed_and_an_own_one_is_no_news(tmp_path: Path) -> None:
    log = tmp_path / "aicall.db-wal"
    changed = asyncio.Event()
    watch = LogWatch(str(tmp_path / "aicall.db"), changed.set, look_every_s=0.005)
    try:
        log.write_bytes(b"ours")
        watch.wrote()
        looked = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, looked.set)
        await looked.wait()
        assert not changed.is_set()
        log.write_bytes(b"theirs")
        async with asyncio.timeout(20):
            await changed.wait()
    finally:
        watch.close()


async def test_whoever_waits_is_woken_by_the_log_and_not_by_the_poll(tmp_path: Path) -> None:
    url = str(tmp_path / "aicall.db")
    ours, theirs = create_store(url, secret_key=KEY), create_store(url, secret_key=KEY)
    ours._notifier._poll_interval_s = 3600.0  # type: ignore[attr-defined]
    await ours.open()
    await theirs.open()
    try:
        waiting = asyncio.create_task(ours.wait_events(after="", timeout_s=20))
        # It has looked once, and found nothing.
        while not ours._notifier._waiters:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0)
        await theirs.create_aicall(make_aicall())
        assert await waiting
    finally:
        await ours.close()
        await theirs.close()


async def test_without_a_log_there_is_no_news(tmp_path: Path) -> None:
    changed = asyncio.Event()
    watch = LogWatch(str(tmp_path / "none.db"), changed.set, look_every_s=0.0)
    for _ in range(10):
        await asyncio.sleep(0)
    watch.close()
    assert not changed.is_set()
