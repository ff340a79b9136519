from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from models.message import Role
from runtime.text.attend import look_after_texts
from tests.adapters.store.samples import make_message
from tests.runtime.serving import serving
from tests.runtime.text.chats import messages_of, until_at_rest


async def test_what_waits_is_answered_and_what_is_over_is_ended(tmp_path: Path) -> None:
    async with serving(tmp_path, sweep_interval_s=600) as api:
        services = api.services
        waiting, over = [await api.new_aicall(reference_type="conversation") for _ in range(2)]
        aicall = await services.store.get_aicall(UUID(waiting["id"]), customer_id=None)
        message = make_message(aicall, now=services.clock(), content="hello")
        await services.store.queue_message(message, run_llm=True, limit=5)
        await look_after_texts(services)
        await until_at_rest(api)
        assert await services.store.waiting_messages(aicall.id) == []
        assert [it["role"] for it in await messages_of(api, waiting)] == [Role.USER, Role.ASSISTANT]
        ends = services.clock() + timedelta(seconds=services.settings.conversation_max_age_s + 1)
        assert {it.id for it in await services.store.expired_texts(now=ends)} == {aicall.id, UUID(over["id"])}
