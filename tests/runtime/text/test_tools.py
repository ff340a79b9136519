from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from models.aicall import EndReason
from models.errors import NotFound
from models.message import Role
from models.usage import Usage
from runtime.text.records import TextRecords
from runtime.text.tools import TextToolHost
from tests.adapters.store.samples import make_message
from tests.runtime.calls.offices import events_of
from tests.runtime.serving import serving


async def test_what_tools_reach(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        document = await api.new_aicall(reference_type="conversation")
        services = api.services
        aicall = await services.store.get_aicall(UUID(document["id"]), customer_id=None)
        now = services.clock()
        await services.store.take_text(aicall.id, owner="me", now=now, tm_lease=now.replace(year=now.year + 1))
        records = TextRecords(services, aicall, "me", Usage())
        host = TextToolHost(services, aicall, records, {"a": "1"})
        assert (host.aicall_id, host.aicall, host.knowledge) == (aicall.id, aicall.public(), None)
        assert host.desk is services.tools
        assert host.leg is None
        host.parting(EndReason.STOP_FLOW)
        host.parted(done=True)
        assert host.ending is None
        await host.set_variables({"b": "2"})
        await records.step()
        assert host.variables == {"a": "1", "b": "2"}
        assert (await events_of(api, document))[-1]["data"] == {"variables": {"b": "2"}}
        for role, content in ((Role.USER, "hello"), (Role.ASSISTANT, ""), (Role.ASSISTANT, "hi")):
            await services.store.add_message(make_message(aicall, now=services.clock(), role=role, content=content))
        said = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
        assert await host.messages(aicall.id) == said
        with pytest.raises(NotFound):
            await host.messages(uuid4())
        await host.when_heard()
        await host.stop_media()
        endings = [host.ending]
        await host.stop_service()
        endings.append(host.ending)
        assert endings == [None, EndReason.STOP_SERVICE]
        await records.close()
