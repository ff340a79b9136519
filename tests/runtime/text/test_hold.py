from __future__ import annotations

from uuid import UUID

import pytest

from models.errors import IllegalTransition
from models.status import AicallStatus
from runtime.text.hold import pause_text, resume_text
from tests.runtime.calls.offices import statuses_of
from tests.runtime.serving import serving


async def test_each_move_is_made_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with serving(tmp_path_factory.mktemp("data")) as api:
        aicall = await api.new_aicall(reference_type="conversation")
        store, services = api.services.store, api.services
        fresh = await store.get_aicall(UUID(aicall["id"]), customer_id=None)
        with pytest.raises(IllegalTransition):
            await pause_text(services, fresh)
        running = await store.move_aicall(fresh.id, AicallStatus.PROGRESSING, now=services.clock())
        for _ in range(2):
            paused = await pause_text(services, running)
            assert paused.status is AicallStatus.PAUSING
        for one in (paused, await resume_text(services, paused)):
            assert (await resume_text(services, one)).status is AicallStatus.PROGRESSING
        assert await statuses_of(api, aicall) == ["initiating", "progressing", "pausing", "resuming", "progressing"]
        await services.texts.close()
