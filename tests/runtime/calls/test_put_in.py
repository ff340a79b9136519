"""What others say in a phone call: end to end, with vendors on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from models.message import Role
from runtime.calls.put_in import say_note, text_to_say
from tests.adapters.store.samples import make_aicall, make_message
from tests.runtime.calls.offices import GREETING, Office, events_of, office
from tests.runtime.calls.phones import Phone, dial
from tests.runtime.calls.test_every_provider import said_in, until_said
from tests.runtime.text.chats import messages_of, post


async def spoken(desk: Office, text: str) -> None:
    """Wait until the voice was given a text."""
    await desk.deepgram.until(lambda: any(text in str(it.messages) for it in desk.deepgram.requests))


async def greeted(desk: Office, phone: Phone, aicall: dict[str, Any]) -> None:
    await phone.start()
    await until_said(desk, aicall, GREETING)


async def test_what_the_bot_is_to_say_is_heard_word_by_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await greeted(desk, phone, aicall)
            before = len(phone.heard)
            sent = await post(desk.api, aicall, "Your taxi is there.", role="assistant")
            assert sent["role"] == "notification"
            await until_said(desk, aicall, "Your taxi is there.")
            # 8000 bytes a second.
            assert len(phone.heard) - before > 4000
            said = [it["content"] for it in await messages_of(desk.api, aicall) if it["role"] == "assistant"]
            assert said == [GREETING, "Your taxi is there."]


async def test_a_message_is_answered_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await greeted(desk, phone, aicall)
            await post(desk.api, aicall, "My number is seven", when="now")
            await until_said(desk, aicall, "You said: My number is seven.")
            assert "My number is seven" in (await said_in(desk, aicall))["user"]


async def test_an_instruction_is_silent_until_the_next_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await greeted(desk, phone, aicall)
            await post(desk.api, aicall, "The caller is a doctor.", role="system")
            await post(desk.api, aicall, "hello")
            await until_said(desk, aicall, "You said: hello.")
            asked = [it for it in desk.openai.requests if it.endpoint == "chat"]
            assert len(asked) == 1
            assert "The caller is a doctor." in str(asked[0].body)


async def test_what_comes_on_hold_waits_until_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await greeted(desk, phone, aicall)
            await desk.api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/pause")
            await post(desk.api, aicall, "Welcome back.", role="assistant")
            assert len(await desk.api.services.store.waiting_messages(UUID(aicall["id"]))) == 1
            await desk.api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/resume")
            await spoken(desk, "Welcome back.")


async def test_a_call_that_has_not_begun_or_is_over_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall()
        body = {"aicall_id": aicall["id"], "content": "hello"}
        await desk.api.problem("POST", "/v1.0/aimessages", 409, json=body)
        await desk.api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
        await desk.api.problem("POST", "/v1.0/aimessages", 409, json=body)
        assert len(await events_of(desk.api, aicall)) == 3


def test_a_note_is_read_as_it_was_written() -> None:
    aicall = make_aicall()

    def read(role: Role, content: str) -> str:
        return text_to_say(make_message(aicall, role=role, content=content))

    assert read(Role.NOTIFICATION, say_note("Grüß Gott")) == "Grüß Gott"
    assert read(Role.USER, say_note("Grüß Gott")) == ""
    assert read(Role.NOTIFICATION, "[]") == ""
    assert read(Role.NOTIFICATION, "no JSON") == ""
