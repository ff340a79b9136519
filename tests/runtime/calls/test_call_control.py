"""What becomes of the caller when the AI's part ends: a real server, and the phone system's REST interface."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.runtime.calls.offices import Office, assert_ended, office, until_status
from tests.runtime.calls.phones import Phone, dial
from tests.runtime.calls.understudies import QUESTION
from tests.standins.base import DEFAULT_KEY
from tests.standins.call_rest import ACCOUNT, CALLER, Deed, fetch
from tests.standins.faults import Faults
from tests.standins.replies import ChatRequest, Reply, Script
from tests.standins.telnyx_rest import TelnyxRestStandIn
from tests.standins.twilio_rest import SignalWireRestStandIn

TEL = {"type": "tel", "target": "+15551230001"}
CONNECT = Reply("One moment.", [("connect_call", {"destinations": [TEL]})])
GOODBYE = Reply("Goodbye!", [("stop_service", {})])
STOP = {"event": "stop", "stop": {"callSid": CALLER}}
MEDIA_FORMAT = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
WAIT_S = 20.0


@dataclass
class Line:
    """One call of a phone system that has a REST interface.

    Attributes:
        office: The server and its vendors.
        system: The REST interface.
        aicall: The AIcall.
        phone: The stream's other end.
    """

    office: Office
    system: SignalWireRestStandIn
    aicall: dict[str, Any]
    phone: Phone

    async def told(self) -> dict[str, Any]:
        """Wait for what the model was told of its tool call."""
        requests = self.office.openai.requests

        def results() -> list[str]:
            bodies = [it.body for it in requests if isinstance(it.body, dict)]
            return [it["content"] for body in bodies for it in body["messages"] if it["role"] == "tool"]

        await self.office.openai.until(lambda: bool(results()), WAIT_S)
        found: dict[str, Any] = json.loads(results()[-1])
        return found

    async def ended(self, reason: str) -> None:
        """Wait for the end of the call."""
        silence = asyncio.create_task(self.phone.stay_silent())
        await self.phone.closed()
        await silence
        await assert_ended(self.office.api, self.aicall, reason)


@asynccontextmanager
async def line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    reply: Reply,
    *,
    query: str = "",
    protocol: str = "signalwire",
    **settings: Any,
) -> AsyncIterator[Line]:
    """A call whose model calls a tool when the caller has spoken, and says sorry when that fails."""

    def script(request: ChatRequest) -> Reply:
        return Reply("I am sorry.") if any(it.role == "tool" for it in request.messages) else reply

    async with SignalWireRestStandIn() as system:
        monkeypatch.setenv("AICALL_BASE_URL_SIGNALWIRE", system.base_url)
        configured = {
            "signalwire_space": "clinic.signalwire.com",
            "signalwire_project_id": ACCOUNT,
            "signalwire_api_token": DEFAULT_KEY,
            **settings,
        }
        async with office(folder, monkeypatch, **configured) as it:
            it.openai.script = Script(script)
            aicall = await it.new_aicall(tool_names=["all"], parameter={"filler": []})
            async with dial(f"{aicall['media_url']}?protocol={protocol}{query}") as phone:
                await phone.start(callSid=CALLER)
                await phone.until(lambda: phone.of("mark"))
                yield Line(it, system, aicall, phone)
        await system.all_closed()


async def test_the_caller_is_connected_by_their_own_phone_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with line(tmp_path, monkeypatch, CONNECT) as it:

        async def take_away(url: str) -> str:
            document = await fetch(url)
            # The stream ends while the phone system has not answered yet.
            await it.phone.send(STOP)
            await asyncio.sleep(0.2)
            return document

        it.system.fetch = take_away
        await it.phone.say(QUESTION)
        await it.ended("connect_call")
        assert it.system.done == [Deed("transfer", CALLER, [("tel", "+15551230001")])]


async def test_one_who_cannot_be_connected_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with line(tmp_path, monkeypatch, CONNECT) as it:
        it.system.refusal = "no route"
        await it.phone.say(QUESTION)
        told = await it.told()
        assert told["result"] == "failed"
        assert "no route" in json.dumps(told)
        await it.phone.send(STOP)
        await it.ended("hangup")
        assert it.system.done == []


@pytest.mark.parametrize(
    ("query", "deeds"), [("", [Deed("hangup", CALLER)]), ("&after=continue", [])], ids=["hang up", "continue"]
)
async def test_after_the_goodbye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str, deeds: list[Deed]
) -> None:
    async with line(tmp_path, monkeypatch, GOODBYE, query=query) as it:
        await it.phone.say(QUESTION)
        await it.ended("stop_service")
        assert it.system.done == deeds


async def test_the_whole_flow_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with line(tmp_path, monkeypatch, Reply("Goodbye!", [("stop_flow", {})])) as it:
        await it.phone.say(QUESTION)
        await it.ended("stop_flow")
        # Not a second time when the call is released.
        assert it.system.done == [Deed("hangup", CALLER)]


@pytest.mark.parametrize("faults", [Faults(status=500), Faults(delay_s=600)], ids=["refused", "stalled"])
async def test_a_phone_system_that_does_not_hang_up_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: Faults
) -> None:
    async with line(tmp_path, monkeypatch, GOODBYE, teardown_timeout_s=2.0) as it:
        it.system.faults = faults
        await it.office.api.ok("POST", f"/v1.0/aicalls/{it.aicall['id']}/terminate")
        await it.ended("terminate")
        assert it.system.requests != []
        it.system.faults = Faults()


async def test_a_caller_who_has_hung_up_is_not_hung_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with line(tmp_path, monkeypatch, GOODBYE) as it:
        await it.phone.send(STOP)
        await it.ended("hangup")
        assert it.system.requests == []


async def test_keys_are_pressed_in_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with line(tmp_path, monkeypatch, GOODBYE) as it:
        await it.office.api.ok("POST", f"/v1.0/aicalls/{it.aicall['id']}/dtmf", json={"digits": "1w#"})
        await it.phone.until(lambda: it.phone.of("dtmf"))
        assert [message["dtmf"]["digit"] for message in it.phone.of("dtmf")] == ["1", "#"]
        assert it.system.requests == []
        await it.phone.send(STOP)
        await it.ended("hangup")


async def test_keys_that_the_phone_system_cannot_press(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with line(tmp_path, monkeypatch, GOODBYE, protocol="twilio") as it:
        path = f"/v1.0/aicalls/{it.aicall['id']}/dtmf"
        problem = await it.office.api.problem("POST", path, 409, json={"digits": "1"})
        assert "takes no digits" in problem["detail"]
        await it.phone.send(STOP)
        await it.ended("hangup")


@pytest.mark.parametrize("status", [None, 422])
async def test_keys_are_pressed_by_the_phone_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None
) -> None:
    start = {"user_id": "u", "call_control_id": CALLER, "media_format": MEDIA_FORMAT}
    async with TelnyxRestStandIn() as system:
        monkeypatch.setenv("AICALL_BASE_URL_TELNYX", system.base_url)
        async with office(tmp_path, monkeypatch, telnyx_api_key=DEFAULT_KEY) as it:
            aicall = await it.new_aicall()
            async with connect(f"{aicall['media_url']}?protocol=telnyx", proxy=None) as socket:
                await socket.send(json.dumps({"event": "connected", "version": "1.0.0"}))
                await socket.send(json.dumps({"event": "start", "stream_id": "s", "start": start}))
                await until_status(it.api, aicall, "progressing")
                path = f"/v1.0/aicalls/{aicall['id']}/dtmf"
                system.faults = Faults(status=status)
                if status is None:
                    await it.api.ok("POST", path, json={"digits": "1w#"})
                    assert system.done == [Deed("dtmf", CALLER, "1w#")]
                else:
                    await it.api.problem("POST", path, 503, json={"digits": "1"})
            await assert_ended(it.api, aicall, "hangup")
        await system.all_closed()
