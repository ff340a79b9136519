from __future__ import annotations

from pathlib import Path
from uuid import UUID

from tests.runtime.serving import serving


async def test_a_conversation_waits_without_anything_in_memory(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall(reference_type="conversation")
        assert (aicall["status"], aicall["media_url"]) == ("initiating", None)
        assert len(api.services.texts) == 0
        assert await api.services.store.get_grant(UUID(aicall["id"])) is None


async def test_nothing_is_created_while_the_process_drains(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        ai = await api.new_ai()
        await api.services.live_calls.drain(0)
        body = {"assistance_id": ai["id"], "reference_type": "conversation"}
        await api.problem("POST", "/v1.0/aicalls", 503, json=body)
