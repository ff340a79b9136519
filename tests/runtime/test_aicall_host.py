"""What tools reach of any AIcall: the same, spoken or written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from models.message import Message, Role
from runtime.aicall_host import AicallHost
from tests.runtime.serving import an_ai, serving


class Records:
    """What tools remembered."""

    def __init__(self) -> None:
        self.set: list[dict[str, str]] = []

    def variables_set(self, variables: Mapping[str, str]) -> None:
        self.set.append(dict(variables))


async def test_variables_are_kept_and_recorded_and_what_was_given_stays_as_it_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall(await api.ok("POST", "/v1.0/ais", json=an_ai()))
        row = await api.services.store.get_aicall(UUID(aicall["id"]), customer_id=None)
        records, given = Records(), {"a": "1"}
        host = AicallHost(api.services, row, records, given)
        await host.set_variables({"b": "2"})
        assert host.variables == {"a": "1", "b": "2"}
        assert given == {"a": "1"}
        assert records.set == [{"b": "2"}]
        assert (host.aicall_id, host.aicall["id"], host.knowledge) == (row.id, aicall["id"], None)
        assert host.desk is api.services.tools


async def test_messages_are_those_that_were_said_oldest_first(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        aicall = await api.new_aicall(await api.ok("POST", "/v1.0/ais", json=an_ai()))
        store = api.services.store
        row = await store.get_aicall(UUID(aicall["id"]), customer_id=None)
        for number, fields in enumerate(
            ({"content": "one"}, {"content": "2", "tool_call_id": "t"}, {"content": "two"})
        ):
            role = Role.TOOL if "tool_call_id" in fields else Role.USER
            message = Message.model_validate(
                {
                    "id": UUID(int=number + 1),
                    "customer_id": row.customer_id,
                    "aicall_id": row.id,
                    "role": role,
                    "tm_create": api.services.clock(),
                    **fields,
                }
            )
            await store.add_message(message)
        host = AicallHost(api.services, row, Records(), {})
        assert await host.messages(row.id) == [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
