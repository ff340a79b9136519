from __future__ import annotations

import asyncio

import pytest

from tests.e2e.asterisk.caller import calling
from tests.e2e.asterisk.ears import ECHO, GOODBYE, LONG, hear, last_heard, speak, told, until_heard
from tests.e2e.asterisk.office import AUDIOSOCKET, office
from tests.e2e.asterisk.server import SAID, Server
from tests.runtime.calls.offices import GREETING
from tests.standins.replies import ChatRequest, Reply

APPLICATION = AUDIOSOCKET["application"]
SOON_S = 3.0
"""As with chan_websocket: nothing can be flushed here, so little is sent ahead."""


def says_goodbye(request: ChatRequest) -> Reply:
    return Reply(GOODBYE, [("stop_service", {})])


@pytest.mark.parametrize("dials", AUDIOSOCKET)
async def test_the_caller_hears_what_was_said_and_is_heard(server: Server, dials: str) -> None:
    async with office(server, AUDIOSOCKET[dials]) as it, calling(it.asterisk, "100") as caller:
        assert told(await hear(caller, GREETING)) == GREETING
        speak(caller)
        await until_heard(caller, ECHO)
        assert SAID in (await it.messages("user"))[0]


async def test_a_caller_who_interrupts_hears_silence_soon(server: Server) -> None:
    async with (
        office(server, APPLICATION, parameter={"greeting": LONG}) as it,
        calling(it.asterisk, "100") as caller,
    ):
        await until_heard(caller, LONG)
        began = asyncio.get_running_loop().time()
        speak(caller)
        await until_heard(caller, ECHO)
        assert last_heard(caller, LONG) - began < SOON_S


async def test_the_caller_hangs_up(server: Server) -> None:
    async with office(server, APPLICATION) as it, calling(it.asterisk, "100", hang_up_s=6) as caller:
        await hear(caller, GREETING)
        assert await caller.over() == "caller"
        assert (await it.ended())["end_reason"] == "hangup"


async def test_the_bot_hangs_up(server: Server) -> None:
    async with (
        office(server, APPLICATION, reply=says_goodbye, tool_names=["all"]) as it,
        calling(it.asterisk, "100") as caller,
    ):
        await hear(caller, GREETING)
        speak(caller)
        await until_heard(caller, GOODBYE)
        assert await caller.over() == "pbx"
        assert (await it.ended())["end_reason"] == "stop_service"
