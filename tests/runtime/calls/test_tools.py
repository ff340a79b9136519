"""Each tool in a call of its own: a real server, vendors and outside systems on loopback (issue 5, item 6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.calls.offices import Office, assert_ended, events_of, office
from tests.runtime.calls.phones import Phone, dial
from tests.runtime.calls.understudies import QUESTION, data_of
from tests.standins.mcp_server import mcp_stand_in
from tests.standins.replies import ChatRequest, Reply, Script
from tests.standins.smtp import SmtpStandIn, smtp_stand_in
from tests.standins.tools import SECRET, ToolStandIn

TEL = {"type": "tel", "target": "+15551230001"}
KEY = "Bearer tool-key"
WAIT_S = 20.0


@dataclass
class Scene:
    """One call, and everything around it.

    Attributes:
        office: The server and its vendors.
        outside: The orchestrator's webhook and the customer's HTTP tool.
        mail: The mail server.
        aicall: The AIcall.
        phone: The caller's end.
    """

    office: Office
    outside: ToolStandIn
    mail: SmtpStandIn
    aicall: dict[str, Any]
    phone: Phone

    async def ask(self) -> None:
        """Let the caller say something, and be silent."""
        await self.phone.say(QUESTION)

    async def called(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for the events of so many tool calls."""
        store, cursor = self.office.api.services.store, ""
        async with asyncio.timeout(WAIT_S):
            while len(found := await data_of(self.office.api, self.aicall, "aicall_tool_called")) < count:
                await store.wait_events(after=cursor, timeout_s=WAIT_S)
                cursor = (await store.list_events(limit=1000, customer_id=None))[-1].id
        return found

    async def answered(self) -> str:
        """Wait for what the model was told of its tool call."""
        openai = self.office.openai

        def told() -> list[str]:
            return [it for request in openai.requests for it in tool_results(request.body)]

        await openai.until(lambda: bool(told()), WAIT_S)
        return told()[-1]


def tool_results(body: Any) -> list[str]:
    messages = body.get("messages", []) if isinstance(body, dict) else []
    return [it["content"] for it in messages if it["role"] == "tool"]


@asynccontextmanager
async def scene(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    reply: Reply,
    *,
    parameter: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    **ai: Any,
) -> AsyncIterator[Scene]:
    """A call whose model calls a tool when the caller has spoken, and then says that it is done."""

    def script(request: ChatRequest) -> Reply:
        return Reply("All done.") if any(it.role == "tool" for it in request.messages) else reply

    monkeypatch.setenv("AICALL_ALLOW_PRIVATE_ENDPOINTS", "true")
    async with ToolStandIn() as outside, smtp_stand_in() as mail:
        configured = {
            "tool_webhook_url": f"{outside.http_url}/webhook",
            "tool_webhook_secret": SECRET,
            "smtp_url": f"smtp://127.0.0.1:{mail.port}?starttls=off",
            "smtp_from": "clinic@example.com",
        }
        async with office(folder, monkeypatch, **(configured if settings is None else settings)) as it:
            it.openai.script = Script(script)
            given = {"tool_names": ["all"], "parameter": {"filler": [], **placed(parameter or {}, outside)}, **ai}
            aicall = await it.new_aicall(**given)
            async with dial(aicall["media_url"]) as phone:
                await phone.start()
                await phone.until(lambda: phone.of("mark"))
                yield Scene(it, outside, mail, aicall, phone)
        await outside.all_closed()


def placed(parameter: dict[str, Any], outside: ToolStandIn) -> dict[str, Any]:
    """Fill the address of the stand-in in."""
    filled: dict[str, Any] = json.loads(json.dumps(parameter).replace("{outside}", outside.http_url))
    return filled


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("create_call", {"destinations": [TEL], "variables": {"a": "1"}}),
        ("send_message", {"destinations": [TEL], "text": "Hello"}),
    ],
)
async def test_what_the_orchestrator_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any]
) -> None:
    async with scene(tmp_path, monkeypatch, Reply("One moment.", [(name, arguments)])) as it:
        it.outside.lose = 1
        await it.ask()
        assert json.loads(await it.answered()) == {"result": "success", "message": "accepted"}
        called, *_ = await it.called()
        assert (called["name"], called["state"]) == (name, "done")
        first, second = it.outside.requests_to("webhook")
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
        assert (first.body["name"], first.body["arguments"]) == (name, arguments)
        assert first.body["tool_call_id"] == called["tool_call_id"]
        assert first.body["aicall"]["id"] == it.aicall["id"]


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [("connect_call", {"destinations": [TEL]}, "connect_call"), ("stop_flow", {}, "stop_flow")],
)
async def test_what_ends_the_call_waits_for_the_goodbye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any], reason: str
) -> None:
    goodbye = "I will now connect you to a colleague who can help you with that. Goodbye!"
    async with scene(tmp_path, monkeypatch, Reply(goodbye, [(name, arguments)])) as it:
        await it.ask()
        silence = asyncio.create_task(it.phone.stay_silent())
        async with asyncio.timeout(WAIT_S):
            await it.outside.until(lambda: bool(it.outside.requests_to("webhook")), WAIT_S)
        # The orchestrator is asked when the last mark has come back, and not a moment before.
        marks_then, heard_then = len(it.phone.of("mark")), len(it.phone.heard)
        assert await it.phone.closed() == (1000, reason)
        assert (len(it.phone.of("mark")), len(it.phone.heard)) == (marks_then, heard_then)
        await silence
        await assert_ended(it.office.api, it.aicall, reason)
        said = await data_of(it.office.api, it.aicall, "aimessage_created")
        spoken = [message["content"] for message in said if message["role"] == "assistant" and message["content"]]
        assert spoken[-1] == goodbye
        kinds = [event["type"] for event in await events_of(it.office.api, it.aicall)]
        assert "aicall_tool_called" in kinds


async def test_an_email(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {
        "destinations": [{"type": "email", "target": "ann@example.org"}],
        "subject": "Your table",
        "content": "At eight.",
    }
    async with scene(tmp_path, monkeypatch, Reply("", [("send_email", arguments)])) as it:
        await it.ask()
        assert json.loads(await it.answered())["result"] == "success"
        [mail] = it.mail.mails
        assert (mail.recipients, mail.message["Subject"]) == (["ann@example.org"], "Your table")


async def test_variables_and_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [("set_variables", {"variables": {"table": "7"}}), ("get_variables", {}), ("get_aicall_messages", {})]
    async with scene(tmp_path, monkeypatch, Reply("", calls)) as it:
        await it.ask()
        called = await it.called(3)
        assert {(it["name"], it["state"]) for it in called} == {(name, "done") for name, _ in calls}
        remembered = await data_of(it.office.api, it.aicall, "aicall_variables_set")
        assert remembered[0] == {"variables": {"table": "7"}}
        assert all(it["duration_ms"] >= 0 for it in called)
        messages = await data_of(it.office.api, it.aicall, "aimessage_created")
        results = [json.loads(it["content"]) for it in messages if it["role"] == "tool"]
        assert {it["result"] for it in results} == {"success"}


async def test_stop_media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path, monkeypatch, Reply("Wait. " * 30, [("stop_media", {})])) as it:
        await it.ask()
        assert (await it.called())[0]["state"] == "done"


async def test_stop_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path, monkeypatch, Reply("Goodbye!", [("stop_service", {})])) as it:
        await it.ask()
        silence = asyncio.create_task(it.phone.stay_silent())
        assert await it.phone.closed() == (1000, "stop_service")
        await silence
        await assert_ended(it.office.api, it.aicall, "stop_service")


async def test_what_is_not_configured_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = Reply("", [("connect_call", {"destinations": [TEL]})])
    async with scene(tmp_path, monkeypatch, reply, settings={}) as it:
        await it.ask()
        assert "not available" in await it.answered()
        assert (await it.called())[0]["state"] == "failed"


async def test_wrong_arguments_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path, monkeypatch, Reply("", [("create_call", {"destinations": []})])) as it:
        await it.ask()
        assert "destinations: " in await it.answered()
        assert it.outside.requests == []


WEATHER = {
    "name": "weather",
    "description": "The weather in a town.",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    "url": "{outside}/tool",
    "headers": {"Authorization": KEY},
    "timeout_s": 30,
}


async def test_an_http_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = Reply("I will look.", [("weather", {"town": "Bern"})])
    async with scene(tmp_path, monkeypatch, reply, parameter={"tools": [WEATHER]}, tool_names=[]) as it:
        it.outside.keys = {KEY}
        await it.ask()
        assert json.loads(await it.answered())["answer"] == {"temperature": 21}
        [request] = it.outside.requests_to("tool")
        assert (request.body, request.headers["authorization"]) == ({"town": "Bern"}, KEY)
        [offered] = it.office.openai.requests[0].body["tools"]
        assert (offered["function"]["name"], offered["function"]["parameters"]["required"]) == ("weather", ["town"])
        # What opens the tool is nowhere to be read.
        shown = [
            await it.office.api.ok("GET", f"/v1.0/ais/{it.aicall['assistance_id']}"),
            await it.office.api.ok("GET", f"/v1.0/aicalls/{it.aicall['id']}"),
            await events_of(it.office.api, it.aicall),
        ]
        assert "tool-key" not in json.dumps(shown)


async def test_a_slow_tool_is_explained_and_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = Reply("", [("weather", {"town": "Bern"})])
    parameter = {"tools": [{**WEATHER, "timeout_s": 3}], "filler": ["One moment."], "filler_after_s": 0.5}
    async with scene(tmp_path, monkeypatch, reply, parameter=parameter) as it:
        it.outside.endpoint_faults["tool"] = it.outside.faults.__class__(delay_s=60)
        await it.ask()
        silence = asyncio.create_task(it.phone.stay_silent())
        called, *_ = await it.called()
        assert called["state"] == "timed_out"
        fillers = await data_of(it.office.api, it.aicall, "aicall_filler_said")
        assert "tool" in {filler["waits_for"] for filler in fillers}
        silence.cancel()
        await asyncio.wait({silence})


async def test_an_mcp_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with mcp_stand_in() as server:
        server.key = KEY
        servers = [{"name": "shop", "url": server.url, "headers": {"Authorization": KEY}, "tool_names": ["book"]}]
        reply = Reply("I will book it.", [("book", {"seats": 2})])
        async with scene(tmp_path, monkeypatch, reply, parameter={"mcp_servers": servers}, tool_names=[]) as it:
            # Listed while the greeting plays.
            async with asyncio.timeout(WAIT_S):
                await server.listed.wait()
            await it.ask()
            assert json.loads(await it.answered())["answer"] == "booked"
            assert [(name, arguments) for name, arguments, _ in server.called] == [("book", {"seats": 2})]


async def test_an_mcp_server_that_is_not_there_stops_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = [{"name": "shop", "url": "http://127.0.0.1:9/mcp"}]
    reply = Reply("", [("get_variables", {})])
    async with scene(tmp_path, monkeypatch, reply, parameter={"mcp_servers": servers}) as it:
        await it.ask()
        assert (await it.called())[0]["state"] == "done"
