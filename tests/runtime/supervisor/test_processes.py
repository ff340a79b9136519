"""The whole of it: a supervisor, workers and calls, each in processes of their own, as an operator runs them."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from bench.quiet_call import QuietCall
from tests.runtime.calls.audiosocket_phones import audiosocket_dial
from tests.runtime.supervisor.servers import AN_AI, KEY, WAIT_S, live_calls, new_call, serving, until

# Each starts several servers' worth of processes: seconds of work each, which a busy machine makes minutes.
pytestmark = pytest.mark.timeout(900)


async def dialled(calls: AsyncExitStack, http: httpx.AsyncClient, url: str | None = None) -> QuietCall:
    """A call that has heard the bot."""
    call = await calls.enter_async_context(QuietCall(url or await new_call(http)))
    async with asyncio.timeout(WAIT_S):
        await call.greeted.wait()
    return call


async def refused(url: str) -> httpx.Headers:
    """The headers with which a call is refused for want of room."""
    with pytest.raises(InvalidStatus) as caught:
        async with QuietCall(url):
            pass
    assert caught.value.response.status_code == 503
    return httpx.Headers(list(caught.value.response.headers.raw_items()))


async def test_room_decides_a_dead_worker_is_replaced_and_a_drain_cuts_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path, 2, "--max-calls", "5") as server, server.client() as http, AsyncExitStack() as open_:
        waiting, another, late = [await new_call(http) for _ in range(3)]
        calls = [await dialled(open_, http) for _ in range(5)]
        placed = await live_calls(http)
        # The five places are shared out, and all of them are found.
        assert sorted(placed.values()) == [2, 3]
        assert set(placed) == {it.pid for it in server.workers()}
        assert int((await refused(waiting))["retry-after"]) > 0
        assert (await http.get("/readyz")).status_code == 503

        victim = min(placed, key=lambda pid: placed[pid])
        os.kill(victim, signal.SIGKILL)
        await until(lambda: sum(call.over.is_set() for call in calls) == 2)
        await server.said("is ready", 3)
        assert victim not in {it.pid for it in server.workers()}
        calls = [call for call in calls if not call.over.is_set()]
        calls += [await dialled(open_, http, url) for url in (waiting, another)]
        assert sorted((await live_calls(http)).values()) == [2, 3]

        server.process.send_signal(signal.SIGTERM)
        await server.said("draining: ", 2)
        assert "retry-after" in await refused(late)
        async with server.client() as anew:
            assert (await anew.get("/readyz")).status_code == 503
            assert (await anew.get("/healthz")).status_code == 200
        assert [call.over.is_set() for call in calls] == [False] * 5
        for call in calls:
            await call.hang_up()
        assert await server.ended() == 0
        assert [call.cut for call in calls] == [False] * 5
        with pytest.raises(OSError, match="onnect"):
            async with QuietCall(late):
                pass


async def test_a_rolling_restart_refuses_and_cuts_nobody_and_workers_outlive_a_dead_supervisor(tmp_path: Path) -> None:
    async with serving(tmp_path, 2) as server, server.client() as http, AsyncExitStack() as open_:
        before = server.workers()
        calls = [await dialled(open_, http) for _ in range(4)]
        answers: list[int] = []
        short: list[bool] = []
        enough = asyncio.Event()

        async def ask_on(kept: bool) -> None:
            async with server.client() as client:
                while not enough.is_set():
                    headers = {} if kept else {"Connection": "close"}
                    answers.append((await client.get("/v1.0/ais", headers=headers)).status_code)
                    answers.append((await client.get("/readyz", headers=headers)).status_code)
                    await asyncio.sleep(0.05)

        async def dial_on() -> None:
            async with AsyncExitStack() as brief:
                while not enough.is_set():
                    call = await dialled(brief, http)
                    await call.hang_up()
                    short.append(call.cut)

        load = [asyncio.create_task(it) for it in (ask_on(True), ask_on(False), dial_on())]
        server.process.send_signal(signal.SIGHUP)
        await server.said("is ready", 4)
        # Each old one has calls, so it stays for as long as they last.
        assert {it.pid for it in before} < {it.pid for it in server.workers()}
        counts = len(answers), len(short)
        await until(lambda: len(answers) > counts[0] + 20 and len(short) > counts[1] + 1)
        enough.set()
        await asyncio.gather(*load)
        assert set(answers) == {200}
        assert set(short) == {False}
        assert [call.over.is_set() for call in calls] == [False] * 4
        for call in calls:
            await call.hang_up()
        assert [call.cut for call in calls] == [False] * 4
        await until(lambda: not {it.pid for it in before} & {it.pid for it in server.workers()})
        workers = server.workers()
        assert len(workers) == 2

        last = await dialled(open_, http)
        [busy] = [pid for pid, count in (await live_calls(http)).items() if count]
        server.process.kill()
        await server.ended()
        await server.said("the supervisor is gone", 2)
        await until(lambda: [it.pid for it in workers if it.is_running()] == [busy])
        assert not last.over.is_set()
        await last.hang_up()
        assert not last.cut
        await until(lambda: not any(it.is_running() for it in workers))


async def test_every_worker_serves_audiosocket(tmp_path: Path) -> None:
    settings = {"AICALL_AUDIOSOCKET_PORT": "0"}
    async with serving(tmp_path, 2, "--max-calls", "2", **settings) as server, server.client() as http:
        await server.said("audiosocket listening on tcp://127.0.0.1:")
        port = int(server.log.read_text().partition("tcp://127.0.0.1:")[2].split()[0])
        ai = (await http.post("/v1.0/ais", json=AN_AI)).raise_for_status().json()
        token = (await http.post(f"/v1.0/ais/{ai['id']}/media_token")).raise_for_status().json()
        async with audiosocket_dial(port) as one, audiosocket_dial(port) as other:
            for phone in (one, other):
                await phone.start(token["audiosocket_uuid"])
                await until(lambda phone=phone: phone.heard)
            # Each worker has one place.
            assert sorted((await live_calls(http)).values()) == [1, 1]
        assert token["audiosocket_uuid"] not in server.log.read_text()


async def test_settings_that_no_worker_can_run_with_end_it_at_once(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        async with serving(tmp_path, 2, AICALL_SECRET_KEY="no key"):
            pass
    assert "secret_key" in str(caught.value)
    assert "giving up" not in str(caught.value)
    assert KEY not in str(caught.value)
