from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pipecat.processors.aggregators.llm_context import LLMSpecificMessage

from models.errors import LostLease
from models.message import Role
from models.usage import Usage
from pipelines.context.restore import Summary, restore_context
from runtime.text.records import TextRecords
from runtime.text.session import load_history
from tests.pipelines.context.talk import Talk, call, entry, result
from tests.runtime.calls.offices import events_of
from tests.runtime.serving import Api, serving


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as running:
        yield running


async def records_of(api: Api, owner: str = "me") -> TextRecords:
    document = await api.new_aicall(reference_type="conversation")
    services = api.services
    aicall = await services.store.get_aicall(UUID(document["id"]), customer_id=None)
    now = services.clock()
    assert await services.store.take_text(aicall.id, owner="me", now=now, tm_lease=now.replace(year=now.year + 1))
    return TextRecords(services, aicall, owner, Usage())


async def test_what_a_step_added_is_stored_and_restored(api: Api) -> None:
    records = await records_of(api)
    reply_to = uuid4()
    records.begin(reply_to)
    thought = LLMSpecificMessage(llm="anthropic", message={})
    talk: Talk = [call("c1"), result("c1"), thought, entry("assistant", "Done."), entry("developer", "Go on.")]
    await records.step(talk)
    history = await load_history(api.services, records.message(Role.USER).aicall_id)
    assert {message.in_reply_to_message_id for message in history} == {reply_to}
    assert restore_context(history) == [message for message in talk if message is not thought]
    await records.close()


async def test_the_words_of_an_answer_carry_the_id_of_its_message(api: Api) -> None:
    records = await records_of(api)
    records.begin_step()
    records.text("A broken ")
    records.begin_step()
    for text in ("Hello", ", ", "you"):
        records.text(text)
    await records.step([entry("assistant", "Hello, you")])
    aicall_id = str(records.message(Role.USER).aicall_id)
    events = [event for event in await events_of(api, {"id": aicall_id}) if event["type"].startswith("aimessage")]
    assert [event["data"]["content"] for event in events] == ["Hello, you", "Hello, you"]
    assert events[0]["data"]["id"] == events[1]["data"]["id"]
    assert events[0]["data"]["sequence"] == 1
    await records.close()


async def test_a_summary_goes_out_behind_the_step(api: Api) -> None:
    records = await records_of(api)
    records.summed_up(Summary("short", 1))
    await records.step([entry("assistant", "Hello")])
    history = await load_history(api.services, records.message(Role.USER).aicall_id)
    assert [message.role for message in history] == [Role.ASSISTANT, Role.NOTIFICATION]
    await records.close()


async def test_nothing_is_recorded_by_whom_it_was_taken_from(api: Api) -> None:
    records = await records_of(api, owner="somebody else")
    with pytest.raises(LostLease):
        await records.step([entry("assistant", "Hello")])
    assert await load_history(api.services, records.message(Role.USER).aicall_id) == []
    await records.close()
