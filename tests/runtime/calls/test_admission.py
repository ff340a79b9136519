from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from adapters.media.base import Handshake
from adapters.media.plain import SUBPROTOCOL, PlainProtocol
from adapters.media.twilio import TwilioProtocol
from adapters.signatures.twilio import sign
from adapters.store.base import GrantKind, MediaGrant
from models.ai import Ai
from models.aicall import Aicall, AicallWrite, EndReason
from models.errors import AicallError, Conflict, Forbidden, InvalidField, NotFound, Unauthorized, Unavailable
from models.status import AicallStatus
from models.timestamps import NOT_YET
from runtime.calls.admission import Admitted, admit, admit_aicall, admit_granted, find_audiosocket_grant
from runtime.services import Services
from runtime.tokens import audiosocket_uuid, hash_audiosocket_uuid, hash_token, new_token
from tests.adapters.store.samples import make_ai
from tests.runtime.calls.wires import services_in

OWNER = "this process"


@dataclass
class Door:
    """A store with one AI and one AIcall of it, both with a media token."""

    services: Services
    ai: Ai
    aicall: Aicall
    token: str
    ai_token: str

    async def knock(self, resource: object, token: str, *, owner: str = OWNER, **handshake: Any) -> Admitted:
        url = f"ws://test/ws/{resource}/{token}"
        return await admit(self.services, Handshake(url=url, path="/", **handshake), str(resource), token, owner=owner)

    async def refused(self, error: type[AicallError], resource: object, token: str, **handshake: Any) -> None:
        """Knock in vain; nothing of the AIcall may have changed."""
        before = await self.history()
        with pytest.raises(error) as caught:
            await self.knock(resource, token, **handshake)
        assert token not in repr(caught.value)
        assert await self.history() == before
        # Nobody took it.
        assert await self.services.store.expired_aicalls(now=NOT_YET) == [self.aicall]

    async def history(self) -> list[str]:
        return [event.type for event in await self.services.store.list_events(limit=100, customer_id=None)]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with services_in(tmp_path, database=str(tmp_path / "calls.db")) as services:
        store = services.store
        now = services.clock()
        ai = make_ai(now)
        await store.create_ai(ai)
        aicall = Aicall.create(AicallWrite(assistance_id=ai.id), ai, id=uuid4(), now=now)
        token, ai_token = new_token(), new_token()
        grant = MediaGrant(GrantKind.AICALL, aicall.id, hash_token(token), now + timedelta(hours=1))
        await store.create_aicall(aicall, grant=grant)
        await store.put_grant(MediaGrant(GrantKind.AI, ai.id, hash_token(ai_token), NOT_YET))
        yield Door(services, ai, aicall, token, ai_token)


async def test_an_aicall_is_taken_by_one_connection(door: Door) -> None:
    admitted = await door.knock(door.aicall.id, door.token)
    assert (admitted.aicall, admitted.ai) == (door.aicall, door.ai)
    assert admitted.ai.secrets == door.ai.secrets
    assert admitted.protocol is None
    assert await door.services.store.expired_aicalls(now=NOT_YET) == []
    for owner in (OWNER, "another process"):
        with pytest.raises(Conflict):
            await door.knock(door.aicall.id, door.token, owner=owner)
    assert await door.history() == ["aicall_status_initiating"]


async def test_of_many_connections_one_gets_it(door: Door) -> None:
    results = await asyncio.gather(
        *(door.knock(door.aicall.id, door.token, owner=f"process {number}") for number in range(8)),
        return_exceptions=True,
    )
    assert len([one for one in results if isinstance(one, Admitted)]) == 1
    assert len([one for one in results if isinstance(one, Conflict)]) == 7


async def test_an_ai_makes_a_new_aicall_for_every_connection(door: Door) -> None:
    first, second = [(await door.knock(door.ai.id, door.ai_token)).aicall for _ in range(2)]
    assert len({first.id, second.id, door.aicall.id}) == 3
    for aicall in (first, second):
        assert (aicall.assistance_id, aicall.customer_id) == (door.ai.id, door.ai.customer_id)
        assert await door.services.store.get_aicall(aicall.id, customer_id=None) == aicall
        with pytest.raises(Conflict):
            await door.services.store.claim_aicall(aicall.id, owner="another process")
        # The token of the AI opens no AIcall.
        with pytest.raises(NotFound):
            await door.knock(aicall.id, door.ai_token)
    assert b'aicall_status_moves_total{status="initiating"} 2.0' in door.services.metrics.render()


@pytest.mark.parametrize("resource", ["", "x", "../ais", "\x00", str(UUID(int=0)), "0" * 5000])
async def test_what_does_not_exist(door: Door, resource: str) -> None:
    await door.refused(NotFound, resource, door.token)


async def test_wrong_tokens(door: Door) -> None:
    for resource, token in (
        (door.aicall.id, door.ai_token),
        (door.ai.id, door.token),
        (door.aicall.id, door.token[:-1]),
        (door.aicall.id, "x"),
        (door.aicall.id, "\udcff"),
    ):
        await door.refused(Unauthorized, resource, token)


async def test_a_token_is_good_until_its_moment(door: Door) -> None:
    now = door.services.clock()
    await door.services.store.put_grant(MediaGrant(GrantKind.AICALL, door.aicall.id, hash_token(door.token), now))
    real = door.services
    door.services = replace(real, clock=lambda: now)
    await door.refused(Forbidden, door.aicall.id, door.token)
    # A wrong token learns nothing of that.
    await door.refused(Unauthorized, door.aicall.id, "x")
    door.services = replace(real, clock=lambda: now - timedelta(microseconds=1))
    await door.knock(door.aicall.id, door.token)


@pytest.mark.parametrize("status", [AicallStatus.PROGRESSING, AicallStatus.TERMINATING, AicallStatus.TERMINATED])
async def test_an_aicall_that_is_no_longer_waiting(door: Door, status: AicallStatus) -> None:
    path = {
        AicallStatus.PROGRESSING: [AicallStatus.PROGRESSING],
        AicallStatus.TERMINATING: [AicallStatus.TERMINATING],
        AicallStatus.TERMINATED: [AicallStatus.TERMINATING, AicallStatus.TERMINATED],
    }[status]
    for target in path:
        await door.services.store.move_aicall(door.aicall.id, target, now=door.services.clock())
    before = await door.history()
    with pytest.raises(Conflict):
        await door.knock(door.aicall.id, door.token)
    assert await door.history() == before


async def test_an_aicall_without_its_ai_is_ended(door: Door) -> None:
    await door.services.store.delete_ai(door.ai.id, customer_id=door.ai.customer_id, now=door.services.clock())
    with pytest.raises(NotFound) as caught:
        await door.knock(door.aicall.id, door.token)
    assert caught.value.kind == "ai"
    ended = await door.services.store.get_aicall(door.aicall.id, customer_id=None)
    assert (ended.status, ended.end_reason) == (AicallStatus.TERMINATED, EndReason.INTERNAL_ERROR)
    with pytest.raises(NotFound):
        await door.knock(door.ai.id, door.ai_token)
    with pytest.raises(Conflict):
        await door.knock(door.aicall.id, door.token)


async def test_an_aicall_that_runs_outlives_its_ai_and_whoever_dials_it_again(door: Door) -> None:
    await door.knock(door.aicall.id, door.token)
    await door.services.store.delete_ai(door.ai.id, customer_id=door.ai.customer_id, now=door.services.clock())
    with pytest.raises(Conflict):
        await door.knock(door.aicall.id, door.token)
    assert await door.history() == ["aicall_status_initiating"]


async def test_a_store_that_does_not_answer_takes_nothing(door: Door) -> None:
    await door.services.store.close()
    with pytest.raises(Unavailable):
        await door.knock(door.aicall.id, door.token)
    await door.services.store.open()
    await door.knock(door.aicall.id, door.token)


async def test_an_ai_that_cannot_be_read_leaves_the_aicall_to_the_next_connection(door: Door) -> None:
    with closing(sqlite3.connect(door.services.settings.database)) as other:
        [(kept,)] = other.execute("SELECT secrets FROM ais").fetchall()
        for secrets in ("damaged", kept):
            other.execute("UPDATE ais SET secrets = ?", (secrets,))
            other.commit()
            if secrets != kept:
                with pytest.raises(AicallError):
                    await door.knock(door.aicall.id, door.token)
                assert await door.services.store.expired_aicalls(now=NOT_YET) == [door.aicall]
    await door.knock(door.aicall.id, door.token)


# Protocols and signatures


async def test_the_protocol_is_found_as_early_as_it_can_be(door: Door) -> None:
    for handshake, protocol in (
        ({}, None),
        ({"query": {"protocol": ""}}, None),
        ({"query": {"protocol": "twilio"}}, TwilioProtocol),
        ({"query": {"protocol": "plain"}}, PlainProtocol),
        ({"subprotocols": [SUBPROTOCOL]}, PlainProtocol),
        ({"headers": {"x-twilio-signature": "x"}}, TwilioProtocol),
        ({"headers": {"x-twilio-signature": "x"}, "query": {"protocol": "plain"}}, PlainProtocol),
    ):
        assert (await door.knock(door.ai.id, door.ai_token, **handshake)).protocol is protocol
    await door.refused(InvalidField, door.aicall.id, door.token, query={"protocol": "TWILIO"})


async def test_twilio_must_sign_when_there_is_a_token(door: Door) -> None:
    settings = door.services.settings.model_copy(update={"twilio_auth_token": SecretStr("secret")})
    door.services = replace(door.services, settings=settings)
    url = f"ws://test/ws/{door.aicall.id}/{door.token}"
    await door.refused(Unauthorized, door.aicall.id, door.token, query={"protocol": "twilio"})
    for wrong in (sign("another", url), sign("secret", url + "?x=1"), "", "?"):
        headers = {"x-twilio-signature": wrong}
        await door.refused(Unauthorized, door.aicall.id, door.token, headers=headers)
        # Nor may a wrong one be ignored because another protocol is asked for.
        await door.refused(Unauthorized, door.aicall.id, door.token, headers=headers, query={"protocol": "plain"})
    # The token comes first: who has none learns nothing.
    await door.refused(Unauthorized, door.aicall.id, "x", headers={"x-twilio-signature": sign("secret", url)})
    admitted = await door.knock(door.aicall.id, door.token, headers={"x-twilio-signature": sign("secret", url)})
    assert admitted.protocol is TwilioProtocol


@pytest.mark.parametrize("handshake", [{"query": {"protocol": "plain"}}, {"subprotocols": [SUBPROTOCOL]}])
async def test_only_twilio_must_sign(door: Door, handshake: dict[str, Any]) -> None:
    settings = door.services.settings.model_copy(update={"twilio_auth_token": SecretStr("secret")})
    door.services = replace(door.services, settings=settings)
    assert (await door.knock(door.aicall.id, door.token, **handshake)).protocol is PlainProtocol


async def test_who_does_not_say_what_it_speaks_may_be_twilio(door: Door) -> None:
    settings = door.services.settings.model_copy(update={"twilio_auth_token": SecretStr("secret")})
    door.services = replace(door.services, settings=settings)
    await door.refused(Unauthorized, door.aicall.id, door.token)


async def test_a_uuid_opens_what_its_token_opens_until_its_moment(door: Door) -> None:
    store, now = door.services.store, door.services.clock()
    uuid = audiosocket_uuid(door.ai_token)
    with pytest.raises(NotFound) as caught:
        await find_audiosocket_grant(door.services, uuid)
    assert str(uuid) not in repr(vars(caught.value))
    kept = MediaGrant(GrantKind.AI, door.ai.id, hash_token(door.ai_token), now, hash_audiosocket_uuid(uuid))
    await store.put_grant(kept)
    with pytest.raises(Forbidden):
        await find_audiosocket_grant(door.services, uuid)
    await store.put_grant(replace(kept, tm_expire=NOT_YET))
    grant = await find_audiosocket_grant(door.services, uuid)
    first, second = [(await admit_granted(door.services, grant, TwilioProtocol, owner=OWNER)) for _ in range(2)]
    assert len({first.aicall.id, second.aicall.id, door.aicall.id}) == 3
    assert first.protocol is TwilioProtocol
    # The UUID of another token, and that of a deleted AI.
    with pytest.raises(NotFound):
        await find_audiosocket_grant(door.services, audiosocket_uuid(door.token))
    await store.delete_ai(door.ai.id, customer_id=door.ai.customer_id, now=now)
    with pytest.raises(NotFound):
        await find_audiosocket_grant(door.services, uuid)


async def test_an_aicall_is_taken_without_a_token_by_one_connection(door: Door) -> None:
    admitted = await admit_aicall(door.services, door.aicall.id, PlainProtocol, owner=OWNER)
    assert (admitted.aicall, admitted.protocol) == (door.aicall, PlainProtocol)
    with pytest.raises(Conflict):
        await admit_aicall(door.services, door.aicall.id, PlainProtocol, owner="another process")
    with pytest.raises(NotFound):
        await admit_aicall(door.services, uuid4(), PlainProtocol, owner=OWNER)
