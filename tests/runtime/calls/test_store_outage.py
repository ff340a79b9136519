"""A database that goes away in the middle of a call: the call goes on, and nothing of it is lost."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.store.base import Store
from models.errors import Unavailable
from tests.adapters.store.samples import at, make_grant
from tests.runtime.calls.offices import GREETING, assert_ended, office
from tests.runtime.calls.phones import dial
from tests.runtime.calls.test_every_provider import ANSWER, QUESTION, said_in, until_said
from tests.support.postgresql_server import PostgresqlServer

LONG_S = 30.0
"""Three leases, so that the call's own has long expired when the database is back, seconds."""

SHORT_S = 4.0
"""Longer than a connection's time-out would need to be noticed, shorter than a reader's patience, seconds."""


async def answering(store: Store) -> None:
    """Wait until the store answers again, and readers as well as writers have seen it."""
    async with asyncio.timeout(20):
        while True:
            try:
                await store.ping()
                await store.put_grant(make_grant(uuid4(), at()))
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize(("kind", "outage_s"), [("stopped", LONG_S), ("held", SHORT_S)])
async def test_a_call_goes_on_without_its_database_and_nothing_is_lost(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_postgresql_server: PostgresqlServer,
    kind: str,
    outage_s: float,
) -> None:
    server = own_postgresql_server
    async with office(tmp_path, monkeypatch, database=server.create_database()) as desk:
        desk.deepgram.transcripts = lambda _: QUESTION
        desk.openai.script = type(desk.openai.script)([ANSWER])
        aicall = await desk.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await until_said(desk, aicall, GREETING)
            await asyncio.to_thread(server.hold if kind == "held" else server.stop)
            back = asyncio.get_running_loop().time() + outage_s
            asked = len(phone.heard)
            await phone.say(QUESTION)
            # A second of the answer: 8000 bytes.
            await phone.until_heard(asked + 8000 - len(phone.heard))
            assert asyncio.get_running_loop().time() < back, "the answer did not wait for the database"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(back):
                    await phone.stay_silent()
            await asyncio.to_thread(server.resume if kind == "held" else server.start)
            await answering(desk.api.services.store)
            await until_said(desk, aicall, ANSWER)
        row = await assert_ended(desk.api, aicall, "hangup")
        assert row["id"] == aicall["id"]
        said = await said_in(desk, aicall)
        assert said["user"] == QUESTION
        # A caller who is silent for half a minute is asked whether they are there.
        assert said["assistant"].startswith(f"{GREETING} {ANSWER}")
