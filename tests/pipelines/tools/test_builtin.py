from typing import Any

import pytest

from models.tools import TOOLS
from pipelines.tools.builtin import BUILTIN
from pipelines.tools.host import ToolHost
from pipelines.tools.result import ToolResult
from tests.pipelines.tools.hosts import AICALL_ID, EARLIER_ID, CallHost


async def call(name: str, host: ToolHost, **arguments: Any) -> ToolResult:
    return await BUILTIN[name](host, arguments)


def test_what_is_carried_out_is_what_the_model_may_be_told_of() -> None:
    assert BUILTIN.keys() <= TOOLS.keys()
    assert {"stop_service", "stop_media", "set_variables", "get_variables", "get_aicall_messages"} <= BUILTIN.keys()


@pytest.mark.parametrize("name", ["stop_service", "stop_media"])
async def test_stopping(name: str) -> None:
    host = CallHost()
    assert (await call(name, host)).ok
    assert host.done == [name]


async def test_variables() -> None:
    host = CallHost()
    remembered = await call("set_variables", host, variables={"table": "7"})
    assert remembered.ok
    assert remembered.data == {"variables": {"table": "7"}}
    read = await call("get_variables", host)
    assert read.ok
    assert read.data == {"variables": {"caller": "Ann", "table": "7"}}
    # What the model read is its own copy.
    read.data["variables"]["table"] = "8"
    assert host.variables["table"] == "7"


@pytest.mark.parametrize("arguments", [{}, {"aicall_id": None}, {"aicall_id": ""}, {"aicall_id": str(AICALL_ID)}])
async def test_messages_of_this_call(arguments: dict[str, Any]) -> None:
    result = await call("get_aicall_messages", CallHost(), **arguments)
    assert result.ok
    assert result.data == {"messages": [{"role": "user", "content": "Hello"}]}


async def test_messages_of_an_earlier_call() -> None:
    result = await call("get_aicall_messages", CallHost(), aicall_id=str(EARLIER_ID))
    assert result.data == {"messages": [{"role": "user", "content": "Earlier"}]}


@pytest.mark.parametrize("aicall_id", ["yesterday", "73e63205-a034-471b-be13-b34cbd9a7798"])
async def test_messages_of_no_call(aicall_id: str) -> None:
    result = await call("get_aicall_messages", CallHost(), aicall_id=aicall_id)
    assert not result.ok
    assert result.message
