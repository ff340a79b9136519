from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from models.errors import Conflict, NotFound
from models.ids import DEFAULT_CUSTOMER_ID
from models.message import Role
from runtime.text.messages import NewMessage, add_message, wait_answered
from tests.runtime.serving import serving

HELLO = NewMessage(Role.USER, "hello", run_llm=True)


async def test_a_message_is_stored_before_it_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall_id = UUID((await api.new_aicall(reference_type="conversation"))["id"])
        message, cursor = await add_message(api.services, aicall_id, HELLO, customer_id=DEFAULT_CUSTOMER_ID)
        assert cursor
        replies, pending = await wait_answered(api.services, message, cursor)
        assert not pending
        assert [reply.role for reply in replies] == [Role.ASSISTANT]


async def test_a_wait_is_bounded(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall_id = UUID((await api.new_aicall(reference_type="conversation"))["id"])
        now = api.services.clock()
        lease = now.replace(year=now.year + 1)
        assert await api.services.store.take_text(aicall_id, owner="busy", now=now, tm_lease=lease)
        message, cursor = await add_message(api.services, aicall_id, HELLO, customer_id=DEFAULT_CUSTOMER_ID)
        async with asyncio.timeout(20):
            assert await wait_answered(api.services, message, cursor, timeout_s=0.1) == ([], True)


async def test_who_takes_no_message(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        call = UUID((await api.new_aicall())["id"])
        with pytest.raises(Conflict):
            await add_message(api.services, call, HELLO, customer_id=DEFAULT_CUSTOMER_ID)
        for aicall_id, customer_id in ((uuid4(), DEFAULT_CUSTOMER_ID), (call, uuid4())):
            with pytest.raises(NotFound):
                await add_message(api.services, aicall_id, HELLO, customer_id=customer_id)
