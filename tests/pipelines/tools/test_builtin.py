from typing import Any

import pytest

from adapters.callcontrol.base import ControlCommand
from adapters.mail.base import Email, Recipient
from models.aicall import EndReason
from models.errors import InvalidField, ToolFailed
from models.tools import TOOLS
from pipelines.tools.bound import Invocation
from pipelines.tools.builtin import BUILTIN
from pipelines.tools.host import ToolHost
from pipelines.tools.result import ToolResult
from tests.pipelines.tools.hosts import AICALL_ID, EARLIER_ID, CallHost


async def call(name: str, host: ToolHost, **arguments: Any) -> ToolResult:
    return await BUILTIN[name](host, Invocation("call_1", arguments, "key-1"))


def test_what_is_carried_out_is_what_the_model_may_be_told_of() -> None:
    assert list(BUILTIN) == list(TOOLS)


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


# What is asked of others.

TEL = {"type": "tel", "target": "+15551230001"}
MAIL = {"type": "email", "target": "ann@example.com", "target_name": "Ann"}
ASKED: dict[str, dict[str, Any]] = {
    "connect_call": {"destinations": [TEL]},
    "create_call": {"destinations": [TEL], "variables": {"a": "1"}},
    "send_message": {"destinations": [TEL], "text": "Hello"},
    "stop_flow": {},
}


@pytest.mark.parametrize("name", ASKED)
async def test_call_control_gets_the_whole_request(name: str) -> None:
    host = CallHost()
    host.control.answer = {"message": "on its way", "call_ids": ["c1"]}
    result = await call(name, host, **ASKED[name])
    assert result == ToolResult(ok=True, message="on its way", data={"call_ids": ["c1"]})
    [request] = host.control.requests
    assert request.command == name
    assert (request.tool_call_id, request.idempotency_key) == ("call_1", "key-1")
    assert request.arguments == ASKED[name]
    assert request.aicall == host.aicall
    assert request.leg == host.leg


@pytest.mark.parametrize(
    ("name", "reason"), [("connect_call", EndReason.CONNECT_CALL), ("stop_flow", EndReason.STOP_FLOW)]
)
async def test_what_ends_the_conversation_ends_it_once_it_is_done(name: str, reason: EndReason) -> None:
    host = CallHost()
    await call(name, host, **ASKED[name])
    assert host.done == [name, "stop_service"]
    assert host.reasons == [reason]
    # Said before, since the phone system may end the stream before it answers.
    assert host.partings == [reason, True]


@pytest.mark.parametrize("name", ["connect_call", "stop_flow"])
async def test_a_refusal_does_not_end_the_conversation(name: str) -> None:
    host = CallHost()
    host.doing.fails = ToolFailed("it was refused")
    with pytest.raises(ToolFailed):
        await call(name, host, **ASKED[name])
    assert host.reasons == []
    assert host.partings[1:] == [False]


@pytest.mark.parametrize("name", ["create_call", "send_message"])
async def test_the_conversation_goes_on_after_the_others(name: str) -> None:
    host = CallHost()
    assert (await call(name, host, **ASKED[name])).message == "done"
    assert host.reasons == []


@pytest.mark.parametrize("kind", ["conversation", "task"])
async def test_only_a_phone_call_can_be_connected(kind: str) -> None:
    host = CallHost()
    host.aicall["reference_type"] = kind
    assert not (await call("connect_call", host, **ASKED["connect_call"])).ok
    assert host.control.requests == []


@pytest.mark.parametrize("name", ASKED)
async def test_what_call_control_cannot_do_is_said_to_be_missing(name: str) -> None:
    host = CallHost()
    host.control.cannot.add(ControlCommand(name))
    result = await call(name, host, **ASKED[name])
    assert not result.ok
    assert "not available" in result.message
    assert host.control.requests == []


async def test_an_email() -> None:
    host = CallHost()
    result = await call("send_email", host, destinations=[MAIL], subject="Your table", content="At eight.")
    assert result.ok
    assert host.mailer.emails == [Email([Recipient("ann@example.com", "Ann")], "Your table", "At eight.", "key-1")]


async def test_an_email_is_for_an_email_address() -> None:
    host = CallHost()
    result = await call("send_email", host, destinations=[MAIL, TEL], subject="s", content="c")
    assert (result.ok, result.message) == (False, "destinations: every type must be email")
    assert host.done == []


async def test_an_address_that_is_none_is_named() -> None:
    host = CallHost()
    host.doing.fails = InvalidField("destinations.0.target", "is not an email address")
    result = await call("send_email", host, destinations=[MAIL], subject="s", content="c")
    assert (result.ok, result.message) == (False, "destinations.0.target: is not an email address")


async def test_searching() -> None:
    host = CallHost()
    result = await call("search_knowledge", host, query="opening hours")
    assert result.ok
    assert result.data == {"results": host.library.results}
    assert host.done == ["search opening hours"]
    assert host.library.limits == [5]


async def test_finding_nothing_is_said() -> None:
    host = CallHost()
    host.library.results = []
    result = await call("search_knowledge", host, query="opening hours")
    assert (result.ok, result.data) == (True, {"results": []})
    assert "nothing was found" in result.message
