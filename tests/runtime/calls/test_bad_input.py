"""Connections that must not become calls, and calls whose stream never begins (issue 2, "Bad input")."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from hashlib import sha1
from hmac import digest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from models.aicall import EndReason
from runtime.ending import end_unattended
from tests.runtime.calls.offices import (
    NEVER_RAN,
    assert_ended,
    assert_untouched,
    statuses_of,
    until_status,
)
from tests.runtime.calls.phones import SILENCE, dial, media_message, refused, start_message
from tests.runtime.serving import serving, until

CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}


async def test_an_unknown_ai_or_aicall_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        base, token = aicall["media_url"].rsplit("/", 2)[0], aicall["media_url"].rpartition("/")[2]
        ai_id = aicall["assistance_id"]  # It has no media token of its own.
        for unknown in (str(uuid4()), "not-a-uuid", ai_id, "%00", "x" * 2000):
            status, problem = await refused(f"{base}/{unknown}/{token}")
            assert status == 404
            assert token not in json.dumps(problem)
        await assert_untouched(api, aicall)
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await until_status(api, aicall, "progressing")


async def test_a_wrong_media_token_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall, other = await api.new_aicall(), await api.new_aicall()
        url, _, token = aicall["media_url"].rpartition("/")
        wrong = (
            other["media_url"].rpartition("/")[2],
            token[:-1],
            token + "A",
            token.swapcase(),
            "%F0%9F%93%9E",
            "%FF",
        )
        for attempt in wrong:
            status, problem = await refused(f"{url}/{attempt}")
            assert status == 401, attempt
            assert attempt not in json.dumps(problem)
        await assert_untouched(api, aicall)
        await assert_untouched(api, other)


async def test_a_rotated_media_token_of_an_ai_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        ai = await api.new_ai()
        path = f"/v1.0/ais/{ai['id']}/media_token"
        old, new = [(await api.ok("POST", path))["media_url"] for _ in range(2)]
        assert (await refused(old))[0] == 401
        assert (await api.ok("GET", "/v1.0/aicalls"))["result"] == []
        async with dial(new) as phone:
            await phone.start()
            await phone.until_heard()
        [aicall] = (await api.ok("GET", "/v1.0/aicalls"))["result"]
        await assert_ended(api, aicall, "hangup")
        await api.ok("DELETE", f"/v1.0/ais/{ai['id']}")
        assert (await refused(new))[0] == 404


async def test_an_expired_media_token_is_refused(tmp_path: Path) -> None:
    # The sweeper, which ends such AIcalls, is not to come first.
    async with serving(tmp_path, media_token_ttl_s=0.001, sweep_interval_s=3600) as api:
        aicall = await api.new_aicall()
        assert (await refused(aicall["media_url"]))[0] == 403
        await assert_untouched(api, aicall)


async def test_an_aicall_in_use_is_refused_and_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            # In use from the first moment, before its stream begins, as well as while it runs.
            assert (await refused(aicall["media_url"]))[0] == 409
            await phone.start()
            await phone.until_heard()
            assert (await refused(aicall["media_url"]))[0] == 409
            assert "aicall_live_calls 1.0" in (await api.http.get("/metrics")).text
            await phone.until_heard()
        await assert_ended(api, aicall, "hangup")


async def test_two_connections_at_the_same_moment_make_one_call(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        sockets = await asyncio.gather(
            *(connect(aicall["media_url"], proxy=None) for _ in range(5)), return_exceptions=True
        )
        let_in = [one for one in sockets if not isinstance(one, BaseException)]
        kept_out = [one.response.status_code for one in sockets if isinstance(one, InvalidStatus)]
        for socket in let_in:
            await socket.close()
        assert (len(let_in), kept_out) == (1, [409] * 4)
        await assert_ended(api, aicall, "hangup", NEVER_RAN)


async def test_an_aicall_that_has_ended_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        called, never_called = await api.new_aicall(), await api.new_aicall()
        async with dial(called["media_url"]) as phone:
            await phone.start()
            await phone.until_heard()
        before = await assert_ended(api, called, "hangup")
        await api.ok("POST", f"/v1.0/aicalls/{never_called['id']}/terminate")
        for aicall in (called, never_called):
            assert (await refused(aicall["media_url"]))[0] == 409
        assert await assert_ended(api, called, "hangup") == before
        await assert_ended(api, never_called, "terminate", NEVER_RAN)


async def test_an_aicall_whose_ai_was_deleted_is_refused_and_ended(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        ai = await api.new_ai()
        running, waiting = await api.new_aicall(ai), await api.new_aicall(ai)
        async with dial(running["media_url"]) as phone:
            await phone.start()
            await phone.until_heard()
            await api.ok("DELETE", f"/v1.0/ais/{ai['id']}")
            assert (await refused(waiting["media_url"]))[0] == 404
            # One that runs is not disturbed by whoever dials it again.
            assert (await refused(running["media_url"]))[0] == 409
            await phone.until_heard()
        await assert_ended(api, running, "hangup")
        await assert_ended(api, waiting, "internal_error", NEVER_RAN)


async def test_an_unknown_protocol_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        status, problem = await refused(f"{aicall['media_url']}?protocol=semaphore")
        assert (status, problem["errors"][0]["field"]) == (422, "protocol")
        await assert_untouched(api, aicall)


async def test_a_full_server_refuses_and_keeps_the_aicall(tmp_path: Path) -> None:
    async with serving(tmp_path, max_calls=1) as api:
        first, second = await api.new_aicall(), await api.new_aicall()
        async with dial(first["media_url"]) as phone:
            await phone.start()
            await phone.until_heard()
            assert (await refused(second["media_url"]))[0] == 503
            problem = await api.problem("POST", "/v1.0/aicalls", 503, json={"assistance_id": first["assistance_id"]})
            assert "full" in problem["detail"]
            assert await statuses_of(api, second) == ["initiating"]
        await assert_ended(api, first, "hangup")
        async with dial(second["media_url"]) as phone:
            await phone.start()
            await phone.until_heard()
        await assert_ended(api, second, "hangup")


async def test_a_draining_server_refuses_and_lets_calls_run_to_their_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        live, late = await api.new_aicall(), await api.new_aicall()
        async with dial(live["media_url"]) as phone:
            await phone.start()
            await phone.until_heard()
            draining = asyncio.create_task(api.services.live_calls.drain(3600))
            await asyncio.sleep(0)
            status, _ = await refused(late["media_url"])
            assert status == 503
            await phone.until_heard()
            assert not draining.done()
        await draining
        await assert_ended(api, live, "hangup")
        await assert_untouched(api, late)


# X-Twilio-Signature


def signature(url: str, token: str = "twilio-token") -> dict[str, str]:
    """The header, by Twilio's own description: base64 of HMAC-SHA1 over the URL, keyed with the auth token."""
    return {"X-Twilio-Signature": b64encode(digest(token.encode(), url.encode(), sha1)).decode()}


async def test_a_missing_or_wrong_twilio_signature_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, twilio_auth_token="twilio-token") as api:
        aicall = await api.new_aicall()
        url = aicall["media_url"]
        assert (await refused(f"{url}?protocol=twilio"))[0] == 401
        for headers in (
            signature(url, "another-token"),
            signature(url + "?session=1"),
            signature(url.replace("ws://", "http://")),
            {"X-Twilio-Signature": ""},
            {"X-Twilio-Signature": "not base64 at all"},
        ):
            assert (await refused(url, headers))[0] == 401, headers
        await assert_untouched(api, aicall)
        async with dial(url, signature(url)) as phone:
            await phone.start()
            await phone.until_heard()
        await assert_ended(api, aicall, "hangup")


async def test_the_signature_covers_the_query_and_the_public_url(tmp_path: Path) -> None:
    settings = {"twilio_auth_token": "twilio-token", "public_url": "https://calls.example.com/voice"}
    async with serving(tmp_path, **settings) as api:
        aicall = await api.new_aicall()
        assert aicall["media_url"].startswith("wss://calls.example.com/voice/ws/")
        path = urlsplit(aicall["media_url"]).path.removeprefix("/voice")
        inside = f"{api.url.replace('http', 'ws')}{path}?session=a%20b"
        assert (await refused(inside, signature(inside)))[0] == 401
        await assert_untouched(api, aicall)
        async with dial(inside, signature(f"{aicall['media_url']}?session=a%20b")) as phone:
            await phone.start()
            await phone.until_heard()
        await assert_ended(api, aicall, "hangup")


async def test_an_unsigned_connection_must_say_that_it_is_not_twilio(tmp_path: Path) -> None:
    async with serving(tmp_path, twilio_auth_token="twilio-token") as api:
        aicall = await api.new_aicall()
        assert (await refused(aicall["media_url"]))[0] == 401
        await assert_untouched(api, aicall)
        async with connect(f"{aicall['media_url']}?protocol=plain") as socket:
            await socket.send('{"event": "start", "sample_rate": 16000}')
            assert await socket.recv()
        await assert_ended(api, aicall, "hangup")


async def test_a_signature_is_of_no_interest_without_a_token(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        async with dial(aicall["media_url"], signature("wss://elsewhere")) as phone:
            await phone.start()
            await phone.until_heard()
        await assert_ended(api, aicall, "hangup")


# Streams that never begin


@pytest.mark.parametrize("said", [[], [CONNECTED], [CONNECTED, CONNECTED, "junk", {"event": "surprise"}]])
async def test_no_start_in_time(tmp_path: Path, said: list[Any]) -> None:
    async with serving(tmp_path, start_timeout_s=0.2) as api:
        aicall = await api.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await phone.send(*said)
            assert await phone.closed() == (1008, "media_error")
        await assert_ended(api, aicall, "media_error", NEVER_RAN)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("", "{"),
        ("", b"\x00\x01"),
        ("", []),
        ("", {"event": "surprise"}),
        ("", media_message(SILENCE)),
        ("", {"event": "stop", "streamSid": "MZ1"}),
        ("", {"event": "start"}),
        ("", start_message(mediaFormat={"encoding": "audio/opus", "sampleRate": 48_000, "channels": 2})),
        ("", start_message(streamSid=7)),
        ("", start_message(customParameters={"a": {"nested": 1}})),
        ("?protocol=twilio", media_message(SILENCE)),
        ("?protocol=plain", b"\x00\x01"),
        ("?protocol=plain", {"event": "start", "sample_rate": 11_025}),
    ],
)
async def test_a_stream_that_begins_wrongly_is_closed(tmp_path: Path, query: str, first: Any) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        async with dial(aicall["media_url"] + query) as phone:
            await phone.send(json.dumps(first) if isinstance(first, list) else first)
            assert await phone.closed() == (1008, "media_error")
        await assert_ended(api, aicall, "media_error", NEVER_RAN)


async def test_junk_before_the_start_is_passed_over_once_the_protocol_is_known(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        async with dial(f"{aicall['media_url']}?protocol=twilio") as phone:
            await phone.send("{", b"\x00", {"event": "surprise"}, "[]")
            await phone.start()
            await phone.until_heard()
        await assert_ended(api, aicall, "hangup")


async def test_hang_up_before_the_start(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        silent, greeted, dropped = [await api.new_aicall() for _ in range(3)]
        async with dial(silent["media_url"]):
            pass
        await assert_ended(api, silent, "hangup", NEVER_RAN)
        async with dial(greeted["media_url"]) as phone:
            await phone.send(CONNECTED)
        await assert_ended(api, greeted, "hangup", NEVER_RAN)
        async with dial(dropped["media_url"]) as phone:
            phone.socket.transport.abort()
        await assert_ended(api, dropped, "hangup", NEVER_RAN)


async def test_a_phone_system_that_goes_away_while_it_is_being_let_in(tmp_path: Path) -> None:
    database = tmp_path / "calls.db"
    async with serving(tmp_path, database=str(database)) as api:
        aicall = await api.new_aicall()
        url = urlsplit(aicall["media_url"])
        # While another process holds the database, the AIcall cannot be taken.
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.write(
                f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            await until(lambda: api.services.live_calls._reserved == 1)
            writer.transport.abort()
            other.execute("ROLLBACK")
        await assert_ended(api, aicall, "hangup", NEVER_RAN)


async def test_terminating_before_the_start_does_not_wait_for_it(tmp_path: Path) -> None:
    async with serving(tmp_path, start_timeout_s=3600) as api:
        aicall = await api.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await phone.send(CONNECTED)
            ended = await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
            assert ended["end_reason"] == "terminate"
            assert await phone.closed() == (1000, "terminate")
        await assert_ended(api, aicall, "terminate", NEVER_RAN)


async def test_an_aicall_that_ended_just_before_its_stream_began_is_hung_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            # As another process does, or the API between the claim and the connection's first step.
            await end_unattended(api.services, UUID(aicall["id"]), EndReason.TERMINATE)
            await phone.start()
            assert await phone.closed() == (1000, "terminate")
        await assert_ended(api, aicall, "terminate", NEVER_RAN)


async def test_the_subprotocol_is_only_chosen_when_it_was_offered(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        ai = await api.new_ai()
        for offered in (None, ["aicall.plain.v1"], ["unheard.of", "aicall.plain.v1"]):
            aicall = await api.new_aicall(ai)
            socket = await connect(f"{aicall['media_url']}?protocol=plain", proxy=None, subprotocols=offered)
            assert socket.subprotocol == ("aicall.plain.v1" if offered else None)
            await socket.send('{"event": "start", "sample_rate": 8000}')
            assert isinstance(await socket.recv(), bytes)
            await socket.close()
            await assert_ended(api, aicall, "hangup")
