from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.asterisk.caller import calling
from tests.e2e.asterisk.ears import CONNECTING, SORRY, hear, speak, until_heard, until_tone
from tests.e2e.asterisk.office import AUDIOSOCKET, WEBSOCKET, office
from tests.e2e.asterisk.server import Server
from tests.runtime.calls.offices import GREETING
from tests.standins.replies import ChatRequest, Reply

UNNAMED = "Dial(WebSocket/bot/c(ulaw)f(json),30)"
"""A dial string that does not say whose call it is."""


def connects(target: str, **arguments: Any) -> Any:
    """A model that connects whoever speaks, and says so when it cannot."""
    arguments["destinations"] = [{"type": "extension", "target": target}]

    def reply(request: ChatRequest) -> Reply:
        return Reply(SORRY) if request.tool_result is not None else Reply(CONNECTING, [("connect_call", arguments)])

    return reply


@pytest.mark.parametrize("dials", [WEBSOCKET["json-ulaw"], UNNAMED, *AUDIOSOCKET.values()])
async def test_the_caller_is_taken_to_an_extension(server: Server, dials: str) -> None:
    async with (
        office(server, dials, reply=connects("500"), tool_names=["all"]) as it,
        calling(it.asterisk, "100") as caller,
    ):
        await hear(caller, GREETING)
        speak(caller)
        await until_heard(caller, CONNECTING)
        await until_tone(caller, 440)
        assert (await it.ended())["end_reason"] == "connect_call"
        # They stay there: the end of the AIcall is not the end of the call.
        await until_tone(caller, 440)


async def test_the_number_that_is_shown(server: Server) -> None:
    source = {"type": "tel", "target": "+15557770000"}
    async with (
        office(server, WEBSOCKET["json-ulaw"], reply=connects("503", source=source), tool_names=["all"]) as it,
        calling(it.asterisk, "100") as caller,
    ):
        await hear(caller, GREETING)
        speak(caller)
        await until_tone(caller, 660)


async def test_an_extension_that_there_is_not(server: Server) -> None:
    async with (
        office(server, WEBSOCKET["json-ulaw"], reply=connects("999"), tool_names=["all"]) as it,
        calling(it.asterisk, "100") as caller,
    ):
        await hear(caller, GREETING)
        speak(caller)
        await until_heard(caller, SORRY)
        assert (await it.aicall())["status"] == "progressing"


@pytest.mark.parametrize("dials", [WEBSOCKET["json-ulaw"], AUDIOSOCKET["application"]])
async def test_somebody_is_asked_first_and_the_caller_joins(server: Server, dials: str) -> None:
    async with (
        office(server, dials, reply=connects("501", mode="warm"), tool_names=["all"]) as it,
        calling(it.asterisk, "100") as caller,
    ):
        await hear(caller, GREETING)
        speak(caller)
        await until_heard(caller, CONNECTING)
        await until_tone(caller, 880)
        assert (await it.ended())["end_reason"] == "connect_call"


async def test_the_caller_stays_when_the_one_who_is_asked_is_busy(server: Server) -> None:
    async with (
        office(server, WEBSOCKET["json-ulaw"], reply=connects("502", mode="warm"), tool_names=["all"]) as it,
        calling(it.asterisk, "100") as caller,
    ):
        await hear(caller, GREETING)
        speak(caller)
        await until_heard(caller, SORRY)
        assert (await it.aicall())["status"] == "progressing"


@pytest.mark.parametrize("dials", [WEBSOCKET["json-ulaw"], AUDIOSOCKET["dial-slin"]])
async def test_keys_are_pressed_towards_the_caller(server: Server, dials: str) -> None:
    async with office(server, dials) as it, calling(it.asterisk, "100") as caller:
        await hear(caller, GREETING)
        response = await it.http.post(f"/v1.0/aicalls/{(await it.aicall())['id']}/dtmf", json={"digits": "12w#"})
        assert response.is_success, response.text
        await caller.handset.until(lambda: caller.handset.keys == "12#")
