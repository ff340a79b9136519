"""Calls that this side dials, through the real server to a loopback WebSocket."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.credentials import ALLOW_PRIVATE_ENDPOINTS
from tests.runtime.calls.asterisks import FRAME, WaitingAsterisk, waiting_asterisk
from tests.runtime.calls.offices import NEVER_RAN, assert_ended, assert_untouched, office, until_status
from tests.runtime.serving import Api, serving, until
from tests.support.servers import free_port


@pytest.fixture(autouse=True)
def _private_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW_PRIVATE_ENDPOINTS, "true")


@pytest.fixture
async def asterisk() -> AsyncIterator[WaitingAsterisk]:
    async with waiting_asterisk("c1", "c2") as running:
        yield running


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as running:
        yield running


async def test_a_whole_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asterisk: WaitingAsterisk) -> None:
    async with office(tmp_path, monkeypatch) as at:
        aicall = await at.new_aicall()
        path = f"/v1.0/aicalls/{aicall['id']}"
        body = {"url": asterisk.url("c1"), "session": "s1", "from": "+15551230001", "to": "100"}
        taken = await at.api.http.post(f"{path}/connect", json=body)
        assert (taken.status_code, taken.json()["id"]) == (202, aicall["id"])
        await asterisk.until_heard(1600)
        [worker] = at.api.services.live_calls._calls.values()
        assert worker._attachment.handshake.query == {"session": "s1", "from": "+15551230001", "to": "100"}  # type: ignore[attr-defined]
        assert asterisk.commands[0] == "ANSWER"
        assert (asterisk.dialled, asterisk.offered) == (["/media/c1"], ["media"])
        await at.api.ok("POST", f"{path}/terminate")
        await asterisk.until_closed()
        assert asterisk.commands[-1] == "HANGUP"
        await assert_ended(at.api, aicall, "terminate")
        await until(lambda: not at.api.services.dialled)


async def test_the_phone_system_hangs_up(api: Api, asterisk: WaitingAsterisk) -> None:
    aicall = await api.new_aicall()
    await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/connect", json={"url": asterisk.url("c1")})
    await until_status(api, aicall, "progressing")
    await asterisk.connections[0].close()
    await assert_ended(api, aicall, "hangup")


async def test_an_aicall_in_use_or_over_is_not_connected(api: Api, asterisk: WaitingAsterisk) -> None:
    aicall = await api.new_aicall()
    path = f"/v1.0/aicalls/{aicall['id']}"
    await api.ok("POST", f"{path}/connect", json={"url": asterisk.url("c1")})
    await until_status(api, aicall, "progressing")
    await api.problem("POST", f"{path}/connect", 409, json={"url": asterisk.url("c2")})
    # Nobody is left on the line that was dialled in vain.
    await asterisk.until_closed()
    await asterisk.connections[0].send(FRAME)
    await api.ok("POST", f"{path}/terminate")
    await assert_ended(api, aicall, "terminate")
    await api.problem("POST", f"{path}/connect", 409, json={"url": asterisk.url("c2")})
    assert asterisk.dialled == ["/media/c1", "/media/c2"]


async def test_a_server_that_is_full_or_drains_disturbs_nobody(tmp_path: Path, asterisk: WaitingAsterisk) -> None:
    async with serving(tmp_path, max_calls=1) as api:
        first, second = await api.new_aicall(), await api.new_aicall()
        await api.ok("POST", f"/v1.0/aicalls/{first['id']}/connect", json={"url": asterisk.url("c1")})
        await api.problem("POST", f"/v1.0/aicalls/{second['id']}/connect", 503, json={"url": asterisk.url("c2")})
        assert asterisk.dialled == ["/media/c1"]


async def test_who_refuses_and_who_is_not_there(api: Api, asterisk: WaitingAsterisk) -> None:
    aicall = await api.new_aicall()
    path = f"/v1.0/aicalls/{aicall['id']}/connect"
    # A redirect could lead anywhere.
    for id_ in ("unknown", "moved"):
        assert await api.wrong_field("POST", path, json={"url": asterisk.url(id_)}) == "url"
    assert asterisk.connections == []
    await api.problem("POST", path, 503, json={"url": f"ws://127.0.0.1:{free_port()}/media/c1"})
    await assert_untouched(api, aicall)
    # And it can still be connected.
    await api.ok("POST", path, json={"url": asterisk.url("c1")})


async def test_who_does_not_answer_is_not_waited_for_long(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with serving(tmp_path, start_timeout_s=0.2) as api:
            aicall = await api.new_aicall()
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}/media/c1"
            await api.problem("POST", f"/v1.0/aicalls/{aicall['id']}/connect", 503, json={"url": url})
            await assert_untouched(api, aicall)


async def test_a_server_that_stops_ends_what_it_dialled(tmp_path: Path, asterisk: WaitingAsterisk) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/connect", json={"url": asterisk.url("c1")})
        await until_status(api, aicall, "progressing")
    await asterisk.until_closed()
    assert asterisk.commands[-1] == "HANGUP"


async def test_a_stream_that_does_not_begin_ends_the_aicall(api: Api, asterisk: WaitingAsterisk) -> None:
    asterisk.mute = True
    aicall = await api.new_aicall()
    await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/connect", json={"url": asterisk.url("c1")})
    await assert_ended(api, aicall, "media_error", NEVER_RAN)


async def test_private_endpoints_are_dialled_only_where_they_are_allowed(
    api: Api, asterisk: WaitingAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    aicall = await api.new_aicall()
    path = f"/v1.0/aicalls/{aicall['id']}/connect"
    monkeypatch.delenv(ALLOW_PRIVATE_ENDPOINTS)
    for url in (asterisk.url("c1"), "wss://127.0.0.1/media/c1", "wss://localhost/media/c1", "wss://[::1]/m"):
        assert await api.wrong_field("POST", path, json={"url": url}) == "url"
    assert asterisk.dialled == []
