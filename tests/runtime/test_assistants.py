"""Routing calls to assistants, as far as `tests/runtime/api/test_assistant_cxml.py` cannot show it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from starlette.requests import Request

from adapters.media.base import Handshake
from adapters.store.base import GrantKind, MediaGrant
from models.assistant import AiAssistant, AssistantStatus
from models.errors import Forbidden, NotFound
from models.timestamps import NOT_YET
from runtime.assistants import (
    BAD_ASSISTANT,
    BAD_CONFIGURATION,
    NO_NUMBER,
    NO_PROVIDER,
    RoutedCall,
    document_for,
    routed_grant,
)
from runtime.calls.admission import admit
from runtime.services import Services
from runtime.tokens import hash_token, new_token
from tests.adapters.store.assistants.contract import DEEPDUB, make_assistant
from tests.adapters.store.samples import CUSTOMER, make_ai
from tests.adapters.store.teams.contract import make_team
from tests.runtime.calls.wires import services_in

REQUEST = Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"x")]})
CALL = RoutedCall("s", "1", "2")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with services_in(tmp_path) as services:
        yield services


async def own(services: Services, **configuration: str) -> AiAssistant:
    ai = make_ai()
    await services.store.create_ai(ai)
    made = make_assistant(provider="aicall", configuration={"assistance_id": str(ai.id), **configuration})
    return await services.store.create_assistant(made)


@pytest.mark.parametrize(
    ("fields", "changes", "words"),
    [
        ({}, {"provider": "gone"}, NO_PROVIDER),
        ({}, {"configuration": {}}, NO_NUMBER),
        (DEEPDUB, {"secrets": {}}, BAD_CONFIGURATION),
    ],
)
async def test_what_an_older_version_stored_is_told_in_words(
    services: Services, fields: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    made = make_assistant(**fields).model_copy(update=changes)
    stored = await services.store.create_assistant(made)
    document = await document_for(services, REQUEST, stored.id, CUSTOMER, CALL)
    assert f"<Say>{words}. Goodbye.</Say><Hangup />" in document


async def test_without_tls_no_phone_system_is_sent_here(services: Services) -> None:
    stored = await own(services)
    assert BAD_ASSISTANT in await document_for(services, REQUEST, stored.id, CUSTOMER, CALL)
    assert (await services.store.list_aicalls(customer_id=CUSTOMER, page_size=10)).items == []


async def test_the_media_url_of_an_assistant_opens_its_ai(services: Services) -> None:
    stored, token = await own(services), new_token()
    await services.store.put_grant(MediaGrant(GrantKind.ASSISTANT, stored.media_id, hash_token(token), NOT_YET))

    async def knock() -> Any:
        handshake = Handshake(url=f"ws://test/ws/{stored.media_id}/{token}", path="/")
        return await admit(services, handshake, str(stored.media_id), token, owner="me")

    first, second = await knock(), await knock()
    assert first.aicall.id != second.aicall.id
    assert {str(it.aicall.assistance_id) for it in (first, second)} == {stored.configuration["assistance_id"]}
    await services.store.update_assistant(stored.model_copy(update={"status": AssistantStatus.INACTIVE}))
    with pytest.raises(Forbidden, match="inactive"):
        await knock()
    # Those that run go on.
    assert (await services.store.get_aicall(first.aicall.id, customer_id=CUSTOMER)).status == "initiating"
    await services.store.delete_assistant(stored.id, customer_id=CUSTOMER, now=services.clock())
    with pytest.raises(NotFound):
        await knock()


async def test_the_media_url_of_an_assistant_opens_its_team(services: Services) -> None:
    ai = make_ai()
    team = make_team()
    team = team.model_copy(update={"members": [it.model_copy(update={"ai_id": ai.id}) for it in team.members]})
    await services.store.create_ai(ai)
    await services.store.create_team(team)
    configuration = {"assistance_id": str(team.id), "assistance_type": "team"}
    stored = await services.store.create_assistant(make_assistant(provider="aicall", configuration=configuration))
    assert await routed_grant(services, stored.media_id) == (GrantKind.TEAM, team.id)
    with pytest.raises(NotFound):
        await routed_grant(services, uuid4())
    # It was this runtime's when its URL was made.
    await services.store.update_assistant(
        make_assistant(name=stored.name).model_copy(update={"id": stored.id, "media_id": stored.media_id})
    )
    with pytest.raises(NotFound):
        await routed_grant(services, stored.media_id)
